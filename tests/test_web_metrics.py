"""
The metrics, their documentation, and what is built on them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from logrelay.counters import DestinationCounters, SourceCounters
from logrelay.snapshot import FileSnapshot, ReloadSnapshot, Snapshot, SpoolSnapshot
from logrelay.web.collector import expositionOf
from logrelay.web.metrics import FAILURES, METRICS, asTable
from logrelay.web.samples import COUNTER

from .real import ROOT as UNPACKED
from .snapshots import destination, relay, server, source

TOP = Path(__file__).resolve().parent.parent
ALERTS, DASHBOARD = TOP / "contrib/prometheus/alerts.yml", TOP / "contrib/grafana/logrelay.json"

PROMTOOL = shutil.which("promtool") or shutil.which(str(UNPACKED / "usr/bin/promtool"))
NO_PROMTOOL = None if PROMTOOL else "promtool is not there; run python -m tests.real"

#: Metrics in an expression; what follows a word of ours is no other metric.
NAME = re.compile(r"\b(?:logrelay|process)_[a-z_]+\b")

#: Those of the process, of prometheus_client.
PROCESS = {
    f"process_{name}"
    for name in (
        "cpu_seconds_total",
        "max_fds",
        "open_fds",
        "resident_memory_bytes",
        "start_time_seconds",
        "virtual_memory_bytes",
    )
}


def full() -> Snapshot:
    """
    A relay of which everything can be said.
    """
    counters = DestinationCounters(sent=7, dropped=Counter(oversize=2), failures=Counter(eof=3))
    servers = (
        server('a"\\\n', active=True, notAfter=5e9),
        server("b", reason="eof", text="ended", failedAt=900.0),
    )
    spool = SpoolSnapshot("/spool", 3, 10, "")
    return relay(
        destination(
            servers=servers, counters=counters, spool=spool, ownNotAfter=4e9, listsUntil=5e9, oldest=990.0, unsent=1
        ),
        sources=(
            source("log", files=(FileSnapshot("/a", 1, 1, 5), FileSnapshot("/b", 1, 1, 9))),
            source("udp", counters=SourceCounters(dropped=Counter(overflow=4)), heldBy=("central",)),
        ),
        ownNotAfter=3e9,
        reload=ReloadSnapshot(950.0, True, "nonsense"),
    )


def exposed(snapshot: Snapshot) -> dict[tuple[str, tuple[str, ...]], float]:
    """
    Every sample, as prometheus_client's own parser reads it: by its name, and the values of its labels in order.
    """
    text, _ = expositionOf(lambda: snapshot)("")
    families = text_string_to_metric_families(text.decode())
    return {(each.name, tuple(each.labels.values())): each.value for family in families for each in family.samples}


class MetricsTests(SynchronousTestCase):
    """
    The table, and what is exposed.
    """

    def test_values(self) -> None:
        """
        Samples have the values of the snapshot; any text may be in a label.
        """
        samples = exposed(full())
        for name, labels, value in (
            ("start_time_seconds", (), 100),
            ("healthy", (), 1),
            ("last_reload_successful", (), 0),
            ("listener_certificate_not_after_timestamp_seconds", (), 3e9),
            ("source_received_messages_total", ("log",), 1200),
            ("source_dropped_messages_total", ("udp", "overflow"), 4),
            ("source_waits_for", ("udp",), 1),
            ("source_file_lag_bytes", ("log",), 9),
            ("destination_sent_messages_total", ("central",), 7),
            ("destination_dropped_messages_total", ("central", "oversize"), 2),
            ("destination_failures_total", ("central", "eof"), 3),
            ("destination_failures_total", ("central", "dns"), 0),
            ("destination_state", ("central", "connected"), 1),
            ("destination_state", ("central", "waiting"), 0),
            ("destination_on_primary", ("central",), 1),
            ("destination_oldest_message_age_seconds", ("central",), 10),
            ("destination_spool_bytes", ("central",), 3),
            ("server_active", ("central", 'a"\\\n'), 1),
            ("server_state", ("central", "b", "failed"), 1),
            ("server_failed_timestamp_seconds", ("central", "b"), 900),
            ("destination_crl_next_update_timestamp_seconds", ("central",), 5e9),
            ("server_certificate_not_after_timestamp_seconds", ("central", 'a"\\\n'), 5e9),
        ):
            # The parser has labels in the order of the text, which is that of their names.
            found = {key: each for key, each in samples.items() if key[0] == f"logrelay_{name}"}
            wanted = {key: each for key, each in found.items() if sorted(key[1]) == sorted(labels)}
            self.assertEqual(list(wanted.values()), [value], name)

    def test_ages(self) -> None:
        """
        Where nothing waits the age is 0; of what was there before the start it is the time since.
        """
        for changes, age in (({}, 0), ({"inFlight": 1}, 900), ({"inFlight": 1, "oldest": 999.0}, 1)):
            samples = exposed(relay(destination(**changes)))
            self.assertEqual(samples["logrelay_destination_oldest_message_age_seconds", ("central",)], age)

    def test_process(self) -> None:
        """
        The process is described, and has begun after the host and before now.
        """
        exposition = expositionOf(full)("")[0].decode()
        samples = {each.name: each.samples for each in text_string_to_metric_families(exposition)}
        [began] = samples["process_start_time_seconds"]
        self.assertTrue(time.time() - 3600 < began.value < time.time() + 1, began)

    def test_processHidden(self) -> None:
        """
        The same where /proc has nothing but processes, as in our units.
        """
        code = "from tests.snapshots import relay; from logrelay.web.collector import expositionOf"
        code += "; print(expositionOf(relay)('')[0].decode())"
        hidden = 'mount -t proc -o subset=pid proc /proc && exec "$@"'
        apart = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user", "--pid"]), "--mount", "--fork"]
        if not shutil.which("unshare") or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
            raise SkipTest("no namespaces can be made here")
        command = [*apart, "sh", "-c", hidden, "sh", sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, cwd=TOP, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        names = set(re.findall(r"(?m)^process_\w+", done.stdout))
        self.assertEqual(names, PROCESS)

    def test_names(self) -> None:
        """
        Exactly the metrics of the table are exposed, and those of the process; names are as Prometheus wants them.
        """
        names = {name for name, _ in exposed(full())}
        self.assertEqual(names - PROCESS, {metric.name for metric in METRICS})
        self.assertEqual(len({metric.name for metric in METRICS}), len(METRICS))
        for metric in METRICS:
            self.assertEqual(metric.name.endswith("_total"), metric.kind == COUNTER, metric.name)
            self.assertRegex(metric.name, r"^logrelay_[a-z]+(_[a-z]+)*$")
            self.assertTrue(metric.text.endswith("."), metric.name)

    def test_everyCounter(self) -> None:
        """
        Every counter of the relay is a metric: what is counted in one alone changes what is exposed.
        """
        plain = exposed(relay())
        for owner in (DestinationCounters, SourceCounters):
            for field in attrs.fields(owner):
                counters: Any = owner()
                setattr(counters, field.name, Counter(eof=77) if field.name in ("dropped", "failures") else 77)
                if owner is DestinationCounters:
                    changed = relay(destination(counters=counters))
                else:
                    changed = relay(sources=(source(counters=counters),))
                new = exposed(changed).items() - plain.items()
                self.assertIn(77, {value for _, value in new}, field.name)

    def test_bounded(self) -> None:
        """
        What servers say becomes no label.
        """
        said = server("a", active=True, identity=("ONE-SAYS",), text="TWO-SAY", reason="eof", failedAt=1.0)
        text, _ = expositionOf(lambda: relay(destination(servers=(said,))))("")
        self.assertNotIn(b"SAY", text)

    def test_failures(self) -> None:
        """
        The reasons that are there from the start are those of the specification.
        """
        text = (TOP / "docs/specification.rst").read_text()
        for reason in FAILURES:
            self.assertIn(f"``{reason}``", text)

    def test_documentation(self) -> None:
        """
        The documentation has the table of the code; ``python -m logrelay.web.metrics > docs/metrics.inc`` renews it.
        """
        self.assertEqual((TOP / "docs/metrics.inc").read_text(), asTable())

    def test_promtool(self) -> None:
        """
        promtool finds nothing to say about what is exposed.
        """
        text, _ = expositionOf(full)("")
        done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    test_promtool.skip = NO_PROMTOOL  # type: ignore[attr-defined]


def expressionsOf(panel: object) -> Iterator[str]:
    """
    Every expression of a dashboard, wherever it is.
    """
    if isinstance(panel, dict):
        yield from (value for key, value in panel.items() if key == "expr")
        panel = list(panel.values())
    if isinstance(panel, list):
        for each in panel:
            yield from expressionsOf(each)


class ContribTests(SynchronousTestCase):
    """
    Alerts and a dashboard.
    """

    known = PROCESS | {metric.name for metric in METRICS}

    def setUp(self) -> None:
        self.dashboard = json.loads(DASHBOARD.read_text())
        self.expressions = list(expressionsOf(self.dashboard))

    def test_metricsExist(self) -> None:
        """
        Every metric that they name is one of ours.
        """
        self.assertGreater(len(self.expressions), 10)
        for text in (ALERTS.read_text(), *self.expressions):
            # In alerts also the job has our name.
            used = set(NAME.findall(text))
            self.assertTrue(used)
            self.assertEqual(used - self.known, set())

    def check(self, path: Path) -> str:
        """
        What promtool says of a file of rules, which it has to like.
        """
        done = subprocess.run([str(PROMTOOL), "check", "rules", path], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_alerts(self) -> None:
        """
        promtool takes the alerts.
        """
        self.assertIn(f"SUCCESS: {ALERTS.read_text().count('- alert:')} rules found", self.check(ALERTS))

    def test_dashboard(self) -> None:
        """
        promtool can parse every expression of the dashboard, with something in place of Grafana's variables.
        """
        rules = []
        for place, expression in enumerate(self.expressions):
            filled = expression.replace("$__rate_interval", "5m").replace("$instance", ".*")
            self.assertNotIn("$", filled)
            rules.append(f"  - record: rule:{place}\n    expr: {json.dumps(filled)}\n")
        path = Path(self.mktemp())
        path.write_text("groups:\n- name: dashboard\n  rules:\n" + "".join(rules))
        self.assertIn(f"SUCCESS: {len(rules)} rules found", self.check(path))

    for each in (test_alerts, test_dashboard):
        each.skip = NO_PROMTOOL  # type: ignore[attr-defined]
