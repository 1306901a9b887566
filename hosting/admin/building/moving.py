"""What the pages about restores and upgrades have in common."""

from __future__ import annotations

from datetime import timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hosting.admin.building.tables import beside, link
from hosting.models import Backup, Move
from tenants.display import moment, span


def instance(move: Move, *, allowed: bool) -> SafeString:
    """The instance with its client."""
    found = move.operation.instance
    name = link(found.name, "hosting_instance_change", found.pk, allowed=allowed)
    return beside(name, found.client.name)


def backup(found: Backup | None, *, allowed: bool) -> SafeString | str:
    """The moment of a backup, leading there."""
    if found is None:
        return "None"
    return link(moment(found.taken_at), "hosting_backup_change", found.pk, allowed=allowed)


def operations(move: Move, *, allowed: bool) -> SafeString:
    """The move itself, and the last operation that was to go back."""
    both = (move.operation, move.reverted_by)
    links = (
        (link(each.get_kind_display(), "hosting_operation_change", each.pk, allowed=allowed),)
        for each in both
        if each is not None
    )
    return format_html_join(", ", "{}", links)


def generations(move: Move) -> SafeString:
    """From which data to which."""
    return format_html(
        '<span class="b-num">{} → {}</span>', move.from_generation, move.to_generation
    )


def away(move: Move) -> str:
    """How long the instance was stopped for it."""
    return "–" if move.seconds is None else span(timedelta(seconds=move.seconds))
