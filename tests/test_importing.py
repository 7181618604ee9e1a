"""
Tests for :mod:`logrelay.importing`: configurations of syslog-ng, converted.
"""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.importing.conversion import converted
from logrelay.importing.remarks import NotReadable
from logrelay.importing.sourcetls import _STRICTER
from logrelay.importing.tokens import tokens
from logrelay.importing.treatments import HINTS
from logrelay.importing.tree import MAX_DEPTH

from .importtable import FILE, TABLES, text

SOURCE = "source s { network(port(5140)); };\n"
DESTINATION = 'destination d { network("a.example.com"); };\n'
LOG = "log { source(s); destination(d); };\n"


def convert(content: str) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """
    Convert a configuration.

    :return: what our reader sees, and the remarks, each with its line.
    """
    outcome = converted(content.encode("utf-8", "surrogateescape"), "syslog-ng.conf")
    return tomllib.loads(outcome.text), [(each.line, str(each)) for each in outcome.remarks]


def find(tree: dict[str, Any], key: str) -> list[Any]:
    """
    The values that a key has in the result, in any of its parts.
    """
    tables = [tree, *tree.get("source", []), *tree.get("destination", {}).values()]
    found = []
    for table in tables:
        value: Any = table
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            found.append(value)
    return found


class TokensTests(SynchronousTestCase):
    """
    What the text is made of.
    """

    def words(self, content: str) -> list[object]:
        """
        The texts of all tokens, or the numbers that they are.
        """
        return [each.text if each.number is None else each.number for each in tokens(content)]

    def test_numbers(self) -> None:
        """
        Units are powers of 1000, those with an i of 1024; there are hexadecimal, octal and broken numbers.
        """
        self.assertEqual(
            self.words("1k 1Ki 2M 2MiB 1G 5b 0x1F 0640 1.5 -3"),
            [1000, 1024, 2_000_000, 2**21, 10**9, 5, 31, 416, 1.5, -3],
        )

    def test_hugeNumbers(self) -> None:
        """
        What has more than 64 bits is no number.
        """
        huge = "9" * 5000
        self.assertEqual(self.words(f"{huge} 999999999999999999G"), [huge, "999999999999999999G"])

    def test_words(self) -> None:
        """
        Addresses, names and paths need no quotes.
        """
        self.assertEqual(self.words("127.0.0.1 a_b-c /etc/x.pem, %d"), ["127.0.0.1", "a_b-c", "/etc/x.pem", "%d"])

    def test_strings(self) -> None:
        """
        Double quotes have escapes, single quotes have none.
        """
        content = r'''"a\"b\\c\n\x41\o102\q" 'a\nb' "ä\xc3\xa4"'''
        self.assertEqual(self.words(content), ['a"b\\c\nABq', "a\\nb", "ä\udcc3\udca4"])

    def test_lines(self) -> None:
        """
        Each token has the line that it begins on, whatever comments, strings and continued lines are before it.
        """
        content = 'a # "x\n"b\nc" d \\\n e\n\'f\n\' g'
        self.assertEqual([each.line for each in tokens(content)], [1, 2, 3, 4, 5, 6])


class RefusedTests(SynchronousTestCase):
    """
    What is no configuration of syslog-ng.
    """

    def refused(self, content: str | bytes) -> tuple[int, str]:
        """
        Where that shows, and what it is.
        """
        with self.assertRaises(NotReadable) as caught:
            converted(content if isinstance(content, bytes) else content.encode(), "syslog-ng.conf")
        self.assertTrue(caught.exception.remedy)
        return caught.exception.line, caught.exception.what

    def test_strings(self) -> None:
        """
        A string that does not end is told where it begins.
        """
        self.assertEqual(self.refused('source s {\n file("/x);\n};')[0], 2)
        self.assertEqual(self.refused("\n\n'")[0], 3)

    def test_brackets(self) -> None:
        """
        Brackets that do not fit are told, with the line of the other.
        """
        self.assertEqual(self.refused("source s {\n tcp(;\n};"), (3, "} does not close the ( of line 2"))
        self.assertEqual(self.refused("\nsource s {"), (2, "{ is opened here, and not closed"))
        self.assertEqual(self.refused("};"), (1, "} closes nothing"))

    def test_depth(self) -> None:
        """
        So is what is nested deeper than anybody would.
        """
        converted(b"x" + b"(" * MAX_DEPTH + b")" * MAX_DEPTH, "x")
        self.assertIn("nested", self.refused("\n" + "(" * 100_000)[1])

    def test_size(self) -> None:
        """
        So is what is too large, and what is no text.
        """
        self.assertIn("1 MiB", self.refused(b" " * (1024**2 + 1))[1])
        self.assertIn("200,000", self.refused(b"a;" * 200_000)[1])
        self.assertEqual(self.refused(b"\n\n\0"), (3, "is no text"))

    def test_parts(self) -> None:
        """
        So are more sources, destinations and filters than a relay should have.
        """
        many = "".join(f'destination d{n} {{ tcp("h{n}"); }};' for n in range(101))
        paths = "".join(f"log {{ source(s); destination(d{n}); }};" for n in range(101))
        self.assertIn("100 destinations", self.refused(SOURCE + many + paths)[1])
        self.assertIn("1,000 sources", self.refused(f"source s {{ {'tcp();' * 1001} }};" + DESTINATION + LOG)[1])
        self.assertIn("1000", self.refused("".join(f"source s{n} {{ }};" for n in range(1001)))[1])
        self.assertIn("100 filters", self.refused(f"log {{ {'filter(f);' * 101} }};")[1])

    def test_lists(self) -> None:
        """
        A list of servers longer than any is not taken, and makes no work.
        """
        servers = " ".join(f'"h{n}"' for n in range(10_000))
        _, said = convert(SOURCE + f'destination d {{ tcp("h" failover(servers({servers}))); }};' + LOG)
        self.assertIn("more than 100 values", said[1][1])


class TablesTests(SynchronousTestCase):
    """
    The tables of options.
    """

    def test_everyOption(self) -> None:
        """
        Every option becomes the key that the table names, and needs no remark with the value given there.
        """
        for title, options, part in TABLES:
            for option in options.values():
                content = part % option.example
                if "base-dir" in option.example:
                    content = f"source s {{ wildcard-file({option.example}); }};"
                for keyword, default in (("source", SOURCE), ("destination", DESTINATION)):
                    content += "" if content.startswith(keyword) else "\n" + default
                tree, said = convert(content + LOG)
                self.assertEqual(said, [], (title, option.name))
                if option.ours:
                    self.assertTrue(find(tree, option.ours), (title, option.name, tree))

    def test_everyHint(self) -> None:
        """
        What is left out is told with its line, and with what to do where that is known.
        """
        for name, hint in HINTS.items():
            _, said = convert(SOURCE + f'destination d {{ network("a"\n {name}("x")); }};\n' + LOG)
            self.assertEqual(said, [(3, f"destination d, network(): {name}(x) was left out; {hint}")])

    def test_documented(self) -> None:
        """
        The documentation has the tables as they are.
        """
        self.assertEqual(FILE.read_text(), text(), "run python -m tests.importtable")


class SourcesTests(SynchronousTestCase):
    """
    Sources.
    """

    def sources(self, drivers: str, remarks: int = 0) -> list[dict[str, Any]]:
        """
        What drivers become, with so many remarks.
        """
        tree, said = convert(f"source s {{ {drivers} }};\n" + DESTINATION + LOG)
        self.assertEqual(len(said), remarks, said)
        found: list[dict[str, Any]] = tree.get("source", [])
        return found

    def test_framing(self) -> None:
        """
        Each driver has its framing and its ports.
        """
        expected = {
            "network()": ("tcp:514", "lf"),
            "syslog()": ("tcp:601", "octet-counting"),
            "tcp()": ("tcp:514", "lf"),
            "tcp6()": (r"tcp:514:interface=\:\:", "lf"),
            "udp()": ("udp:514", None),
            "udp6()": (r"udp:514:interface=\:\:", None),
            'network(transport("udp") port(1514))': ("udp:1514", None),
            "syslog(transport(UDP) ip(127.0.0.1))": ("udp:514:interface=127.0.0.1", None),
            'tcp(ip("::1") port("1000"))': (r"tcp:1000:interface=\:\:1", "lf"),
            "syslog(listen_backlog(7))": ("tcp:601:backlog=7", "octet-counting"),
            "tcp(ip(0.0.0.0))": ("tcp:514", "lf"),
        }
        for driver, (listen, framing) in expected.items():
            (source,) = self.sources(driver + ";")
            self.assertEqual((source["listen"], source.get("framing")), (listen, framing), driver)

    def test_local(self) -> None:
        """
        Sockets, files and standard input.
        """
        self.assertEqual(self.sources('unix-dgram("/run/a:b=c");'), [{"listen": r"unix-dgram:/run/a\:b\=c"}])
        self.assertEqual(
            self.sources('unix-stream("/run/x" perm(0600));'),
            [{"listen": "unix:/run/x", "framing": "lf", "mode": 0o600}],
        )
        self.assertEqual(self.sources('file("/var/log/[x]*.log");'), [{"type": "file", "path": "/var/log/[[]x]*.log"}])
        self.assertEqual(
            self.sources('wildcard-file(base-dir("/var/log") filename-pattern("*.log") recursive(yes));'),
            [{"type": "file", "path": "/var/log/**/*.log"}],
        )
        self.assertEqual(self.sources("stdin();"), [{"type": "stdin", "framing": "lf"}])
        self.assertEqual(self.sources("systemd-syslog();"), [{"listen": "systemd:domain=UNIX:index=0"}])

    def test_system(self) -> None:
        """
        What this host says comes from journald, once, and that is told.
        """
        journal = [{"listen": "unix-dgram:/run/systemd/journal/syslog"}]
        self.assertEqual(self.sources("system();", 1), journal)
        self.assertEqual(self.sources('unix-stream("/dev/log"); unix-dgram("/dev/log");', 2)[:1], journal)

    def test_notOurs(self) -> None:
        """
        What the relay cannot read is left out.
        """
        drivers = (
            'file("/proc/kmsg");',
            "internal();",
            'pipe("/x");',
            'file("relative");',
            "network(transport(proxied-tcp));",
        )
        for driver in (
            *drivers,
            "tcp(ip(eth0));",
            "tcp(port(70000));",
            "tcp(port(`p`));",
            "wildcard-file();",
            "channel { };",
        ):
            self.assertEqual(self.sources(f"{driver} udp();", 1), [{"listen": "udp:514"}], driver)

    def test_defaultDrivers(self) -> None:
        """
        Three sources at the usual ports, four with a certificate.
        """
        self.assertEqual(
            [each["listen"] for each in self.sources("default-network-drivers(udp-port(5140));")],
            ["tcp:514", "udp:5140", "tcp:601"],
        )
        tls = 'tls(key-file("/k") cert-file("/c") ca-file("/a"))'
        sources = self.sources(f"default-network-drivers({tls} log-msg-size(1000) max-connections(9));")
        self.assertEqual([each["listen"] for each in sources], ["tcp:514", "udp:514", "tls:6514", "tcp:601"])
        self.assertEqual([each.get("max-connections") for each in sources], [9, None, 9, 9])
        self.assertEqual({each["max-message-size"] for each in sources}, {1000})

    def test_tls(self) -> None:
        """
        Clients need a certificate unless syslog-ng is told otherwise.
        """
        for verify, expected in (
            ("", {"client-ca-file": "/a"}),
            ("peer-verify(required-trusted)", {"client-ca-file": "/a"}),
            ("peer-verify(optional-untrusted)", {}),
            ("peer-verify(no)", {}),
        ):
            driver = f'network(transport(tls) tls(key-file("/k") cert-file("/c") ca-file("/a") {verify}));'
            tree, said = convert(f"source s {{ {driver} }};" + DESTINATION + LOG)
            self.assertEqual(said, [])
            self.assertEqual(tree["source-tls"], {"cert-file": "/c", "key-file": "/k", **expected})
            self.assertEqual(tree["source"][0]["listen"], "tls:514")

    def test_tlsFailsClosed(self) -> None:
        """
        A source that would let in more clients than before, or have nothing to show, is left out.
        """
        good = 'key-file("/k") cert-file("/c")'
        for options in (
            good,
            'key-file("/k") ca-file("/a")',
            f'{good} ca-file("/a") peer-verify(required-untrusted)',
            f'{good} ca-file("/a") peer-verify(optional-trusted)',
            *(f'{good} ca-file("/a") {name}("x")' for name in _STRICTER),
        ):
            sources = self.sources(f"network(transport(tls) tls({options})); udp();", 1)
            self.assertEqual(sources, [{"listen": "udp:514"}], options)
        one = f"network(port(1) transport(tls) tls({good} peer-verify(no)));"
        other = 'network(port(2) transport(tls) tls(key-file("/k2") cert-file("/c2") peer-verify(no)));'
        self.assertEqual([each["listen"] for each in self.sources(one + other, 1)], ["tls:1"])

    def test_collision(self) -> None:
        """
        Two sources that would listen at the same place are what our reader refuses: the second is told, with its line.
        """
        tree, said = convert("source s { network();\n syslog(port(514)); };\n" + DESTINATION + LOG)
        self.assertEqual([each["listen"] for each in tree["source"]], ["tcp:514"])
        self.assertEqual([line for line, _ in said], [2])

    def test_limits(self) -> None:
        """
        What our limits do not allow becomes the nearest that they do; a destination takes what its sources take.
        """
        tree, said = convert("options { log_msg_size(10M); };\n" + SOURCE + DESTINATION + LOG)
        self.assertEqual([line for line, _ in said], [1])
        self.assertEqual(find(tree, "max-message-size"), ["1MiB", "1MiB"])

    def test_meaningless(self) -> None:
        """
        What our reader finds has no meaning there is left out.
        """
        (source,) = self.sources("network(transport(udp) max-connections(5));", 1)
        self.assertEqual(source, {"listen": "udp:514"})


class DestinationsTests(SynchronousTestCase):
    """
    Destinations.
    """

    def destination(self, driver: str, remarks: int = 0) -> dict[str, Any]:
        """
        What a driver becomes, with so many remarks.
        """
        tree, said = convert(SOURCE + f"destination d {{ {driver} }};\n" + LOG)
        self.assertEqual(len(said), remarks, said)
        found: dict[str, Any] = tree["destination"]["d"]
        return found

    def left(self, driver: str) -> str:
        """
        Why nothing is made of a driver.
        """
        tree, said = convert(SOURCE + f"destination d {{ {driver} }};\n" + LOG)
        self.assertEqual(tree, {})
        return next(text for line, text in said if line == 2)

    def test_drivers(self) -> None:
        """
        Each driver has its format, its framing and its port.
        """
        address = {"transport": "tcp", "primary": "192.0.2.1"}
        self.assertEqual(self.destination('network("192.0.2.1");'), {"driver": "network", **address})
        self.assertEqual(self.destination('tcp("192.0.2.1");'), {"driver": "network", **address})
        self.assertEqual(self.destination("syslog(192.0.2.1);"), {"driver": "syslog", **address})
        self.assertEqual(self.destination('tcp6("2001:db8::1");')["ip-protocol"], "6")
        self.assertEqual(self.destination('network("a.example.com");')["ip-protocol"], "4")
        self.assertEqual(
            self.destination('network("192.0.2.1" flags(syslog_protocol no-multi-line));')["format"], "rfc5424"
        )

    def test_tlsPort(self) -> None:
        """
        Over TLS network() has another port than ours, syslog() the same; TLS options without a transport are TLS.
        """
        self.assertEqual(self.destination('network("192.0.2.1" transport("tls") tls());')["port"], 514)
        self.assertNotIn("port", self.destination('syslog("192.0.2.1" transport("tls") tls());'))
        tcp = self.destination('tcp("192.0.2.1" tls());')
        self.assertEqual((tcp["transport"], tcp["port"]), ("tls", 514))

    def test_failover(self) -> None:
        """
        The servers in order, in the new and in the old notation; failback where it is wanted.
        """
        servers = 'servers("b.example.com", "192.0.2.3")'
        for option in (f"failover({servers})", 'failover-servers("b.example.com" "192.0.2.3")'):
            found = self.destination(f'network("a.example.com" port(601) {option});')
            self.assertEqual((found["primary"], found["failovers"]), ("a.example.com", ["b.example.com", "192.0.2.3"]))
            self.assertNotIn("failback", found)
        failback = "failback(tcp-probe-interval(10) successful-probes-required(5))"
        found = self.destination(f'syslog("a.example.com" failover({servers} {failback}));')
        self.assertEqual(found["failback"], {"tcp-probe-interval": 10, "successful-probes-required": 5})

    def test_failbackWithoutValues(self) -> None:
        """
        Where syslog-ng's documentation leaves the numbers out, the defaults stay, and it is told.
        """
        found = self.destination(
            'network("a" failover(servers("b") failback(successful-probes-required() tcp-probe-interval())));', 2
        )
        self.assertEqual(found["failback"], {})

    def test_badFailovers(self) -> None:
        """
        Servers that can be none, or are there already, are left out, and so is a failback without failovers.
        """
        found = self.destination('network("a" failover(servers("b", "c d", "A", "e")));', 2)
        self.assertEqual(found["failovers"], ["b", "e"])
        found = self.destination('network("a" failover(servers("c d") failback()));', 2)
        self.assertEqual(found["failovers"], [])
        self.assertNotIn("failback", found)

    def test_tls(self) -> None:
        """
        What the relay shows, and whom it trusts.
        """
        pin = "SHA256:" + "AB:" * 31 + "AB"
        found = self.destination(
            f"""syslog("a" transport(tls) tls(peer_verify(required-trusted) ca_dir('/d') ca-file('/a') key-file('/k')
            cert-file('/c') trusted-keys("{pin}") ssl-options(no-sslv3, no-tlsv12)));"""
        )
        self.assertEqual(
            found["tls"],
            {"ca-file": "/a", "ca-dir": "/d", "cert-file": "/c", "key-file": "/k", "pins": [pin], "min-version": "1.3"},
        )

    def test_tlsRemarks(self) -> None:
        """
        What is checked otherwise is told.
        """
        for option in (
            "peer-verify(optional-untrusted)",
            'trusted-keys("SHA1:00")',
            'crl-dir("/d")',
            "ssl-options(no-tlsv13)",
            'ca-file("ca.pem")',
        ):
            self.assertEqual(
                self.destination(f'syslog("a" transport(tls) tls({option}));', 1)["transport"], "tls", option
            )
        for option in ("cert-file('/c')", "key-file('/k')"):
            self.destination(f'syslog("a" transport(tls) tls({option}));', 1)

    def test_diskBuffer(self) -> None:
        """
        A disk buffer is a spool; one that is not reliable need not wait for the disk.
        """
        found = self.destination(
            'network("a" disk-buffer(mem-buf-size(1MiB) disk-buf-size(16MiB) reliable(yes) dir("/var/spool/s")));'
        )
        self.assertEqual(found["spool"], {"path": "/var/spool/s/d", "size": "16MiB", "sync": "full"})
        self.assertEqual(found["buffer"], {"size": "1MiB"})
        found = self.destination('network("a" disk-buffer(disk-buf-size(16MiB) reliable(no)));')
        self.assertEqual(found["spool"], {"size": "16MiB", "sync": "normal"})
        found = self.destination('network("a" disk-buffer(disk-buf-size(2000000) mem-buf-size(10000)));', 2)
        self.assertEqual((found["spool"]["size"], found["buffer"]["size"]), ("4MiB", "512KiB"))

    def test_notOurs(self) -> None:
        """
        Datagrams do not fail over, and only log servers are sent to.
        """
        for driver in ('udp("a");', 'network("a" transport("udp"));', 'unix-dgram("/x");'):
            self.assertIn("only stream transports fail over", self.left(driver))
        for driver in ('file("/x");', 'unix-stream("/x");', "mongodb();", 'usertty("root");'):
            self.assertIn("log servers only", self.left(driver))

    def test_vital(self) -> None:
        """
        A destination that would be another one, or trust others, is left out.
        """
        for options in ("port(`p`)", "port(70000)", "port(x)", "localip(eth0)", "ip-protocol(5)", "transport(foo)"):
            self.left(f'network("a" {options});')
        for options in ("ca-file()", 'ca-dir("a" "b")', 'ca-file("\\xff")', 'trusted-keys("SHA256:00")'):
            self.assertNotIn("left out; ", self.left(f'network("a" transport(tls) tls({options}));'))
        for driver in ("network();", 'network("a b");', "network(port(1));", 'network("`a`");', "network(`a`);"):
            self.left(driver)

    def test_names(self) -> None:
        """
        Names become such as our configuration takes, and stay different.
        """
        tree, said = convert(
            SOURCE + 'destination "d ä" { tcp("a"); tcp("b"); }; destination "d/ä" { tcp("c"); };'
            'log { source(s); destination("d ä"); destination("d/ä"); };'
        )
        self.assertEqual(said, [])
        self.assertEqual(list(tree["destination"]), ["d--", "d---2", "d---3"])
        self.assertEqual(tree["source"][0]["to"], ["d--", "d---2", "d---3"])

    def test_global(self) -> None:
        """
        A destination's own value counts more than the global one.
        """
        content = (
            "options { time-reopen(10); };" + SOURCE + 'destination d { tcp("a"); tcp("b" time-reopen(5)); };' + LOG
        )
        self.assertEqual(find(convert(content)[0], "time-reopen"), [10, 5])


class PathsTests(SynchronousTestCase):
    """
    Which sources lead where.
    """

    PARTS = (
        "source s1 { udp(port(1)); }; source s2 { udp(port(2)); };\n"
        'destination d1 { tcp("a"); }; destination d2 { tcp("b"); }; destination f { file("/x"); };\n'
    )

    def joined(self, paths: str, *lines: int) -> dict[str, list[str]]:
        """
        Where each port leads to, with remarks for these lines; the paths begin on line 3.
        """
        tree, said = convert(self.PARTS + paths)
        self.said = said
        self.assertEqual([line for line, _ in said], list(lines), said)
        every = list(tree.get("destination", {}))
        return {each["listen"][4:]: each.get("to", every) for each in tree.get("source", [])}

    def test_joined(self) -> None:
        """
        Each source feeds the destinations of its paths.
        """
        self.assertEqual(
            self.joined("log { source(s1); destination(d1); };log { source(s1); source(s2); destination(d2); };", 2),
            {"1": ["d1", "d2"], "2": ["d2"]},
        )

    def test_inline(self) -> None:
        """
        Sources and destinations may stand in a path itself.
        """
        found = self.joined('log { source { udp(port(3)); }; destination { tcp("c"); }; };', 1, 1, 2, 2, 2)
        self.assertEqual(found, {"3": ["log"]})

    def test_filter(self) -> None:
        """
        A filter is not applied, which is told with its line; before a destination that it does not concern it is not.
        """
        paths = "log { source(s1); source(s2); destination(d1);\n filter(f_x); destination(d2); };"
        self.assertEqual(self.joined(paths, 2, 4), {"1": ["d1", "d2"], "2": ["d1", "d2"]})
        self.assertIn("filter f_x is NOT applied: every message is sent to d2;", self.said[1][1])

    def test_steps(self) -> None:
        """
        The same holds for parsers and rewrites; what is in junctions is not looked into.
        """
        paths = (
            "log { source(s1); source(s2);\n parser { p(); };\n rewrite(r);\n junction { channel { }; };\n"
            " destination(d1);\n destination(d2); };"
        )
        self.joined(paths, 2, 4, 5, 6)

    def test_definitions(self) -> None:
        """
        Filters and the like are told once for all of a kind.
        """
        self.joined(
            "log { source(s1); source(s2); destination(d1); destination(d2); };\n"
            "filter f1 { host(a); };\nfilter f2 { host(b); };",
            2,
            4,
        )
        self.assertIn("filter f1, and 1 more, were left out", self.said[1][1])

    def test_nested(self) -> None:
        """
        A path in a path has the sources of the outer one, and its filters.
        """
        paths = "log { source(s1); source(s2); filter(f);\n log { destination(d1); };\n log { destination(d2); }; };"
        self.assertEqual(self.joined(paths, 2, 3, 3), {"1": ["d1", "d2"], "2": ["d1", "d2"]})

    def test_flags(self) -> None:
        """
        After flags(final) without a filter nothing comes; catchall takes all sources; fallback what goes nowhere else.
        """
        later = "\nlog { source(s1); source(s2); destination(d2); };"
        final = "log { source(s1); destination(d1); flags(final, flow-control); };" + later
        self.assertEqual(self.joined(final, 2), {"1": ["d1"], "2": ["d2"]})
        catchall = "log { source(s1); destination(d1); };\nlog { destination(d2); flags(catchall); };"
        self.assertEqual(self.joined(catchall, 2), {"1": ["d1", "d2"], "2": ["d2"]})
        fallback = (
            "log { source(s1); source(s2); destination(d2); flags(fallback); };\nlog { source(s1); destination(d1); };"
        )
        self.assertEqual(self.joined(fallback, 2, 3), {"1": ["d1"], "2": ["d2"]})
        filtered = "log { source(s1); filter(f); destination(d1); flags(final); };" + later
        self.assertEqual(self.joined(filtered, 2, 3, 3), {"1": ["d1", "d2"], "2": ["d2"]})

    def test_notTranslated(self) -> None:
        """
        A path that leads to nothing of ours is left out, and what is only in it.
        """
        paths = "log { source(s1); destination(f); };\nlog { source(s2); destination(d1); destination(d2); };"
        self.assertEqual(self.joined(paths, 1, 2, 3), {"2": ["d1", "d2"]})

    def test_unknown(self) -> None:
        """
        What is not defined here may be in a file that is included.
        """
        self.joined(
            'log { source(nowhere); destination(d1); };\n@include "more.conf"\n'
            "log { source(s1); source(s2); destination(d2); };",
            2,
            2,
            3,
            3,
            4,
        )

    def test_statements(self) -> None:
        """
        Pragmas and whatever else is there are told, but for those that need nothing.
        """
        _, said = convert(
            '@version: 3.38\n@include "scl.conf"\n@module afsocket\n@define port 514\ninclude "x";\nnonsense { };\n'
            "source x { } destination y { };\nblock source b(a(1)) { tcp(port(`a`)); };\nsource s { };\n"
            + SOURCE
            + DESTINATION
            + LOG
        )
        self.assertEqual([line for line, _ in said], [4, 5, 6, 7, 8, 10])


#: What configurations are made of, and what they are not.
WORDS = r"""source destination log options filter flags s d "s" { } { } ( ) ( ) ; ; [ ] network( syslog( tcp( udp( tls(
        file( failover( servers( failback( "a" 'b' "/x" '/y' port( 514 0 -1 70000 9999999999999999999 1.5 1Gi transport(
        udp tls disk-buffer( reliable(yes) dir( time-reopen( log-msg-size( peer-verify( ca-file( cert-file( tcp
        trusted-keys( final catchall fallback ip( ::1 127.0.0.1 @define @include " ' \ ` # . , | unix-dgram( system()
        internal() default-network-drivers( wildcard-file( base-dir( filename-pattern( key-file("""
PIECES = st.sampled_from((*WORDS.split(), "\x7f", "\udcff", "\u2028", "ä", "\n@include x\n", "9" * 5000))
WHOLE = st.sampled_from(
    (
        "source s { network(port(%s) %s); };",
        'destination d { network("%s" port(514) %s); };',
        'destination d { syslog("a" %s tls(%s)); };',
        'destination d { tcp("a" failover(servers(%s) failback(%s))); };',
        'destination d { tcp("a" disk-buffer(%s %s)); };',
        "source s { %s(%s); };",
        "log { source(s); %s destination(d); flags(%s); };",
        "log { source(s); destination(d); };",
    )
)


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """
    Texts that are nearly configurations.
    """
    texts = []
    for whole in draw(st.lists(WHOLE, max_size=6)):
        for _ in range(whole.count("%s")):
            whole = whole.replace("%s", " ".join(draw(st.lists(PIECES, max_size=4))), 1)
        texts.append(whole)
    texts += draw(st.lists(PIECES, max_size=5))
    return "\n".join(texts)


def sound(content: bytes) -> None:
    """
    Convert anything: it is refused, or becomes what our reader accepts, and every remark is one line with a line.
    """
    lines = content.count(b"\n") + 1
    try:
        outcome = converted(content, "x\n\x1b")
    except NotReadable as error:
        assert 0 <= error.line <= lines and str(error).isprintable(), str(error)
        return
    tomllib.loads(outcome.text)
    for remark in outcome.remarks:
        assert 1 <= remark.line <= lines, remark
        assert str(remark).isprintable() and len(str(remark)) < 1000, remark


class FuzzTests(SynchronousTestCase):
    """
    Whatever is given, it is converted or refused.
    """

    def test_names(self) -> None:
        """
        Names that a terminal would obey, or that are no UTF-8, are told in words that can be shown.
        """
        for name in ("sysl\udc8dg", "a\x1b[31m", "x" * 100_000):
            content = f"source {name} {{ {name}({name}({name})); udp({name}()); }}; log {{ source({name}); {name}; }};"
            content += f"destination d {{ {name}(); tcp({name}); }}; options {{ {name}({name}); }};"
            sound(content.encode("utf-8", "surrogateescape"))
            content = f"source s {{ udp(); {name}(); }};{DESTINATION}{LOG}destination {name} {{ }};"
            sound(content.encode("utf-8", "surrogateescape"))

    @settings(max_examples=150, deadline=None)
    @given(configurations())
    def test_nearlyConfigurations(self, content: str) -> None:
        """
        Texts that are nearly configurations.
        """
        sound(content.encode("utf-8", "surrogateescape"))

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=200))
    def test_bytes(self, content: bytes) -> None:
        """
        Any bytes.
        """
        sound(content)
        sound((SOURCE + LOG + 'destination d { tcp("').encode() + content + b'"); };')
