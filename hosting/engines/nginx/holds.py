"""Whose requests the edge holds, as files that nginx and the holding process both look at.

``held/<instance>`` is there while the instance's requests are held: nginx looks for it at each
request, so a hold begins and ends without a reload. ``after/<instance>`` says what became of the
instance when its hold ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from hosting.engines.nginx.sites import Site, SiteState

_UPSTREAM = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}:[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class After:
    """What became of a held instance. ``upstream`` (address:port) is empty unless it serves."""

    state: SiteState
    upstream: str
    ended_at: float  # seconds since the epoch


class Holds:
    """The holds of one edge directory. One process writes at a time; any may read."""

    def __init__(self, directory: Path) -> None:
        self._held = directory / "held"
        self._after = directory / "after"

    def begin(self, sites: Iterable[Site]) -> None:
        """Hold from now on what these sites say is to be held; what is held already stays so."""
        for directory in (self._held, self._after):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o755)
        for site in sites:
            flag = self._held / site.instance
            if site.state == "holding" and not flag.exists():
                (self._after / site.instance).unlink(missing_ok=True)
                flag.touch()

    def end(self, sites: Iterable[Site]) -> None:
        """Hold no longer what these sites do not say is to be held."""
        known = {site.instance: site for site in sites}
        for flag in self._held.iterdir():
            site = known.get(flag.name)
            if site is None or site.state != "holding":
                self._write_after(flag.name, site)
                flag.unlink()
        for old in self._after.iterdir():
            if old.name not in known:
                old.unlink()

    def is_held(self, instance: str) -> bool:
        """Whether requests for the instance are to be held now."""
        return (self._held / instance).exists()

    def after(self, instance: str) -> After | None:
        """What became of the instance when its last hold ended; None where that is not known."""
        file = self._after / instance
        try:
            state, _, upstream = file.read_text().partition(" ")
            ended_at = file.stat().st_mtime
        except OSError:
            return None
        serves = state == "serving" and _UPSTREAM.fullmatch(upstream)
        if state not in get_args(SiteState) or (state == "serving") is not bool(serves):
            return None
        return After(state, upstream, ended_at)  # type: ignore[arg-type]  # checked above

    def _write_after(self, instance: str, site: Site | None) -> None:
        """The file appears whole, before the flag goes: who sees the one gone finds the other."""
        if site is None:
            return
        upstream = f" {site.address}:{site.port}" if site.state == "serving" else ""
        fresh = self._after / f".{instance}.new"
        fresh.write_text(f"{site.state}{upstream}")
        fresh.replace(self._after / instance)
