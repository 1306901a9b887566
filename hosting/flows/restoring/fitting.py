"""Whether a backup fits where it is to be put, and whether what was put there is the backup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from hosting.engines.errors import GiveUp
from hosting.flows import stacks
from hosting.flows.base import Work
from hosting.flows.restoring import filling
from hosting.flows.saving import backup as saving
from hosting.flows.saving.parts import Kind
from hosting.flows.saving.sources import Source
from hosting.models import Backup
from hosting.selectors import disk

ROOM = Decimal("1.2")  # of the data's size: a database takes more than its dump
GB = 10**9


def check(work: Work, source: Source) -> None:
    """See that it is there, that the app has a place for all of it, and that there is room.

    Raises ``GiveUp``, and ``Damaged`` for what is not in the store.
    """
    _check_parts(work, source.backup)
    source.check()
    check_room(work, source.backup.size_bytes)


def answers(work: Work, backup: Backup) -> dict[str, dict[str, Any]]:
    """What the databases say now, by check, beside what was wanted; empty where nothing was asked.

    Runs the databases alone: ``work.stack`` says on which data.
    """
    wanted: dict[str, list[str]] = backup.manifest["checks"]
    if not wanted:
        work.report("the backup has no answers to compare")
        return {}
    filling.bring_up_databases(work, backup)
    said = saving.run_checks(work)
    return {
        name: {"wanted": bounds, "said": said[name], "fits": fits(said[name], bounds)}
        for name, bounds in wanted.items()
        if name in said
    }


def refuse_misfits(work: Work, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Report what ``answers`` found. Raises ``GiveUp`` for the first that does not fit."""
    for name, each in found.items():
        if not each["fits"]:
            low, high = each["wanted"]
            raise GiveUp(
                f"the restored data does not fit the backup: “{name}” is {each['said']}, and was"
                f" {low if low == high else f'between {low} and {high}'}"
            )
        work.report(f"{name}: {each['said']}, as it was")


def fits(said: str, answers: Iterable[str]) -> bool:
    """Whether it is a number from between the two."""
    low, high = sorted(map(int, answers))
    return low <= int(said) <= high


def _check_parts(work: Work, backup: Backup) -> None:
    """Raise ``GiveUp`` for a part that the app has no place for any more."""
    app = stacks.definition(work.instance)
    for part, _ in filling.parts_of(backup):
        is_volume = part.kind is Kind.VOLUME
        if (part.name if is_volume else part.service) not in (
            app.volumes if is_volume else app.services
        ):
            raise GiveUp(f"the backup holds {part.title}, for which the app has no place")


def check_room(work: Work, size_bytes: int) -> None:
    """Raise ``GiveUp`` where the server has no room for both: what is there and what comes."""
    free = work.engine.capacity().disk_free_bytes
    needed = int(size_bytes * ROOM)
    if free is not None and free < needed + disk.reserve_bytes():
        raise GiveUp(
            f"server {work.instance.server} has {free / GB:.1f} GB of disk free; the restored data"
            f" needs up to {needed / GB:.1f} GB, and {disk.reserve_bytes() / GB:.1f} GB are kept"
            " back"
        )
