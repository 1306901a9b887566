"""A catalog of one test's own: the guestbook, with the versions that the test lets be out."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml
from pytest_django import Settings

from hosting.catalog.loader import load_app
from tests.conftest import CATALOG


def shelf_of(settings: Settings, tmp_path: Path) -> Path:
    """The directory of it; at first it knows the first version alone."""
    shelf = tmp_path / "catalog"
    shelf.mkdir()
    settings.BERTH_CATALOG_DIRS = [
        shelf if each == CATALOG else each for each in settings.BERTH_CATALOG_DIRS
    ]
    shutil.copy(CATALOG / "guestbook.yaml", shelf / "guestbook.yaml")
    change(shelf, versions=["1"])
    return shelf


def change(shelf: Path, *, versions: list[str], **environment: str) -> None:
    """These versions are out, whose web service has that in its environment as well."""
    file = shelf / "guestbook.yaml"
    text = re.sub(r"BERTH_VERSION:-\w+", f"BERTH_VERSION:-{versions[0]}", file.read_text())
    written = yaml.safe_load(text)
    written["x-berth"]["versions"] = [{"version": each} for each in versions]
    written["services"]["web"]["environment"] |= environment
    file.write_text(yaml.safe_dump(written))
    load_app(file)  # it is right
