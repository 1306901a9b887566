"""What an instance's page shows beside the row itself."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from hosting.admin import suspending
from hosting.admin.building import rows
from hosting.admin.building.tables import link
from hosting.admin.instance_verbs import possible
from hosting.admin.saving import beginning_anew, places, restore_tests, restores
from hosting.admin.upgrading import new_versions, upgrades
from hosting.admin.watching import available, looks
from hosting.display import instance_state
from hosting.models import Instance, Journal
from hosting.selectors import overview, reasons
from hosting.selectors.instances import hostname, public_url
from hosting.selectors.measuring import resources
from hosting.selectors.saving import backups, journals
from hosting.selectors.watching import drifts, incidents
from tenants.display import moment

RECENT = 8  # operations


def page_of(instance: Instance, request: HttpRequest) -> dict[str, Any]:
    """What the instance's page shows beside the row itself."""
    verbs = possible(instance, request)
    recent = overview.operations_with_steps().filter(instance=instance)[:RECENT]
    active = instance.operations.filter(state__in=("queued", "running")).first()
    return {
        "title": instance.name,
        "badge": instance_state(instance),
        "buttons": [verb for verb in verbs if verb.name != "delete"],
        "delete": next((verb for verb in verbs if verb.name == "delete"), None),
        "active": active,
        "hostname": hostname(instance),
        "address": public_url(instance) if hostname(instance) else "",
        "recent": rows.operations(
            list(recent), with_instance=False, empty="Nothing has been asked for yet."
        ),
        "reason": reasons.taken_apart(instance.state_reason),
        "expected": expected_words(instance),
        **_troubles(instance, request),
        **_saved(instance, request),
        "restores": restores.of_instance(instance, request),
        "upgrades": upgrades.of_instance(instance, request),
        "new_versions": new_versions.in_words(instance),
        "may_suspend": suspending.may(instance, request),
        "may_set_new_versions": new_versions.may_set(instance, request),
        "tests": restore_tests.of_instance(instance, request),
    }


def _troubles(instance: Instance, request: HttpRequest) -> dict[str, Any]:
    """What was found at it, and what goes on, as far as the person may see it."""
    found: dict[str, Any] = {
        "next_attempt": next_attempt(instance),
        "limit_warnings": resources.open_warnings([instance]).get(instance.pk, []),
        "looks": looks.of_instance(instance),
    }
    if request.user.has_perm("hosting.view_incident"):
        found["incidents"] = list(incidents.of_instance(instance))
        if not instance.is_scratch:
            found["available"] = available.of_instance(instance, now=timezone.now())
    if request.user.has_perm("hosting.view_drift"):
        newest = drifts.newest(instance)
        found["drifts"] = rows.drifts(request, newest, empty="It was always as it should be.")
    return found


def _saved(instance: Instance, request: HttpRequest) -> dict[str, Any]:
    """Its last proven backup, for whoever may look at backups."""
    if not request.user.has_perm("hosting.view_backup"):
        return {}
    newest = backups.newest_proven(instance)
    saved = link(moment(newest.taken_at), "hosting_backup_change", newest.pk) if newest else "None"
    return {
        "saved": saved,
        "journals": [_journal(each) for each in journals.open_of(instance)],
        "waits_for_start": journals.waits_for_start(instance),
        "second_place": _second_place(instance),
        "copies": places.copies_of(instance),
        "beginnings": beginning_anew.offered(instance, request),
    }


def _second_place(instance: Instance) -> str:
    """How far the journals are in the second place; empty where there is none of either."""
    if not settings.BERTH_BACKUP_COPY or not journals.is_any_stored(instance):
        return ""
    since = journals.uncopied_since(instance)
    if since is None:
        return "All that is stored"
    return format_html("Not what was stored since {}", moment(since))


def _journal(journal: Journal) -> str:
    """How far the store has a database, and what is in the way of more."""
    until = moment(journal.archived_until) if journal.archived_until else "nothing yet"
    is_told = bool(journal.trouble) and not journal.is_unkept  # that is said below, for all of them
    trouble = f" ({journal.trouble})" if is_told else ""
    return format_html("{}: {}{}", journal.service, until, trouble)


def next_attempt(instance: Instance) -> str:
    """When Berth tries again by itself, in UTC as all of the admin."""
    if instance.repair_after is None or instance.repair_after <= timezone.now():
        return ""
    return f"Berth tries again by itself at {instance.repair_after:%H:%M} UTC."


def expected_words(instance: Instance) -> str:
    """What the server should show of it: services by name, networks and volumes by number."""
    if not instance.expected:
        return "–"
    services = ", ".join(sorted(instance.expected["services"]))
    networks, volumes = len(instance.expected["networks"]), len(instance.expected["volumes"])
    return f"{services}; {_number(networks, 'network')}, {_number(volumes, 'volume')}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
