"""Who belongs to a client, and as what."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from tenants.models.client import Client


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    BILLING = "billing", "Billing"
    VIEWER = "viewer", "Viewer"


class Member(models.Model):
    """A user's role at a client."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("client", "user")
        constraints = (
            models.UniqueConstraint(fields=("client", "user"), name="one_membership_per_client"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="member_role_is_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()}) at {self.client}"
