"""Journals and bases as rows alone, for what needs no store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hosting.models import Backup, Instance, Journal, JournalBase, JournalChapter, JournalPiece


def journal(instance: Instance, until: datetime | None, **fields: Any) -> Journal:
    """One of the database, stored up to that moment."""
    wanted = {"service": "db", "generation": 1, "archived_until": until, "last_segment": name(9)}
    return Journal.objects.create(instance=instance, **(wanted | fields))


def base(kept: Journal, at: datetime, *, first: int = 1, **fields: Any) -> JournalBase:
    """A base that can be brought to that moment and later ones, in a good backup."""
    backup = Backup.objects.create(
        instance=kept.instance,
        **{
            "trigger": Backup.Trigger.NIGHTLY,
            "taken_at": at,
            "verified_at": at,
            "manifest": {"format": 1, "app": kept.instance.app, "version": "2", "parts": []},
            "stored": [{"snapshot": "0815aabb"}, {"snapshot": f"ba5e{first:04}"}],
            **fields,
        },
    )
    return JournalBase.objects.create(
        backup=backup,
        journal=kept,
        first_segment=name(first),
        began_at=at,
        ended_at=at,
        written={"snapshot": f"ba5e{first:04}", "size": 1},
    )


def piece(kept: Journal, chapter: JournalChapter, *numbers: int) -> JournalPiece:
    """Those segments of it in that chapter."""
    names = [name(number) for number in numbers]
    return JournalPiece.objects.create(journal=kept, chapter=chapter, names=names)


def name(number: int) -> str:
    """A segment's."""
    return f"{1:08X}{0:08X}{number:08X}"
