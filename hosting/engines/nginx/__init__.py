"""The edge: one nginx on the server that reaches every instance's web service by host name.

``render`` turns sites into a whole configuration, ``Nginx`` puts it in place. ``Holds`` says whose
requests are to wait, and ``Holder`` is the process that lets them. None of it knows Django.
"""

from hosting.engines.nginx.connections import open_connections
from hosting.engines.nginx.holder import Holder, Limits
from hosting.engines.nginx.holds import After, Holds
from hosting.engines.nginx.render import generation_of, render
from hosting.engines.nginx.server import Applied, Nginx
from hosting.engines.nginx.sites import Listen, RateLimit, Settings, Site, SiteState

__all__ = [
    "After",
    "Applied",
    "Holder",
    "Holds",
    "Limits",
    "Listen",
    "Nginx",
    "RateLimit",
    "Settings",
    "Site",
    "SiteState",
    "generation_of",
    "open_connections",
    "render",
]
