"""The tables that stand on more than one page: operations, incidents, instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hosting.admin.building import moving
from hosting.admin.building.tables import NUMBER, Column, Table, beside, link, with_note
from hosting.display import instance_state, move_state, operation_state, trial_state
from hosting.models import Drift, Incident, Instance, Operation, Restore, RestoreTest, Upgrade
from hosting.selectors import reasons
from hosting.selectors.instances import hostname, public_url
from hosting.selectors.overview import current_step
from tenants.display import badge, moment, span

User = Any  # whoever is logged in; Django's own type knows no has_perm of an anonymous one


def operations(rows: Sequence[Operation], *, with_instance: bool, empty: str) -> Table:
    """Operations with their steps prefetched, for whoever may look at operations."""
    first = _operation_of_instance if with_instance else _operation
    columns = (
        Column("Operation", first),
        Column("State", operation_state),
        Column("Step", step),
        Column("Asked for by", lambda each: each.requested_by_label),
        Column("Asked for", lambda each: moment(each.requested_at)),
    )
    return Table(columns, rows, empty)


def incidents(request: HttpRequest, rows: Sequence[Incident], *, empty: str) -> Table:
    """Incidents with what they are about."""
    columns = (
        Column("Incident", incident),
        Column("About", lambda each: about(each, request)),
        Column(
            "What is wrong",
            lambda each: reasons.taken_apart(each.summary).sentence,
        ),
        Column("Since", lambda each: moment(each.opened_at)),
    )
    return Table(columns, rows, empty)


def drifts(request: HttpRequest, rows: Sequence[Drift], *, empty: str) -> Table:
    """What was found at one instance and what was done about it."""
    may_follow = request.user.has_perm("hosting.view_operation")
    columns = (
        Column("Found", lambda each: with_note(_sentence(each.found), each.get_kind_display())),
        Column("Done", lambda each: _done(each, may_follow)),
        Column("State", _drift_state),
        Column("Found at", lambda each: moment(each.found_at)),
        Column("Settled", lambda each: moment(each.settled_at, missing="Not yet")),
    )
    return Table(columns, rows, empty)


def restores(rows: Sequence[Restore], *, empty: str) -> Table:
    """Restores, from ``selectors.restores``."""
    columns = (
        Column("Asked for", _restore),
        Column("State", move_state),
        Column("Goes back to", lambda each: moment(each.backup.taken_at)),
        Column("Away", moving.away, NUMBER),
        Column("Way back until", lambda each: moment(each.kept_until)),
    )
    return Table(columns, rows, empty)


def upgrades(rows: Sequence[Upgrade], *, empty: str) -> Table:
    """Upgrades, from ``selectors.upgrades``."""
    columns = (
        Column("Asked for", _upgrade),
        Column("State", move_state),
        Column("Change", lambda each: _sentence(each.told)),
        Column("Away", moving.away, NUMBER),
        Column("Way back until", lambda each: moment(each.kept_until)),
    )
    return Table(columns, rows, empty)


def restore_tests(rows: Sequence[RestoreTest], *, empty: str) -> Table:
    """Restore tests, from ``selectors.restore_tests``."""
    columns = (
        Column("Asked for", _restore_test),
        Column("State", trial_state),
        Column("Backup of", lambda each: moment(each.backup.taken_at)),
        Column("Took", lambda each: span(each.took) or "–", NUMBER),
        Column("Ended", lambda each: moment(each.ended_at, missing="Not yet")),
    )
    return Table(columns, rows, empty)


def checks(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """What restored data said to the catalog's questions, by question."""
    columns = (
        Column("Question", lambda each: each[0]),
        Column("In the backup", lambda each: " to ".join(dict.fromkeys(each[1]["wanted"]))),
        Column("Restored", lambda each: each[1]["said"]),
        Column("Fits", lambda each: badge("Yes", "ok") if each[1]["fits"] else badge("No", "bad")),
    )
    return Table(columns, sorted(found.items()), empty="Nothing was compared.")


def instances(rows: Sequence[Instance], *, empty: str) -> Table:
    """A client's instances, from ``selectors.instances``."""
    columns = (
        Column("Name", lambda each: link(each.name, "hosting_instance_change", each.pk)),
        Column("State", instance_state),
        Column("App", lambda each: f"{each.app} {each.version}"),
        Column("Plan", lambda each: each.plan),
        Column("Address", _address),
    )
    return Table(columns, rows, empty)


def step(operation: Operation) -> SafeString:
    """What it is doing now, or failed at, and why it waits or failed."""
    now = current_step(operation)
    if now is None and operation.reason:
        return with_note("", operation.reason)
    return with_note(now.title if now else "–", operation.reason)


def incident(row: Incident) -> SafeString:
    """Its kind, leading to its page."""
    return link(row.get_kind_display(), "hosting_incident_change", row.pk)


def about(row: Incident, request: HttpRequest) -> SafeString | str:
    """The server or instance, leading there for whoever may look at it."""
    if row.server is not None:
        allowed = request.user.has_perm("hosting.view_server")
        return link(row.server, "hosting_server_change", row.server.pk, allowed=allowed)
    if row.instance is not None:
        allowed = request.user.has_perm("hosting.view_instance")
        found = row.instance
        name = link(found.name, "hosting_instance_change", found.pk, allowed=allowed)
        return beside(name, found.client)
    return "Berth itself"


def _restore(row: Restore) -> SafeString:
    return link(moment(row.operation.requested_at), "hosting_restore_change", row.pk)


def _upgrade(row: Upgrade) -> SafeString:
    return link(moment(row.operation.requested_at), "hosting_upgrade_change", row.pk)


def _restore_test(row: RestoreTest) -> SafeString:
    return link(moment(row.created_at), "hosting_restoretest_change", row.pk)


def _operation(row: Operation) -> SafeString:
    return link(row.get_kind_display(), "hosting_operation_change", row.pk)


def _operation_of_instance(row: Operation) -> SafeString:
    return beside(
        link(row.titled(row.instance.name), "hosting_operation_change", row.pk),
        row.instance.client.name,
    )


def _done(drift: Drift, may_follow: bool) -> SafeString:
    done = drift.done or "–"
    if drift.operation is None:
        return format_html("{}", done)
    kind = drift.operation.get_kind_display()
    operation = link(kind, "hosting_operation_change", drift.operation.pk, allowed=may_follow)
    return beside(done, operation)


def _drift_state(drift: Drift) -> SafeString:
    return badge("Settled", "ok") if drift.settled_at else badge("Still so", "warn")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _address(instance: Instance) -> SafeString | str:
    if not hostname(instance):
        return ""
    return format_html(
        '<a class="b-link" href="{0}" target="_blank" rel="noopener">{0}</a>', public_url(instance)
    )
