"""Restores in the admin: what was put back, what it said, and how long there is a way back."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hosting.admin.building import moving, rows
from hosting.admin.building.asking import Question, ask
from hosting.admin.building.tables import Table, with_note
from hosting.admin.instance_verbs import RESTORE
from hosting.admin.saving.places import PlaceForm
from hosting.display import move_state
from hosting.models import Backup, Instance, Restore
from hosting.selectors import moves, reasons
from hosting.selectors.saving import backups
from hosting.selectors.saving import restores as reading
from hosting.services.saving import restores
from tenants.admin.base import actor, show_refused
from tenants.display import identifier, moment
from tenants.errors import Refused

RECENT = 8  # on another's page


@admin.register(Restore)
class RestoreAdmin(moving.MoveAdmin[Restore]):
    """To look at: a backup is restored from its page, and the instance's leads back."""

    list_display = ("asked", "instance_link", "state", "goes_to", "data", "away", "way_back")
    search_help_text = "Instance, client or identifier"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Restore]:
        """With what the list shows, in a fixed number of queries."""
        return reading.for_staff()

    def page(self, obj: Restore, request: HttpRequest) -> dict[str, Any]:
        """What it did."""
        return _page(obj, request)

    @admin.display(description="State", ordering="operation__state")
    def state(self, restore: Restore) -> SafeString:
        """What became of it, and what did not come back."""
        return with_note(move_state(restore), reasons.taken_apart(restore.trouble).sentence)

    @admin.display(description="Goes back to", ordering="backup__taken_at")
    def goes_to(self, restore: Restore) -> str:
        """The moment of its backup."""
        return moment(restore.backup.taken_at)

    @admin.display(description="Data")
    def data(self, restore: Restore) -> SafeString:
        """From which generation to which."""
        return moving.generations(restore)


def of_instance(instance: Instance, request: HttpRequest) -> Table | None:
    """The instance's last ones, if there were any, for whoever may look at them."""
    return _newest(moves.restores_of(instance), request)


def of_backup(backup: Backup, request: HttpRequest) -> Table | None:
    """The same of the backup."""
    return _newest(reading.for_staff().filter(backup=backup), request)


def _newest(found: QuerySet[Restore], request: HttpRequest) -> Table | None:
    newest = list(found[:RECENT]) if request.user.has_perm("hosting.view_restore") else []
    return rows.restores(newest, empty="") if newest else None


def restore(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask once more (GET), or ask for the backup to be put back into its instance (POST)."""
    if not request.user.has_perm(RESTORE):
        raise PermissionDenied
    backup = get_object_or_404(backups.for_staff(), pk=pk)
    page = reverse("admin:hosting_backup_change", args=[backup.pk])
    form = PlaceForm(request.POST if request.method == "POST" else None, backup=backup)
    if request.method != "POST" or not form.is_valid():
        return _ask(request, backup, form, back=page)
    try:
        made = restores.request(
            instance=backup.instance,
            backup=backup,
            actor=actor(request),
            is_from_copy=form.is_from_copy,
        )
    except Refused as refused:
        show_refused(request, refused)
        return HttpResponseRedirect(page)
    messages.success(request, f"{backup.instance.name}: “Restore” is asked for.")
    if not request.user.has_perm("hosting.view_operation"):
        return HttpResponseRedirect(page)
    return HttpResponseRedirect(reverse("admin:hosting_operation_change", args=[made.operation_id]))


def _ask(request: HttpRequest, backup: Backup, form: PlaceForm, *, back: str) -> HttpResponse:
    instance, days = backup.instance, settings.BERTH_RESTORE_KEEP.days
    question = Question(
        title=f"Restore {instance.name} of {instance.client}?",
        meaning=(
            format_html("It goes back to what it was {}.", moment(backup.taken_at)),
            "What was done since is replaced. It is saved in a backup first, and its data stays on"
            f" the server for {days} day{'' if days == 1 else 's'}: so long there is a way back.",
            "It is away for some minutes; requests wait meanwhile.",
        ),
        submit="Restore",
        back=back,
        form=form,
    )
    return ask(request, question, opts=Backup._meta, original=backup)


def _page(restore: Restore, request: HttpRequest) -> dict[str, Any]:
    return {
        "title": f"Restore of {restore.operation.instance}",
        "restore": restore,
        "badge": move_state(restore),
        "what": _what(restore),
        "trouble": reasons.taken_apart(restore.trouble),
        "facts": _facts(restore, request),
        "tables": [("What the restored data said", rows.checks(restore.checks))],
    }


def _what(restore: Restore) -> str:
    if restore.undone_at:
        return "The instance is back on the data of before."
    if restore.kept_until:
        return "The instance was switched to the data of the backup."
    if restore.operation.is_active:
        return "The instance is on its own data still."
    return "The instance stayed on its own data."


def _facts(restore: Restore, request: HttpRequest) -> list[tuple[str, object]]:
    may, operation = request.user.has_perm, restore.operation
    sees_backups = may("hosting.view_backup")
    return [
        ("Instance", moving.instance(restore, allowed=may("hosting.view_instance"))),
        ("Backup of", moving.backup(restore.backup, allowed=sees_backups)),
        ("Safety backup of", moving.backup(restore.safety, allowed=sees_backups)),
        ("Operations", moving.operations(restore, allowed=may("hosting.view_operation"))),
        ("Asked for by", operation.requested_by_label),
        ("Asked for", moment(operation.requested_at)),
        *((("Databases brought to", moment(restore.target_at)),) if restore.target_at else ()),
        *((("Read from", "The second place"),) if restore.is_from_copy else ()),
        ("Generation of the data", moving.generations(restore)),
        ("Away", moving.away(restore)),
        ("Data of before is kept until", moment(restore.kept_until)),
        ("Gone back", moment(restore.undone_at)),
        ("Identifier", identifier(str(restore.pk))),
    ]
