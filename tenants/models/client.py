"""The tenant: a company that buys hosting."""

from __future__ import annotations

import uuid
import zoneinfo
from functools import cache
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.fields.json import KT

from tenants import clocks
from tenants.clocks import Clock

validate_dns_label = RegexValidator(
    r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z",
    "Use 1 to 63 lower-case letters, digits and hyphens, beginning with a letter"
    " and not ending with a hyphen.",
)


def validate_time_zone(value: str) -> None:
    """Refuse what is not an IANA time zone."""
    if value not in _time_zones():
        raise ValidationError(f"“{value}” is not a time zone; write it like Europe/Berlin.")


@cache
def _time_zones() -> set[str]:
    """All that this machine knows, kept: to find them, Python opens some six hundred files."""
    return zoneinfo.available_timezones()


class Client(models.Model):
    """A client. Its slug is part of its instances' addresses, so it never changes.

    ``timezone`` is where it is: times are shown by it, and nights are by it. ``zones`` says which
    days were counted by which zone, and is empty as long as it never moved: see ``clock``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    slug = models.CharField(
        "short name",
        max_length=40,
        unique=True,
        validators=[validate_dns_label],
        help_text="Part of the addresses of the client's instances; it can't be changed later.",
    )
    timezone = models.CharField(
        "time zone", max_length=64, default="UTC", validators=[validate_time_zone]
    )
    zones = models.JSONField("time zones by first day", default=list, blank=True, editable=False)
    is_active = models.BooleanField(
        "active", default=True, help_text="An inactive client can look but not change anything."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Client]] = models.Manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(slug__regex=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"),
                name="client_slug_is_a_dns_label",
            ),
            models.CheckConstraint(
                condition=models.Q(zones=[]) | models.Q(timezone=KT("zones__-1__1")),
                name="client_is_in_the_last_of_its_zones",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def clock(self) -> Clock:
        """What counts its days."""
        return clocks.read(self.timezone, self.zones)
