"""
``logrelay demo``: failover and failback, seen on one machine.

Three log servers and a generator run as processes of their own; the relay runs in the calling process, as in any
program that composes it.  What is shown while it runs comes from the relay's events and its snapshot alone.  What
the table at the end says comes from the files in which the servers kept their messages.

``story`` tells what happens when, ``processes`` starts and ends the others, ``certificates`` makes what TLS needs,
``display`` shows it and ``account`` does the sums.  ``server`` and ``generator`` are programs; they share no code with
the relay, so that a mistake in it cannot hide itself.
"""
