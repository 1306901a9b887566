"""Work that comes back, in the admin: when it was done last, and when it is due."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString

from hosting.models import Chore
from tenants.admin.base import ReadOnlyAdmin
from tenants.display import badge, moment


@admin.register(Chore)
class ChoreAdmin(ReadOnlyAdmin[Chore]):
    """To read: Berth does them, and tries again what failed."""

    list_display = ("name", "state", "due", "began", "ended", "last_error")
    search_fields = ("name", "last_error")
    fields = ("name", "due_at", "last_began_at", "last_ended_at", "last_error")

    @admin.display(description="State")
    def state(self, chore: Chore) -> SafeString:
        """Whether the last time went well."""
        if chore.last_error:
            return badge("Failed", "bad")
        if chore.last_ended_at is None:
            return badge("Not done yet", "idle")
        return badge("Done", "ok")

    @admin.display(description="Due", ordering="due_at")
    def due(self, chore: Chore) -> str:
        """When it is done next."""
        return "Now" if chore.due_at <= timezone.now() else moment(chore.due_at)

    @admin.display(description="Begun last", ordering="last_began_at")
    def began(self, chore: Chore) -> str:
        """How long ago."""
        return moment(chore.last_began_at)

    @admin.display(description="Ended well last", ordering="last_ended_at")
    def ended(self, chore: Chore) -> str:
        """How long ago."""
        return moment(chore.last_ended_at)
