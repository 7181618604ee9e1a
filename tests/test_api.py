"""
The public names: where programs import them from, what that costs, and that they are documented.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import logrelay
from logrelay import (
    Configuration,
    ConfigurationError,
    DestinationSettings,
    LogRelayError,
    Server,
    readConfiguration,
)

TOP = Path(__file__).resolve().parent.parent
INIT = TOP / "logrelay" / "__init__.py"


def typedNames() -> dict[str, str]:
    """
    What a type checker takes for public, and from which module.
    """
    imported = {}
    for node in ast.walk(ast.parse(INIT.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            imported.update({alias.name: f"logrelay.{node.module}" for alias in node.names})
    return imported


class NamesTests(SynchronousTestCase):
    """
    ``from logrelay import ...``
    """

    def test_everyName(self) -> None:
        """
        Every public name can be imported, and is what a type checker takes it for.
        """
        typed = typedNames()
        self.assertEqual(sorted(typed), sorted(logrelay.__all__))
        for name, module in typed.items():
            self.assertIs(getattr(logrelay, name), getattr(import_module(module), name), name)
            self.assertIn(name, dir(logrelay))

    def test_star(self) -> None:
        """
        ``from logrelay import *`` brings all of them, and nothing else.
        """
        names: dict[str, object] = {}
        exec("from logrelay import *", names)
        self.assertEqual(names.keys() - {"__builtins__"}, set(logrelay.__all__))

    def test_noOther(self) -> None:
        """
        Any other name is none of ours.
        """
        with self.assertRaisesRegex(AttributeError, "module 'logrelay' has no attribute 'LogRelay'"):
            logrelay.LogRelay  # type: ignore[attr-defined]  # noqa: B018

    def test_costsNothing(self) -> None:
        """
        The package itself loads neither Twisted nor OpenSSL, and values are had without OpenSSL.
        """
        program = (
            "import sys, logrelay\n"
            "def loaded(*names): return sorted({each.split('.')[0] for each in sys.modules} & set(names))\n"
            "print(loaded('twisted', 'OpenSSL', 'attr'))\n"
            "logrelay.DestinationSettings, logrelay.parseServer, logrelay.LogRelayError\n"
            "print(loaded('twisted', 'OpenSSL'))\n"
        )
        done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd="/")
        self.assertEqual(done.stdout, "[]\n[]\n")

    def test_documented(self) -> None:
        """
        Every public name has a docstring, and so have its public methods.
        """
        for name in logrelay.__all__:
            public = getattr(logrelay, name)
            self.assertTrue(inspect.getdoc(public), name)
            if inspect.isclass(public):
                for method, function in vars(public).items():
                    if inspect.isfunction(function) and not method.startswith("_"):
                        self.assertTrue(function.__doc__, f"{name}.{method}")

    def test_oneRoot(self) -> None:
        """
        All errors that are raised to programs have one root.
        """
        errors = [each for each in map(logrelay.__dict__.get, logrelay.__all__) if inspect.isclass(each)]
        kinds = [each for each in errors if issubclass(each, Exception)]
        self.assertEqual([each for each in kinds if not issubclass(each, LogRelayError)], [])
        self.assertGreater(len(kinds), 5)


class FileTests(SynchronousTestCase):
    """
    :func:`logrelay.readConfiguration`.
    """

    def write(self, text: str) -> Path:
        """
        A configuration file.
        """
        path = Path(self.mktemp()).resolve()
        path.write_text(text)
        return path

    def test_withoutSource(self) -> None:
        """
        A program that composes the relay is a source itself, and its file needs none.
        """
        path = self.write('[destination.x]\nprimary = "192.0.2.1"\n')
        expected = Configuration(
            (), (DestinationSettings("x", (Server("192.0.2.1", 601),)),), stateDir=str(path.parent / "state")
        )
        self.assertEqual(readConfiguration(path), expected)
        self.assertEqual(readConfiguration(str(path)), expected)

    def test_filesAreLookedInto(self) -> None:
        """
        Certificates and keys are read as ``logrelay check`` does, and what is wrong with them is told.
        """
        path = self.write(
            '[destination.x]\nprimary = "192.0.2.1"\ntransport = "tls"\n[destination.x.tls]\nca-file = "{}"\n'
        )
        path.write_text(path.read_text().format(path.name))
        error = self.assertRaises(ConfigurationError, readConfiguration, path)
        [problem] = error.problems
        self.assertEqual((problem.where, problem.key), (f"{path}:5", "destination.x.tls.ca-file"))
