"""
Tests for :mod:`logrelay.events`.
"""

from __future__ import annotations

import sys

import attrs
from twisted.trial.unittest import SynchronousTestCase

from logrelay import events
from logrelay.events import QUIET, Digest, Event, EventLog

#: One of each, with what people read.
TEXTS: tuple[tuple[Event, str, str], ...] = (
    (events.Connected("central", "a:601"), "info", "central: connected to a:601"),
    (events.Connected("central", "a:601", " (CN=a)"), "info", "central: connected to a:601 (CN=a)"),
    (
        events.AttemptFailed("central", "a:601", "refused", "connection refused"),
        "warn",
        "central: a:601 not usable (refused): connection refused",
    ),
    (
        events.AttemptFailed("central", "a:601", "eof", "closed", 3),
        "warn",
        "central: a:601 not usable (eof): closed; 3 messages will be sent again",
    ),
    (
        events.AttemptFailed("central", "a:601", "refused", "connection refused", 0, 7),
        "warn",
        "central: a:601 not usable (refused): connection refused [7 times more since last told]",
    ),
    (
        events.ConnectionEnded("central", "a:601", "eof", "closed by the server", 12),
        "warn",
        "central: lost a:601 (eof): closed by the server; 12 messages will be sent again",
    ),
    (
        events.Switched("central", "a:601", "b:601", "ack-timeout"),
        "warn",
        "central: switched from a:601 to b:601 (ack-timeout)",
    ),
    (
        events.Chosen("central", "b:601"),
        "info",
        "central: b:601 was chosen by an operator, and stays in use until it fails",
    ),
    (events.Released("central"), "info", "central: sent back to the primary by an operator"),
    (
        events.Drained("central", "b:601"),
        "warn",
        "central: b:601 was drained by an operator, and is not used until it is undrained",
    ),
    (events.Undrained("central", "b:601"), "info", "central: b:601 may be used again"),
    (events.Controllable("/run/c.sock"), "info", "takes orders at /run/c.sock"),
    (
        events.NoControl("/run/c.sock", "Permission denied"),
        "info",
        "takes no orders: no control socket at /run/c.sock: Permission denied",
    ),
    (
        events.RoundFailed("central", "a:601", 1.234),
        "error",
        "central: no server is usable; next attempt (a:601) in 1.2 s",
    ),
    (events.ProbeSucceeded("central", "a:601", 2, 3), "info", "central: a:601 answers (2 of 3 probes)"),
    (
        events.ProbeFailed("central", "a:601", "refused", "connection refused"),
        "debug",
        "central: a:601 is not back (refused): connection refused",
    ),
    (
        events.CheckpointRefused("central", "a:601", 5.0),
        "warn",
        "central: a:601 did not answer a checkpoint within 5 s and gets no more of them",
    ),
    (
        events.Dropped("central", "udp:514", "overflow", 40),
        "error",
        "central: 40 messages of source udp:514 dropped (overflow)",
    ),
    (
        events.Searching("central"),
        "warn",
        "central: connections are lost again and again; looking for a message that may cause it",
    ),
    (
        events.SetAside("central", "tcp:514", "state/dead.jsonl", "servers close the connection at it (eof)"),
        "error",
        "central: a message of source tcp:514 was set aside in state/dead.jsonl: "
        "servers close the connection at it (eof)",
    ),
    (
        events.CannotSetAside("central", "state/dead.jsonl", "Permission denied"),
        "error",
        "central: cannot set a message aside in state/dead.jsonl: Permission denied; make it writable, or make room",
    ),
    (events.SourcePaused("tcp:514", "central, other"), "warn", "source tcp:514 waits for central, other"),
    (events.SourceResumed("tcp:514"), "info", "source tcp:514 is read again"),
    (events.Listening("tcp:514", "0.0.0.0:514"), "info", "source tcp:514 listens on 0.0.0.0:514"),
    (
        events.CertificateWarning("central", "me.pem expires in 7 days"),
        "warn",
        "central: me.pem expires in 7 days",
    ),
    (
        events.CertificateExpires("central", "our certificate", 7),
        "warn",
        "central: our certificate expires in 7 days; put another one in its place",
    ),
    (
        events.CertificateExpires("sources", "our certificate", 1),
        "warn",
        "sources: our certificate expires in 1 day; put another one in its place",
    ),
    (
        events.CertificateExpires("central", "the certificate of a:601", 0),
        "warn",
        "central: the certificate of a:601 expires within a day; put another one in its place",
    ),
    (
        events.CertificateExpires("central", "the certificate of a:601", -1),
        "warn",
        "central: the certificate of a:601 has expired; put another one in its place",
    ),
    (events.CommandRan("/bin/tell", 0.12, "told"), "info", "on-switch: /bin/tell ended after 0.1 s: told"),
    (events.CommandRan("/bin/tell", 0.12), "info", "on-switch: /bin/tell ended after 0.1 s"),
    (
        events.CommandFailed("/bin/tell", "exit status 3", "no"),
        "error",
        "on-switch: /bin/tell failed: exit status 3: no",
    ),
    (events.Reloading(), "debug", "reloading"),
    (
        events.Undelivered("central", 3, 2),
        "error",
        "central: 3 messages were not delivered, and 2 were sent but not confirmed",
    ),
    (
        events.SourceTrouble("udp:514", "overlong", "a datagram was cut", 7),
        "warn",
        "source udp:514: a datagram was cut [overlong: 7 since last told]",
    ),
    (
        events.PositionsTrouble("/state/file-positions.json", "cannot be saved (No space left on device)"),
        "error",
        "/state/file-positions.json cannot be saved (No space left on device)",
    ),
    (events.SourceEnded("stdin"), "info", "source stdin has ended and is not read any more"),
    (events.Reloaded("sources added: udp:514"), "info", "reloaded: sources added: udp:514"),
    (
        events.ReloadFailed("relay.toml:3: sources: is unknown; write source"),
        "error",
        "not reloaded, the old configuration stays in use: relay.toml:3: sources: is unknown; write source",
    ),
    (events.Removed("central"), "info", "central: removed"),
    (events.Removed("central", "/var/spool/c"), "info", "central: removed; its spool stays in /var/spool/c"),
    (
        events.SpoolDamaged("central", "spool/x.sqlite3", "it is empty", 12),
        "error",
        "central: the spool is damaged: spool/x.sqlite3: it is empty; at most 12 messages are lost, everything else is"
        " delivered",
    ),
    (
        events.SpoolBroken("central", "spool", "No space left on device"),
        "error",
        "central: the spool spool takes nothing: No space left on device; what is in it is delivered, new messages wait"
        " or are dropped by the overflow policy, and it is tried again each second",
    ),
    (events.SpoolMended("central", "spool"), "info", "central: the spool spool takes messages again"),
    (events.Kept("central", "spool", 5), "info", "central: 5 messages stay in the spool spool until the next start"),
    (events.Stopped("central"), "info", "central: stopped"),
)


class EventTests(SynchronousTestCase):
    """
    Events are values that people can read.
    """

    def test_texts(self) -> None:
        """
        Each one has a level and a text with its fields in it.
        """
        for event, level, text in TEXTS:
            self.assertEqual((event.level, str(event)), (level, text))

    def test_everyOneIsListed(self) -> None:
        """
        The table above has each event that there is.
        """
        kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}
        self.assertEqual({type(event) for event, _, _ in TEXTS}, kinds - {Event})

    def test_frozen(self) -> None:
        """
        An event that was told stays as it was.
        """
        for event, _, _ in TEXTS:
            self.assertEqual(event, attrs.evolve(event))
            name = next((each.name for each in attrs.fields(type(event))), "field")
            self.assertRaises(attrs.exceptions.FrozenInstanceError, setattr, event, name, "other")

    def test_braces(self) -> None:
        """
        What a server or an operator wrote is shown as it is.
        """
        event = events.AttemptFailed("central", "a:601", "dns", "{server} {0} {")
        self.assertEqual(str(event), "central: a:601 not usable (dns): {server} {0} {")


class DigestTests(SynchronousTestCase):
    """
    What recurs is told at most once a minute.
    """

    def test_firstIsTold(self) -> None:
        """
        The first time it is told at once, also when the clock begins at 0.
        """
        for now in (0.0, 1.7e9):
            self.assertEqual(Digest().add("key", 5, now), 5)

    def test_restIsSummedUp(self) -> None:
        """
        What happens within the minute is told with the first that happens after it.
        """
        digest = Digest()
        answers = [digest.add("key", 5, now) for now in (100, 100, 130, 159.9, 100 + QUIET, 161, 220, 1000)]
        self.assertEqual(answers, [5, 0, 0, 0, 20, 0, 10, 5])

    def test_keysApart(self) -> None:
        """
        Different things do not silence each other.
        """
        digest = Digest()
        self.assertEqual([digest.add(key, 1, 0) for key in ("a", "b", "a", "b")], [1, 1, 0, 0])

    def test_forgotten(self) -> None:
        """
        What was forgotten is news again.
        """
        digest = Digest()
        self.assertEqual([digest.add(key, 1, 0) for key in ("a", "b", "a", "b")], [1, 1, 0, 0])
        digest.forget("a", "unknown")
        self.assertEqual([digest.add(key, 1, 1) for key in ("a", "b")], [1, 0])

    def test_rest(self) -> None:
        """
        What was not told can be, and then not again for a minute.
        """
        digest = Digest()
        for _ in range(3):
            digest.add("key", 5, 0)
        self.assertEqual((digest.rest(50), digest.rest(51)), ({"key": 10}, {}))
        self.assertEqual([digest.add("key", 1, now) for now in (52, 50 + QUIET)], [0, 2])


class EventLogTests(SynchronousTestCase):
    """
    Everybody who listens is told.
    """

    def test_everyObserver(self) -> None:
        """
        Each observer gets each event, in order.
        """
        first: list[Event] = []
        second: list[Event] = []
        log = EventLog([first.append])
        log.observers.append(second.append)
        told = [event for event, _, _ in TEXTS]
        for event in told:
            log.tell(event)
        self.assertEqual((first, second), (told, told))

    def test_observerMayLeave(self) -> None:
        """
        An observer may take itself or another off while it is told, and the others are told nevertheless.
        """
        told: list[str] = []
        log = EventLog()

        def leaving(event: Event) -> None:
            told.append("leaving")
            log.observers.remove(leaving)

        log.observers += [leaving, lambda event: told.append("staying")]
        log.tell(TEXTS[0][0])
        log.tell(TEXTS[0][0])
        self.assertEqual(told, ["leaving", "staying", "staying"])

    def test_observerMayFail(self) -> None:
        """
        An observer that raises keeps the event from nobody, and is seen.
        """
        told: list[Event] = []
        failures: list[BaseException | None] = []

        def failing(event: Event) -> None:
            raise ZeroDivisionError

        log = EventLog([failing, told.append], lambda: failures.append(sys.exc_info()[1]))
        log.tell(TEXTS[0][0])
        self.assertEqual(told, [TEXTS[0][0]])
        self.assertIsInstance(failures[0], ZeroDivisionError)
