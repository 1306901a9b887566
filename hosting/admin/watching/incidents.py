"""Incidents in the admin: what is wrong now, and what was."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from hosting.admin.building import rows
from hosting.admin.building.open_filter import OpenFilter
from hosting.admin.building.tables import Column, Table
from hosting.display import incident_state
from hosting.models import Incident
from hosting.selectors import reasons
from hosting.selectors.watching import incident_timelines, incidents
from tenants.admin.base import ReadOnlyPageAdmin
from tenants.admin.filters import DayFilter
from tenants.display import Tone, badge, exact, identifier, moment, span

# What Berth does about it, and what is left for a person.
ADVICE: dict[str, str] = {
    Incident.Kind.SERVER_UNREACHABLE: (
        "Operations on this server wait, those on other servers go on. Berth asks the server again"
        " by itself, and goes on as soon as it answers. See whether the machine and its engine run."
    ),
    Incident.Kind.DISK_LOW: (
        "Berth brings up nothing new on this server until more than the reserve is free. Remove"
        " what is not needed there, or give it a larger disk."
    ),
    Incident.Kind.INSTANCE_DEGRADED: (
        "Berth could not bring the instance back by itself. Where trying can help it tries again,"
        " at longer and longer intervals. Look at the last lines of its log, and at what was found"
        " and done."
    ),
    Incident.Kind.INSTANCE_DOWN: (
        "Its app, or its public address, gave no good answer several times in a row. Look at the"
        " cause, at the last lines of its log, and at its newest operations. The incident ends when"
        " it answers again."
    ),
    Incident.Kind.PART_DOWN: (
        "Its app answers, but a container of it was not well several times in a row. The reconciler"
        " repairs what it can; where it went on, look at the last lines of that service's log. The"
        " incident ends when all containers are well."
    ),
    Incident.Kind.SERVER_DOWN: (
        "Nearly none of the instances on this server answers at its address. See whether the"
        " machine runs, and whether its networks can be reached from here."
    ),
    Incident.Kind.EDGE_DOWN: (
        "The apps answer by themselves, but not through the edge. See whether nginx runs, and what"
        " manage.py edge says."
    ),
    Incident.Kind.STRAY_OBJECTS: (
        "They carry Berth's label, and no instance claims them. Berth stops such containers and"
        " removes nothing. Look at each one under “Objects of no instance”."
    ),
    Incident.Kind.FIREWALL_OPEN: (
        "Instances on this server may reach the host and each other's networks. Berth sets the"
        " rules again with every round; see why the host does not take them."
    ),
    Incident.Kind.BACKUP_OVERDUE: (
        "Berth tries again every hour. See under the instance's operations why its backups did not"
        " come to their end; the incident ends with the next one that is proven."
    ),
    Incident.Kind.BACKUP_DAMAGED: (
        "What is stored can't be read, or is not what was written. Look after the place where the"
        " backups are kept before anything else; nothing is deleted there meanwhile. Backups that"
        " were copied are read from the second place. Where the first can't be brought back, the"
        " instance's page has its store begun anew."
    ),
    Incident.Kind.BACKUP_NOT_COPIED: (
        "Its backups are proven, but the second place has none of the last ones. Mostly that place"
        " is away or full: Berth tries again every hour, and the incident ends once it has them."
        " Where what it had is lost or damaged, the instance's page has its copy begun anew."
    ),
    Incident.Kind.RESTORE_TEST_FAILED: (
        "The backup was read, but the app did not come back from it as it was. See the test's steps"
        " for where it stopped. Berth tries the newest backup again every six hours; the incident"
        " ends with one that passes."
    ),
    Incident.Kind.RESTORE_TEST_OVERDUE: (
        "Nobody knows whether its backups can be brought back. Mostly no server has room for the"
        " test: it needs as much as the instance itself, for some minutes."
    ),
    Incident.Kind.JOURNAL_BEHIND: (
        "What is written to its databases now would be lost with its server. Mostly the place"
        " where the backups are kept is away, or all workers are busy; Berth tries again every 20"
        " seconds. One that was not started since its plan has this has to be restarted. Where"
        " there is no base, see why its backups do not succeed."
    ),
    Incident.Kind.JOURNAL_NOT_COPIED: (
        "It can be restored to a minute, but from the first place alone. Mostly the second place is"
        " away or slow; Berth tries again every two minutes."
    ),
    Incident.Kind.AUDIT_LOG_BROKEN: (
        "Somebody changed or removed entries behind Berth's back. Keep the database as it is, and"
        " compare it with a backup."
    ),
}


@admin.register(Incident)
class IncidentAdmin(ReadOnlyPageAdmin[Incident]):
    """Berth opens and closes them; people look."""

    list_display = ("kind", "state", "about", "what", "since", "lasted")
    list_filter = (
        OpenFilter,
        ("kind", ChoicesDropdownFilter),
        ("server", RelatedDropdownFilter),
        ("opened_at", DayFilter),
    )
    search_fields = ("summary", "server__name", "instance__name", "instance__client__name", "id")
    search_help_text = "Words of the summary, server, instance or client"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        """With what they are about."""
        return incidents.incidents()

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """The open ones first."""
        return (F("closed_at").desc(nulls_first=True), "-opened_at")

    def page(self, obj: Incident, request: HttpRequest) -> dict[str, Any]:
        """What it is about and what to do."""
        return _page(obj, request)

    @admin.display(description="State", ordering="closed_at")
    def state(self, incident: Incident) -> SafeString:
        """Whether it goes on."""
        return incident_state(incident)

    @admin.display(description="About")
    def about(self, incident: Incident) -> str:
        """The server or instance."""
        return str(incident.server or incident.instance or "Berth itself")

    @admin.display(description="What is wrong")
    def what(self, incident: Incident) -> str:
        """In a sentence; the last lines of a log are on its page."""
        return reasons.taken_apart(incident.summary).sentence

    @admin.display(description="Since", ordering="opened_at")
    def since(self, incident: Incident) -> str:
        """How long ago it began."""
        return moment(incident.opened_at)

    @admin.display(description="Lasted")
    def lasted(self, incident: Incident) -> SafeString:
        """From its beginning to its end, or until now."""
        return format_html('<span class="b-num">{}</span>', duration(incident))


def duration(incident: Incident) -> str:
    """How long it lasted, or goes on already."""
    return span((incident.closed_at or timezone.now()) - incident.opened_at)


def _page(incident: Incident, request: HttpRequest) -> dict[str, Any]:
    reason = reasons.taken_apart(incident.summary)
    return {
        "title": incident.get_kind_display(),
        "badge": incident_state(incident),
        "what": reason.sentence,
        "reason": reason,
        "advice": ADVICE.get(incident.kind, "") if incident.is_open else "",
        "facts": [
            ("About", rows.about(incident, request)),
            ("Since", moment(incident.opened_at)),
            ("Over", moment(incident.closed_at, missing="Not yet")),
            ("So far" if incident.is_open else "Lasted", duration(incident)),
            ("Why", incident.cause or "Not known"),
            ("Identifier", identifier(str(incident.pk))),
        ],
        "tables": [("Timeline", _timeline(incident))],
    }


_WORDS: dict[str, tuple[str, Tone]] = {
    "opened": ("Opened", "bad"),
    "noted": ("Noted", "idle"),
    "cause": ("Cause found", "warn"),
    "closed": ("Over", "ok"),
    "failing": ("Failed", "bad"),
    "well": ("Well", "ok"),
    "told": ("Told", "idle"),
}


def _timeline(incident: Incident) -> Table:
    columns = (
        Column("When", lambda each: exact(each.at)),
        Column("What", lambda each: badge(*_WORDS[each.kind])),
        Column("", lambda each: each.text),
    )
    entries = incident_timelines.for_staff(incident, now=timezone.now())
    return Table(columns, entries, empty="Nothing was written down.")
