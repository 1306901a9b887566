"""Asking an app for the pages that the catalog names: one that answers these can be used."""

from __future__ import annotations

from hosting.engines import probe
from hosting.flows import stacks
from hosting.flows.base import Work
from hosting.models import Instance


def pages(work: Work, instance: Instance, *, host: str) -> None:
    """Wait until each of them answers with a 2xx, asked at the app itself, under that Host name.

    ``instance`` is the one that ``work.stack`` was built from.
    """
    address, port = stacks.upstream(instance, work.stack)
    for path in stacks.definition(instance).berth.smoke:
        url = f"http://{address}:{port}{path}"
        work.wait_until(
            lambda url=url: probe.http(url, host=host).is_ok,  # type: ignore[misc]
            why=f"{path} does not answer yet",
        )
        work.report(f"{path} answers")
