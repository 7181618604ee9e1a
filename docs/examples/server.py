"""
A log server to try things with: ``python3 server.py PORT`` prints each line that it gets.  Ctrl-C ends it.
"""

from __future__ import annotations

import contextlib
import socketserver
import sys


class Printer(socketserver.StreamRequestHandler):
    """
    Serves one connection until the other side ends it.
    """

    def handle(self) -> None:
        """
        Print what comes.
        """
        for line in self.rfile:
            print(line.decode("utf-8", "replace").rstrip(), flush=True)


class Server(socketserver.ThreadingTCPServer):
    """
    Can be started again at once.
    """

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        Server(("127.0.0.1", int(sys.argv[1])), Printer).serve_forever()
