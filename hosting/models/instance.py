"""A client's own copy of an app."""

from __future__ import annotations

import uuid
from datetime import time
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import MD5, Cast, Upper

from hosting.models.plan import Plan
from hosting.models.server import Server
from tenants.models import Client
from tenants.models.client import validate_dns_label


class Instance(models.Model):
    """An instance; ``state`` is what was last known, the active operation is what is going on.

    ``definition`` is the catalog entry as it was when ordered: a change of the catalog reaches an
    instance only through an operation, never by surprise.
    """

    class State(models.TextChoices):
        NEW = "new", "New"
        RUNNING = "running", "Running"
        STOPPED = "stopped", "Stopped"
        DEGRADED = "degraded", "Degraded"
        FAILED = "failed", "Failed"
        DELETED = "deleted", "Deleted"

    class Purpose(models.TextChoices):
        CLIENT = "client", "For its client"
        RESTORE_TEST = "restore_test", "To try a backup"
        REHEARSAL = "rehearsal", "To try an upgrade"

    class Ring(models.TextChoices):
        CANARY = "canary", "With the first"
        NORMAL = "normal", "With the rest"
        NEVER = "never", "Only when asked for"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="instances")
    name = models.CharField(max_length=40, validators=[validate_dns_label])
    app = models.CharField(max_length=63)
    version = models.CharField(max_length=40)
    definition = models.JSONField(editable=False)
    definition_digest = models.GeneratedField(
        expression=MD5(Cast("definition", models.TextField())),
        output_field=models.CharField(max_length=32),
        db_persist=True,
        help_text="So that the definitions of a fleet are compared without reading any of them.",
    )
    image_pins = models.JSONField(
        default=dict,
        editable=False,
        help_text="What each image's name meant when it was first fetched.",
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="instances")
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="instances")
    state = models.CharField(max_length=10, choices=State, default=State.NEW)
    state_reason = models.TextField(blank=True)
    web_address = models.GenericIPAddressField(
        protocol="IPv4", null=True, blank=True, editable=False
    )
    web_port = models.PositiveIntegerField(null=True, blank=True, editable=False)
    is_routed = models.BooleanField(
        default=False, help_text="Whether the edge forwards to it; otherwise it shows its state."
    )
    held_for = models.ForeignKey(
        "hosting.Operation",
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        editable=False,
        help_text="The operation during which the edge lets requests wait; it ends with it.",
    )
    order_key = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="What the order was sent under, so that sending it twice orders once.",
    )
    expected = models.JSONField(
        default=dict,
        editable=False,
        help_text="What the server should show of it: written when its stack was last applied.",
    )
    generation = models.PositiveIntegerField(
        default=1,
        editable=False,
        help_text="Which of its sets of data volumes it runs on; a restore fills a new one.",
    )
    purpose = models.CharField(
        max_length=12,
        choices=Purpose,
        default=Purpose.CLIENT,
        editable=False,
        help_text="One that only tries a backup is on no client's page, and soon gone.",
    )
    made_from = models.ForeignKey(
        "hosting.Backup",
        on_delete=models.PROTECT,
        related_name="clones",
        null=True,
        blank=True,
        editable=False,
        help_text="The backup, of another instance, that its first data came from.",
    )
    is_made_from_copy = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Whether that was read from the second place.",
    )
    ring = models.CharField(
        "new versions",
        max_length=8,
        choices=Ring,
        default=Ring.NORMAL,
        help_text="When it gets a new version that is given to all.",
    )
    changes_from = models.TimeField(
        default=time(1), help_text="In the client's zone: from when on it may be changed unasked."
    )
    changes_until = models.TimeField(
        default=time(5), help_text="Until when; before “from” it is the next day's."
    )
    repairs = models.PositiveIntegerField(
        default=0, editable=False, help_text="How often in a row it was put right by Berth."
    )
    repair_after = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Not to be put right again before."
    )
    suspended_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when nothing may bring it up."
    )
    suspended_for = models.CharField(
        max_length=300, blank=True, editable=False, help_text="Why, in a sentence for the client."
    )
    starts_again = models.BooleanField(
        default=False,
        editable=False,
        help_text="Whether it is to be started when it is not suspended any more.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    first_running_at = models.DateTimeField(null=True, blank=True)
    delete_requested_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on its data may be gone: it only gets deleted."
    )
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Instance]] = models.Manager()

    class Meta:
        ordering = ("client", "name")
        # Beside add (order), view and delete; start and operate are apart so that support can
        # bring a client's app back without being able to take it away.
        permissions = (
            ("start_instance", "Can start and restart instances"),
            ("operate_instance", "Can stop instances and try failed ones again"),
            ("suspend_instance", "Can suspend instances and give them back"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("client", "name"),
                condition=~models.Q(state="deleted"),
                name="instance_name_is_unique_at_a_client",
                violation_error_message="This client already has an instance of that name.",
            ),
            models.UniqueConstraint(
                fields=("client", "order_key"),
                condition=~models.Q(order_key=""),
                name="one_instance_per_order",
            ),
            models.CheckConstraint(
                condition=models.Q(name__regex=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"),
                name="instance_name_is_a_dns_label",
            ),
            models.CheckConstraint(
                condition=models.Q(purpose="client")
                | (models.Q(made_from__isnull=False) & models.Q(is_routed=False)),
                name="restore_tests_have_a_backup_and_no_address",
            ),
            models.CheckConstraint(
                condition=models.Q(is_routed=False)
                | models.Q(web_address__isnull=False, web_port__isnull=False),
                name="routed_instances_have_an_address",
            ),
            models.CheckConstraint(
                condition=models.Q(held_for=None)
                | models.Q(is_routed=False, web_address__isnull=False, web_port__isnull=False),
                name="held_instances_have_an_address_and_are_not_routed",
            ),
            models.CheckConstraint(
                condition=models.Q(state="deleted", deleted_at__isnull=False)
                | (~models.Q(state="deleted") & models.Q(deleted_at__isnull=True)),
                name="deleted_instances_have_a_date",
            ),
            models.CheckConstraint(
                condition=models.Q(suspended_at=None, suspended_for="")
                | (models.Q(suspended_at__isnull=False) & ~models.Q(suspended_for="")),
                name="suspended_instances_say_why",
            ),
        )
        indexes = (
            models.Index(fields=("server", "state"), name="instance_by_server"),
            # Without those that restore tests leave behind, which are soon the most.
            models.Index(
                fields=("server", "plan"),
                condition=~models.Q(state="deleted"),
                name="instance_there_by_server",
            ),
            models.Index(
                fields=("suspended_at",),
                condition=models.Q(suspended_at__isnull=False) | models.Q(starts_again=True),
                name="instances_to_settle",
            ),
            GinIndex(
                OpClass(Upper("name"), name="gin_trgm_ops"),
                OpClass(Upper("app"), name="gin_trgm_ops"),
                name="instance_by_words",
            ),
        )

    def __str__(self) -> str:
        return f"{self.client.slug}/{self.name}"

    @property
    def project(self) -> str:
        """The prefix of everything it runs as: readable, and unique even after a name's reuse."""
        return f"{settings.BERTH_OWNER}-{self.client.slug}-{self.name}-{self.id.hex[:8]}"

    @property
    def is_to_be_filled(self) -> bool:
        """Whether its first data is still to come, from a backup."""
        return self.made_from_id is not None and self.first_running_at is None

    @property
    def is_scratch(self) -> bool:
        """Whether it is nobody's to use: nothing gets in or out of it, and it is removed again."""
        return self.purpose != self.Purpose.CLIENT

    @property
    def audit_client(self) -> Client | None:
        """In whose part of the audit log it stands: nobody's what is Berth's own affair."""
        return None if self.is_scratch else self.client

    @property
    def is_held(self) -> bool:
        """Whether the edge lets its requests wait: no longer than the operation goes on."""
        return self.held_for is not None and self.held_for.is_active

    @property
    def is_deleted(self) -> bool:
        """Whether the engine was seen to hold nothing of it any more."""
        return self.state == self.State.DELETED
