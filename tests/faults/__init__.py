"""
Faults of networks and servers, on real sockets: how soon the relay leaves, for what reason, and what arrives.

Set the variable of :mod:`tests.figures` to see the times.
"""
