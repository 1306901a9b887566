"""What the tests of this room have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from hosting.engines.restic import Repository
from tests.hosting.stock import Stock


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    return Stock.laid_in(tmp_path_factory.mktemp("stock"))


@pytest.fixture
def backup_target(backup_target: Path, stock: Stock, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory where backups go; new repositories in it are there at once."""
    monkeypatch.setattr(Repository, "ensure", stock.ensure(Repository.ensure))
    return backup_target
