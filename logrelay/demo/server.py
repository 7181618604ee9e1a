"""
A log server for the demo: TLS with client certificates, octet counting (RFC 5425), every message kept in a file.

A process of its own, which shares no code with the relay and starts without loading it.  It runs until its standard
input ends, and so never outlives the process that started it.

A kept message is one line: the time at which it was read (seconds of the monotonic clock, which all processes of
a host share), a space, the message.  The line is in the kernel before anything else is read, so killing the server
loses nothing that it has kept.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from io import FileIO

#: The longest frame that is taken, in bytes.
LONGEST = 65536

#: How long a handshake may take, and how long messages already here are read after the end was asked for; seconds.
HANDSHAKE_LIMIT = 5.0
END_LIMIT = 2.0

_LENGTH = re.compile(rb"([1-9][0-9]{0,4}) ")


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """
    Cut octet-counted frames apart.

    :return: the whole messages, and what is left of the data.
    :raises ValueError: if a frame does not begin with its length, or is too long.
    """
    messages = []
    position = 0
    while match := _LENGTH.match(data, position):
        length = int(match[1])
        if length > LONGEST:
            raise ValueError(f"a frame of {length} bytes")
        if match.end() + length > len(data):
            break
        messages.append(data[match.end() : match.end() + length])
        position = match.end() + length
    rest = data[position:]
    if match is None and not re.fullmatch(rb"([1-9][0-9]{0,4})?", rest):
        raise ValueError("a frame without its length")
    return messages, rest


class Store:
    """
    The file in which messages are kept, and what is left out of it on purpose.
    """

    def __init__(self, path: str, discard: int) -> None:
        """
        :param discard: each message whose turn comes after so many is thrown away; 0 for none.
        """
        self._file = FileIO(path, "a")
        self._discard = discard
        self._received = 0
        self._lock = threading.Lock()

    def keep(self, messages: Sequence[bytes], at: float) -> None:
        """
        Write messages that were read at a moment of the monotonic clock.
        """
        lines = []
        with self._lock:
            for message in messages:
                self._received += 1
                if not self._discard or self._received % self._discard:
                    lines.append(b"%.6f %b\n" % (at, message))
            self._file.write(b"".join(lines))


def receive(accepted: socket.socket, context: ssl.SSLContext, store: Store) -> None:
    """
    Serve one connection to its end, and answer that end with our own.
    """
    with contextlib.suppress(OSError, ValueError), accepted:
        accepted.settimeout(HANDSHAKE_LIMIT)
        with context.wrap_socket(accepted, server_side=True) as connection:
            connection.settimeout(None)
            rest = b""
            while data := connection.recv(LONGEST):
                at = time.monotonic()
                messages, rest = split(rest + data)
                store.keep(messages, at)
            connection.unwrap()


def accept(listener: socket.socket, context: ssl.SSLContext, store: Store) -> None:
    """
    Serve each connection in a thread.
    """
    while True:
        accepted, _ = listener.accept()
        threading.Thread(target=receive, args=(accepted, context, store), name="connection", daemon=True).start()


def listen(address: str, port: int) -> socket.socket:
    """
    Listen on a port that the parent process holds for us: it has bound it, and so has to share it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, port))
    listener.listen()
    return listener


def main(arguments: Sequence[str]) -> None:
    """
    Serve until standard input ends.
    """
    # Ctrl-C reaches every process of the terminal; ours end when the demo ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parser = argparse.ArgumentParser(description="a log server for logrelay demo")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("certificate", help="our certificate and its key (PEM)")
    parser.add_argument("authority", help="who must have issued a client's certificate (PEM)")
    parser.add_argument("store", help="the file to keep messages in")
    parser.add_argument("--discard", type=int, default=0, help="throw away each message after so many")
    options = parser.parse_args(arguments)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate)
    context.load_verify_locations(options.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    store = Store(options.store, options.discard)
    listener = listen(options.address, options.port)
    threading.Thread(target=accept, args=(listener, context, store), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    deadline = time.monotonic() + END_LIMIT
    for thread in threading.enumerate():
        if thread.name == "connection":
            thread.join(max(0.0, deadline - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1:])
