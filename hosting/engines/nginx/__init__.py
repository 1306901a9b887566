"""The edge: one nginx on the server that reaches every instance's web service by host name.

``render`` turns sites into a whole configuration, ``Nginx`` puts it in place. Neither knows Django.
"""

from hosting.engines.nginx.render import generation_of, render
from hosting.engines.nginx.server import Applied, Nginx
from hosting.engines.nginx.sites import Listen, RateLimit, Settings, Site, SiteState

__all__ = [
    "Applied",
    "Listen",
    "Nginx",
    "RateLimit",
    "Settings",
    "Site",
    "SiteState",
    "generation_of",
    "render",
]
