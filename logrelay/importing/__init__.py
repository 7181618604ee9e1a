"""
A configuration of syslog-ng, made into one of ours: what ``logrelay import`` does.

The text becomes tokens (``tokens``), these a tree of brackets (``tree``).  What its ``log`` statements use (``paths``)
becomes sources and destinations (``sources``, ``destinations``), by tables of options (``sourcetables``,
``destinationtables``); they are written as TOML (``rendering``), and nothing leaves that our own reader would refuse
(``checking``).  What cannot be said in our configuration is a remark with its line (``remarks``): nothing is left out
silently.
"""
