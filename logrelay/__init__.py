"""
logrelay: takes log messages in and delivers them to the first of several log servers that works.

``logrelay.service.LogRelayService`` is the relay as a service, for ``twistd logrelay`` and for any other application;
``logrelay.client.FailoverClientFactory`` is its failover, for any protocol.  ``logrelay.testing`` has fakes of log
servers.
"""
