"""What the edge has to show: one row a hostname, in one query."""

from __future__ import annotations

from django.conf import settings

from hosting.engines.nginx import Listen, Site
from hosting.models import Hostname


def all_sites() -> list[Site]:
    """Every hostname with where it leads, in the order of the names."""
    ...


def listen() -> Listen:
    """Where the edge listens."""
    ...
