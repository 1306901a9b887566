"""What a web process does before its first page."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from hosting.config.warm import MIDDLE, OLD, YOUNG, warm_up


@pytest.fixture
def _unfrozen() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("_unfrozen")
def test_what_was_loaded_is_no_garbage_to_be_looked_for() -> None:
    before = gc.get_freeze_count()
    warm_up()
    assert gc.get_freeze_count() > before + 10_000
    assert len(gc.get_objects()) < 10_000
    assert gc.get_threshold() == (YOUNG, MIDDLE, OLD)
