"""
The control socket: how an operator asks a running relay how it is, and orders what it is to do.

The server is :class:`logrelay.control.service.ControlService`, the client
:class:`logrelay.control.client.Client`.  What they say to each other is in :mod:`logrelay.control.requests`.
"""
