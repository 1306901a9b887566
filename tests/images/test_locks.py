"""The npm lock files: complete, in step with their package.json, and silent about addresses."""

import json
from pathlib import Path
from typing import Any

import pytest

IMAGES = Path(__file__).resolve().parents[2] / "images"
PACKAGES = sorted(
    path for path in IMAGES.glob("*/package-*.json") if not path.name.startswith("package-lock-")
)


def lock_of(package: Path) -> dict[str, Any]:
    beside = package.with_name(package.name.replace("package-", "package-lock-", 1))
    lock: dict[str, Any] = json.loads(beside.read_text())
    return lock


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_lock_pins_each_package_by_checksum(package: Path) -> None:
    entries = lock_of(package)["packages"]
    assert entries.pop("")["dependencies"] == json.loads(package.read_text())["dependencies"]
    assert len(entries) > 1000
    assert [path for path, entry in entries.items() if "sha512-" not in entry["integrity"]] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_lock_names_no_address(package: Path) -> None:
    lock = lock_of(package)
    assert not [path for path, entry in lock["packages"].items() if "resolved" in entry]
    assert "://" not in json.dumps(lock)


def test_every_app_that_comes_from_npm_has_a_package_to_lock() -> None:
    assert {path.parent.name for path in PACKAGES} == {"n8n", "flowise"}
