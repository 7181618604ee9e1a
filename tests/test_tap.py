"""
The twistd plugin, without twistd.
"""

from __future__ import annotations

import resource
import signal
import sys
from io import StringIO

import attrs
from twisted.application.service import IService, IServiceMaker, Service
from twisted.internet import reactor
from twisted.internet.testing import MemoryReactor
from twisted.plugin import getPlugins
from twisted.python.usage import Options as AnyOptions
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from logrelay.errors import LogRelayError
from logrelay.options import Options
from logrelay.service import LogRelayService
from logrelay.tap import Process, makeService

from .certificates import Folder
from .loopback import openDescriptors, scripted
from .tlscases import ROOT


def parsed(*arguments: str) -> Options:
    """
    What twistd hands to the plugin.
    """
    options = Options()
    options.parseOptions(list(arguments))
    return options


class PluginTests(SynchronousTestCase):
    """
    How twistd finds it.
    """

    def test_plugin(self) -> None:
        """
        There is one plugin of this name, with our options and our service.
        """
        [plugin] = [each for each in getPlugins(IServiceMaker) if each.tapname == "logrelay"]
        self.assertIs(plugin.options, Options)
        self.assertIs(plugin.makeService, makeService)
        self.assertTrue(plugin.description)


class MakeServiceTests(TestCase):
    """
    From the command line to the service.
    """

    @scripted
    async def test_onlyBuilds(self) -> None:
        """
        It builds and opens nothing: twistd forks and changes its user after that.
        """
        before = await openDescriptors(reactor)
        service = makeService(parsed("--listen", "tcp:0", "--primary", "127.0.0.1"))
        verifyObject(IService, service)
        self.assertEqual(await openDescriptors(reactor), before)
        assert isinstance(service, Process)
        relay, *_ = service.services
        assert isinstance(relay, LogRelayService)
        [destination] = relay.configuration.destinations
        self.assertEqual([str(server) for server in destination.servers], ["127.0.0.1:601"])

    def refusal(self, options: Options) -> list[str]:
        """
        What is said on standard error when a configuration is refused.
        """
        said = StringIO()
        self.patch(sys, "stderr", said)
        with self.assertRaises(SystemExit) as caught:
            makeService(options)
        self.assertEqual(caught.exception.code, 1)
        return said.getvalue().splitlines()

    def test_mistakes(self) -> None:
        """
        Every mistake is a line, and the status is 1.
        """
        lines = self.refusal(parsed("--listen", "tcp:x", "--primary", "logs-a:0"))
        self.assertEqual([line.partition(":")[0] for line in lines], ["--listen", "--primary"])

    def test_filesOfTLS(self) -> None:
        """
        Certificates and keys are looked into at once.
        """
        path = Folder(self.mktemp()).write("ca.pem", b"nonsense")
        [line] = self.refusal(
            parsed("--listen", "tcp:0", "--primary", "127.0.0.1", "--transport", "tls", "--ca-file", path)
        )
        self.assertIn("--ca-file", line)
        good = Folder(self.mktemp()).write("ca.pem", ROOT.pem)
        makeService(parsed("--listen", "tcp:0", "--primary", "127.0.0.1", "--transport", "tls", "--ca-file", good))

    def test_stdin(self) -> None:
        """
        Standard input can be read in the foreground, and by whoever calls this without twistd; not by a daemon.
        """
        options = parsed("--stdin", "--primary", "127.0.0.1")
        makeService(options)
        options.parent = AnyOptions()
        options.parent["nodaemon"] = 1
        makeService(options)
        options.parent["nodaemon"] = 0
        [line] = self.refusal(options)
        self.assertEqual(line, "twistd: stdin: a daemon has no standard input; write twistd -n logrelay")
        daemon = parsed("--listen", "tcp:0", "--primary", "127.0.0.1")
        daemon.parent = options.parent
        makeService(daemon)

    def test_filesAsADaemon(self) -> None:
        """
        A daemon can follow files.
        """
        folder = Folder(self.mktemp())
        options = Options()
        options.parent = AnyOptions()
        options.parent["nodaemon"] = 0
        text = b'[[source]]\ntype = "file"\npath = "app.log"\n[destination.central]\nprimary = "127.0.0.1"\n'
        options.parseOptions(["--config", folder.write("relay.toml", text)])
        makeService(options)


@attrs.define(eq=False)
class Failing(Service):
    """
    Can't have what it wants.

    :ivar error: what it raises.
    """

    error: Exception

    def privilegedStartService(self) -> None:
        """
        Fail.
        """
        raise self.error


class ProcessTests(SynchronousTestCase):
    """
    What a process of its own wants.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.hangups: list[str] = []
        self.process = Process(self.reactor, lambda: self.hangups.append("taken"))

    def test_openFiles(self) -> None:
        """
        The limit of open files is what the system allows at most.
        """
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
        self.process.privilegedStartService()
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (before[1], before[1]))

    def test_hangup(self) -> None:
        """
        SIGHUP is taken when it starts, and not before: twistd may fork until then.
        """
        self.process.privilegedStartService()
        self.assertEqual(self.hangups, [])
        self.process.startService()
        self.assertEqual(self.hangups, ["taken"])

    def test_secondSignal(self) -> None:
        """
        From the beginning of the shutdown on SIGTERM does what it does by default.
        """
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        self.process.startService()
        self.assertEqual(signal.getsignal(signal.SIGTERM), signal.SIG_IGN)
        for function, arguments, keywords in self.reactor.triggers["before"]["shutdown"]:
            function(*arguments, **keywords)
        self.assertEqual(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)

    def test_whatCannotBeHad(self) -> None:
        """
        An error of ours ends the process with its text alone; any other with all that there is to know.
        """
        said = StringIO()
        self.patch(sys, "stderr", said)
        self.patch(sys, "excepthook", sys.excepthook)
        before = sys.excepthook
        child = Failing(ValueError("a defect"))
        child.setServiceParent(self.process)
        with self.assertRaises(ValueError):
            self.process.privilegedStartService()
        self.assertIs(sys.excepthook, before)
        child.error = LogRelayError("no room at the inn; build an inn")
        with self.assertRaises(LogRelayError) as caught:
            self.process.privilegedStartService()
        sys.excepthook(type(caught.exception), caught.exception, None)
        self.assertEqual(said.getvalue(), "no room at the inn; build an inn\n")
