"""
The relay over HTTP, for reading only: metrics, health, status, and a page that is live.

Everything here shows the relay's one snapshot.  ``metrics`` is the table of all metrics and ``collector`` what
prometheus_client makes of it; ``channel`` takes requests, with all limits, and ``answers`` says what each path has;
``stream`` sends the page's news; ``page``, ``tables`` and ``plots`` draw it, ``history`` remembers ten minutes of it;
``service`` joins them.

Whoever has no HTTP configured imports nothing of this, and so neither twisted.web nor prometheus_client.
"""
