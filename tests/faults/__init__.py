"""
Faults of networks and servers, on real sockets: how soon the relay leaves, for what reason, and what arrives.

Two kinds of trials are here.  Those of :mod:`tests.faults.trials` have the relay in the test's own process, and look
closely at one decision: why a server was left, and when.  Those of the table in :mod:`tests.faults.rows` have every
part in a process of its own, and look at what an operator would see: what was lost, what came twice, how long it took.
``python -m tests.faults`` makes all of the latter.

Set the variable of :mod:`tests.figures` to see the times.
"""
