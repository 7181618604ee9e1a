"""
RELP, the Reliable Event Logging Protocol: its dialogue.

The client asks, and the server answers each question with the question's *transaction number*, which counts up by one.
The client does not wait for an answer before it asks on: how many answers it lets be missing is its own affair (its
window).  A session is

    ``open``, with what the client can do; answered with what the server can do, or with an error
    ``syslog``, any number of times, each with one message; answered 200 when the server has taken it
    ``close``; answered with nothing in it, and then the server says ``serverclose`` and ends the connection

The server may also say ``serverclose`` at any time and end; that is no answer, and has the number 0.  Then, as after a
connection that broke, the client has to send again in a new session what was not answered.

Both sides see the same steps, but not at the same time; so each has a table of its own: from each state, the steps
that may be next, and the state that each leads to.  What is not there must not happen.  If the peer does it, the peer
is at fault and the session is over; if our own program does, it has a bug.

* A client may say ``syslog`` and even ``close`` while ``open`` has not been answered, since the server reads them in
  order.  Answers to messages come in any order; none comes before the answer to ``open``.
* A server answers ``open`` at once.  It refuses a message that comes before, and goes on: the client may open yet.
  The client's ``close`` is the last that it hears.

The frames are in :mod:`logrelay.relpframes`, the two sides in :mod:`logrelay.relpclient` and
:mod:`logrelay.relpserver`.  The protocol is described in librelp's ``doc/relp.md``; where that and librelp 1.11 differ,
this does what works with librelp.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Step(Enum):
    """
    What one side says to the other.  The values of the client's steps are the commands on the wire.
    """

    # The client to the server.
    OPEN = b"open"
    SYSLOG = b"syslog"
    CLOSE = b"close"
    # The server to the client.
    OPENED = "the answer to open"
    ANSWERED = "an answer to a message"
    CLOSED = "the answer to close"
    SERVERCLOSE = "serverclose"


class State(Enum):
    """
    Where a session is, as one side knows it.
    """

    NEW = "not open yet"
    OPENING = "open was said, and not answered yet"
    OPEN = "open"
    CLOSING = "close was said, and not answered yet"
    ENDED = "over"


Table = Mapping[State, Mapping[Step, State]]

CLIENT: Table = {
    State.NEW: {Step.OPEN: State.OPENING},
    State.OPENING: {
        Step.SYSLOG: State.OPENING,
        Step.CLOSE: State.CLOSING,
        Step.OPENED: State.OPEN,
        Step.SERVERCLOSE: State.ENDED,
    },
    State.OPEN: {
        Step.SYSLOG: State.OPEN,
        Step.ANSWERED: State.OPEN,
        Step.CLOSE: State.CLOSING,
        Step.SERVERCLOSE: State.ENDED,
    },
    State.CLOSING: {
        Step.OPENED: State.CLOSING,
        Step.ANSWERED: State.CLOSING,
        Step.CLOSED: State.ENDED,
        Step.SERVERCLOSE: State.ENDED,
    },
    State.ENDED: {},
}

SERVER: Table = {
    State.NEW: {
        Step.OPEN: State.OPEN,
        Step.SYSLOG: State.NEW,
        Step.CLOSE: State.CLOSING,
        Step.SERVERCLOSE: State.ENDED,
    },
    State.OPEN: {
        Step.SYSLOG: State.OPEN,
        Step.ANSWERED: State.OPEN,
        Step.CLOSE: State.CLOSING,
        Step.SERVERCLOSE: State.ENDED,
    },
    State.CLOSING: {
        Step.ANSWERED: State.CLOSING,
        Step.SERVERCLOSE: State.ENDED,
    },
    State.ENDED: {},
}
