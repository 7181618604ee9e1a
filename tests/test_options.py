"""
Tests for :mod:`logrelay.options`.
"""

from __future__ import annotations

import os

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import Configuration, TLSSettings
from logrelay.configfile import readConfiguration
from logrelay.errors import ConfigurationError
from logrelay.keys import SECTIONS
from logrelay.options import FLAGS, Options

SIMPLE = ["--listen", "tcp:5140", "--primary", "logs-a"]

#: Flags beside the simple ones, the flag that is blamed, words of what is wrong and of the remedy.
MISTAKES = [
    (["--primary", "logs-b"], "primary", "is given 2 times", "give it once"),
    (["--failback"], "failback", "no failovers to come back from", "add failovers"),
    (["--failover", "b", "--tcp-probe-interval", "5"], "tcp-probe-interval", "no use without --failback", "--failback"),
    (["--failover", "b:514:tls"], "failover", "nothing but host and port may differ", "host:port"),
    (["--failover", "logs-a:601"], "failover", "is the same server", "take one of them out"),
    (["--driver", "kafka"], "driver", "only stream transports fail over", '"syslog", "network"'),
    (["--driver", "relp", "--delivery", "acked"], "delivery", "a level of its own", "take it out"),
    (["--transport", "udp"], "transport", "only stream transports fail over", '"tcp", "tls"'),
    (["--port", "syslog"], "port", '"syslog" is not a whole number', "from 1 to 65535"),
    (["--port", "5.5"], "port", "5.5 is not a whole number", "from 1 to 65535"),
    (["--port", "0"], "port", "0 is too small", "from 1 to 65535"),
    (["--time-reopen", "60s"], "time-reopen", '"60s" is not a number', "seconds"),
    (["--format", "json"], "format", "is none of", '"rfc5424", "rfc3164", "as-is"'),
    (["--framing", "auto"], "framing", "is none of", '"octet-counting", "lf"'),
    (["--localip", "eth0"], "localip", "is not an IP address", "not a name"),
    (["--delivery", "repla"], "delivery", "is none of", 'write "replay"'),
    (["--buffer-size", "1MB"], "buffer-size", "is not a size", '"64MiB"'),
    (["--buffer-size", "4096"], "buffer-size", "too small for a max-message-size", "512KiB"),
    (["--overflow", "drop"], "overflow", "is none of", '"drop-'),
    (["--ca-file", "ca.pem"], "ca-file", "the transport is tcp", 'transport = "tls"'),
    (["--transport", "tls", "--ca-file", "none"], "ca-file", "can't be read", "the user who starts"),
    (["--transport", "tls", "--cert-file", "ca.pem"], "cert-file", "without key-file", "add key-file"),
    (["--listen", "tpc:514"], "listen", "nothing to listen on", "write tcp:"),
    (["--listen", "tls:6514"], "listen", "needs a certificate", "no flags for it"),
    (["--listen", "tcp:5140"], "listen", "of another source listens there", "change one of them"),
    (["--stdin", "--stdin"], "stdin", "is given 2 times", "give it once"),
    (["--config", "relay.toml"], "config", "may not stand beside --listen, --primary", "leave --config out"),
]


class OptionsTests(SynchronousTestCase):
    """
    The command line of ``twistd logrelay``.
    """

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(self.folder)
        for name in ("ca.pem", "me.pem", "me.key"):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(name)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        self.checked: list[object] = []

    def options(self, *arguments: str) -> Options:
        options = Options()
        options.parseOptions(list(arguments))
        return options

    def check(self, settings: object) -> list[tuple[str, str, str]]:
        self.checked.append(settings)
        return []

    def read(self, *arguments: str, platform: str = "linux") -> Configuration:
        return self.options(*arguments).configuration(self.check, self.check, platform)

    def fromFile(self, text: str) -> Configuration:
        """
        What a file in the same folder means.
        """
        with open("relay.toml", "w") as file:
            file.write(text)
        return readConfiguration("relay.toml", self.check, self.check)

    def problems(self, *arguments: str, platform: str = "linux") -> list[tuple[str, str, str, str]]:
        error = self.assertRaises(ConfigurationError, self.read, *arguments, platform=platform)
        return [(problem.where, problem.key, problem.what, problem.remedy) for problem in error.problems]

    def test_example(self) -> None:
        """
        The command of the specification means what a file means that says the same.
        """
        configuration = self.read(
            *("--listen", "tcp:5140", "--listen", "udp:5140", "--primary", "logs-a.example.com"),
            *("--failover", "logs-b.example.com", "--failover", "logs-c.example.com:7514", "--failback"),
            *("--driver", "syslog", "--transport", "tls", "--port", "6514"),
            *("--ca-file", "ca.pem", "--cert-file", "me.pem", "--key-file", "me.key"),
        )
        expected = self.fromFile(
            """
            [[source]]
            listen = "tcp:5140"
            [[source]]
            listen = "udp:5140"
            [destination.central]
            primary = "logs-a.example.com"
            failovers = ["logs-b.example.com", "logs-c.example.com:7514"]
            transport = "tls"
            failback = {}
            tls = {ca-file = "ca.pem", cert-file = "me.pem", key-file = "me.key"}
            """
        )
        self.assertEqual(configuration, expected)
        certificate, key = os.path.join(self.folder, "me.pem"), os.path.join(self.folder, "me.key")
        tls = TLSSettings(caFile=os.path.join(self.folder, "ca.pem"), certFile=certificate, keyFile=key)
        self.assertEqual(self.checked, [tls, tls])

    def test_everyFlag(self) -> None:
        """
        Each flag of a key means the key.
        """
        configuration = self.read(
            *("--stdin", "--primary=a", "--failover=b", "--failback", "--tcp-probe-interval=0.5"),
            *("--successful-probes-required=5", "--driver=network", "--format=as-is", "--framing=octet-counting"),
            *("--transport=tls", "--port=7", "--localip=192.0.2.1", "--ip-protocol=4", "--delivery=written"),
            *("--time-reopen=7", "--buffer-size=1MiB", "--overflow=drop-oldest", "--ca-dir=.", "--crl-file=ca.pem"),
            *("--ca-file=ca.pem", "--cert-file=me.pem", "--key-file=me.key", "--key-passphrase-file=ca.pem"),
        )
        expected = self.fromFile(
            """
            source = [{type = "stdin"}]
            [destination.central]
            primary = "a"
            failovers = ["b"]
            failback = {tcp-probe-interval = 0.5, successful-probes-required = 5}
            driver = "network"
            format = "as-is"
            framing = "octet-counting"
            transport = "tls"
            port = 7
            localip = "192.0.2.1"
            ip-protocol = 4
            delivery = "written"
            time-reopen = 7
            buffer = {size = "1MiB", overflow = "drop-oldest"}
            [destination.central.tls]
            ca-dir = "."
            crl-file = "ca.pem"
            ca-file = "ca.pem"
            cert-file = "me.pem"
            key-file = "me.key"
            key-passphrase-file = "ca.pem"
            """
        )
        self.assertEqual(configuration, expected)

    def test_acked(self) -> None:
        """
        The platform counts for flags as it does for a file.
        """
        self.assertEqual(self.read(*SIMPLE, "--delivery", "acked").destinations[0].delivery, "acked")
        self.assertEqual(self.problems(*SIMPLE, "--delivery", "acked", platform="darwin")[0][0], "--delivery")

    def test_mistakes(self) -> None:
        """
        Each mistake is told with its flag, what is wrong and the remedy, and nothing besides.
        """
        for arguments, flag, what, remedy in MISTAKES:
            problems = self.problems(*SIMPLE, *arguments)
            self.assertEqual([problem[:2] for problem in problems], [(f"--{flag}", flag)], (arguments, problems))
            self.assertIn(what, problems[0][2], arguments)
            self.assertIn(remedy, problems[0][3], arguments)

    def test_nothing(self) -> None:
        """
        Without any flags both what is needed is asked for.
        """
        source, primary = self.problems()
        self.assertEqual((source[0], source[2]), ("--listen", "there is no source"))
        self.assertIn("--listen", source[3])
        self.assertEqual((primary[0], primary[2]), ("--primary", "is missing"))

    def test_allAtOnce(self) -> None:
        """
        All mistakes are told together.
        """
        problems = self.problems(*SIMPLE, "--port", "0", "--driver", "x", "--port", "1", "--overflow", "y")
        self.assertEqual([problem[0] for problem in problems], ["--port", "--driver", "--overflow"])

    def test_parsingNeverComplains(self) -> None:
        """
        Bad values wait until the configuration is asked for, so that twistd does not print its help; flags that do not
        exist are told at once.
        """
        self.options("--port", "x", "--driver", "y")
        self.assertRaises(UsageError, self.options, "--prot", "514")
        self.assertRaises(UsageError, self.options, "tcp:514")

    def test_file(self) -> None:
        """
        A file says everything; its mistakes are told with its lines.
        """
        text = "[destination.a]\nprimary = 'a'\n[[source]]\nlisten = 'tcp:1'\n"
        expected = self.fromFile(text)
        self.assertEqual(self.read("--config", "relay.toml"), expected)
        self.fromFile(text)
        with open("relay.toml", "a") as file:
            file.write("x = 1\n")
        (problem,) = self.problems("--config", "relay.toml")
        self.assertEqual(problem[0], os.path.join(self.folder, "relay.toml:5"))

    def test_daemonLeavesTheFolder(self) -> None:
        """
        Paths start from the folder in which the command was given, also when the process has left it since.
        """
        self.fromFile("[destination.a]\nprimary = 'a'\n[[source]]\nlisten = 'tcp:1'\n")
        options = self.options("--config", "relay.toml")
        flags = self.options(*SIMPLE)
        os.chdir("/")
        self.assertEqual(options.configFile, os.path.join(self.folder, "relay.toml"))
        self.assertEqual(len(options.configuration(self.check, self.check).sources), 1)
        self.assertIdentical(flags.configFile, None)
        self.assertEqual(flags.configuration(self.check, self.check).stateDir, os.path.join(self.folder, "state"))

    def test_help(self) -> None:
        """
        The help names every flag, with the words of its key and its default.
        """
        text = " ".join(str(Options()).split())
        for name in [*FLAGS, "config", "listen", "stdin", "failback"]:
            self.assertIn(f"--{name}", text)
        for section in SECTIONS:
            for key in section.keys:
                if key.flag:
                    self.assertIn(" ".join(key.help.split()), text)
        self.assertIn("(tcp | tls) [default: tcp]", text)
