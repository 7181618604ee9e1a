"""
Trials of the store on disk: what was answered with 200 is delivered, whatever happens to the relay and to its disk.

``python -m tests.endurance TRIAL`` makes one and prints a table: ``kills``, ``drain``, ``powercut``, ``full`` or
``damage``.  All that is left to chance comes from a seed, which is printed and can be given again.
"""
