"""What was computed is kept for as long as its fingerprint is the same, in the tests' Redis."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as NotThere

from billing.selectors.reports import kept


class Asked:
    """Fingerprints, and what was computed for lack of something kept."""

    def __init__(self, **fingerprints: str) -> None:
        self.name = f"test {uuid.uuid4()}"
        self.fingerprints = fingerprints
        self.computed: list[str] = []

    def recall(self) -> Mapping[str, str]:
        return kept.recall(
            self.name, fingerprints=lambda: dict(self.fingerprints), compute=self._compute
        )

    def _compute(self, missing: Sequence[str]) -> Mapping[str, str]:
        self.computed += missing
        return {key: f"{key} of {self.fingerprints[key]}" for key in missing}


def test_only_what_changed_is_computed_again() -> None:
    asked = Asked(march="1", april="1")
    for _ in range(2):
        assert asked.recall() == {"march": "march of 1", "april": "april of 1"}
    assert asked.computed == ["march", "april"]
    asked.fingerprints["april"] = "2"
    assert asked.recall() == {"march": "march of 1", "april": "april of 2"}
    assert asked.computed == ["march", "april", "april"]


def test_what_changed_while_it_was_computed_is_not_kept() -> None:
    asked = Asked(march="1")
    compute = asked._compute

    def slowly(missing: Sequence[str]) -> Mapping[str, str]:
        found = compute(missing)
        asked.fingerprints["march"] = "2"
        return found

    asked._compute = slowly  # type: ignore[method-assign]
    assert asked.recall() == {"march": "march of 1"}
    asked._compute = compute  # type: ignore[method-assign]
    asked.fingerprints["march"] = "1"
    asked.recall()
    assert asked.computed == ["march", "march"]


def test_what_another_release_kept_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(march="1")
    asked.recall()
    monkeypatch.setattr(kept, "_release", lambda: "another")
    asked.recall()
    assert asked.computed == ["march", "march"]


def test_without_redis_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise NotThere("no one there")

    for name in ("get_many", "set_many"):
        monkeypatch.setattr(type(cache._connections["default"]), name, away)  # type: ignore[attr-defined]
    asked = Asked(march="1")
    for _ in range(2):
        assert asked.recall() == {"march": "march of 1"}
    assert asked.computed == ["march", "march"]


def test_one_result_is_kept_like_many() -> None:
    name, computed = f"test {uuid.uuid4()}", list[str]()

    def ask(fingerprint: str) -> int:
        def compute() -> int:
            computed.append(fingerprint)
            return len(computed)

        return kept.recall_one(name, fingerprint=lambda: fingerprint, compute=compute)

    assert [ask("a"), ask("a"), ask("b")] == [1, 1, 2]
