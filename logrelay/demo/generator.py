"""
What makes the demo's messages: numbered RFC 5424 messages over TCP, octet counted, at a steady rate.

A process of its own, which shares no code with the relay and starts without loading it.  It runs until its standard
input ends; then it ends its connection, waits for the relay to do the same, and prints how many messages it sent.
"""

from __future__ import annotations

import argparse
import datetime
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence

#: Seconds between two writes; as many messages as are due by then go out together.
TICK = 0.01

#: How long the relay may take to read the last messages and to end its side; seconds.
END_LIMIT = 10.0


def frame(number: int, timestamp: str) -> bytes:
    """
    The message of this number, ready to be sent.
    """
    text = f'<14>1 {timestamp} demo generator - - [demo@32473 number="{number}"] message {number} of the demo'
    return f"{len(text)} {text}".encode("ascii")


def generate(connection: socket.socket, rate: float, tick: float = TICK) -> int:
    """
    Send messages until standard input ends.

    :return: how many.
    """
    sent = 0
    started = time.monotonic()
    while not select.select([sys.stdin], [], [], tick)[0]:
        due = int((time.monotonic() - started) * rate)
        timestamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        connection.sendall(b"".join(frame(number, timestamp) for number in range(sent + 1, due + 1)))
        sent = due
    return sent


def main(arguments: Sequence[str]) -> None:
    """
    Generate until standard input ends.
    """
    # Ctrl-C reaches every process of the terminal; ours end when the demo ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parser = argparse.ArgumentParser(description="a generator of log messages for logrelay demo")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("rate", type=float, help="messages a second")
    options = parser.parse_args(arguments)
    with socket.create_connection((options.address, options.port)) as connection:
        print("ready", flush=True)
        sent = generate(connection, options.rate)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(END_LIMIT)
        while connection.recv(4096):
            pass
    print(f"sent {sent}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
