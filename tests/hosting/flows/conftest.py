"""A guestbook that was brought up, and what may stand beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from hosting.engines import probe
from hosting.engines.memory import MemoryEngine
from hosting.models import Instance, Operation
from hosting.services import instances
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages that are asked for, at any app: a pretended one has none that could answer."""
    urls: list[str] = []

    def answer(url: str, *, host: str) -> probe.Probe:
        urls.append(f"{host}/{url.partition('://')[2].partition('/')[2]}")
        return probe.Probe(200)

    monkeypatch.setattr(probe, "http", answer)
    return urls


@pytest.fixture
def book(order: Order, memory_engine: MemoryEngine, work_off: WorkOff) -> Instance:
    """A guestbook that runs."""
    instance = order("book")
    assert work_off(instance).state == Operation.State.SUCCEEDED
    return instance


@pytest.fixture
def other(book: Instance, order: Order, work_off: WorkOff) -> Instance:
    """A second one, that runs beside the book."""
    instance = order("other")
    assert work_off(instance).state == Operation.State.SUCCEEDED
    return instance


@pytest.fixture
def stopped(book: Instance, actor: Actor, work_off: WorkOff) -> Instance:
    """The book after a person stopped it."""
    instances.stop(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    return book


@pytest.fixture
def away(settings: Settings, tmp_path: Path) -> Path:
    """The second place."""
    place = tmp_path / "off-site"
    place.mkdir()
    settings.BERTH_BACKUP_COPY = str(place)
    return place
