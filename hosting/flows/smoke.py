"""Asking an app for the pages that the catalog names: one that answers these can be used."""

from __future__ import annotations

from hosting.engines import probe
from hosting.flows import stacks
from hosting.flows.base import Work


def pages(work: Work, *, host: str) -> None:
    """Wait until each of them answers with a 2xx, asked at the app itself, under that Host name."""
    address, port = stacks.upstream(work.instance, work.stack)
    for path in stacks.definition(work.instance).berth.smoke:
        url = f"http://{address}:{port}{path}"
        work.wait_until(
            lambda url=url: probe.http(url, host=host).is_ok,  # type: ignore[misc]
            why=f"{path} does not answer yet",
        )
        work.report(f"{path} answers")
