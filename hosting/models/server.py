"""Places that run stacks, and the subnets that Berth has given out on them."""

from __future__ import annotations

import ipaddress
import uuid
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from hosting.engines.firewall import PRIVATE_NETWORKS
from tenants.models.client import validate_dns_label

SUBNET_PREFIX = 27  # an instance's two networks: a /28 for the web front, a /28 inside


def validate_supernet(value: str) -> None:
    """Refuse what is not a private IPv4 network with room for instances.

    Private as the firewall means it: it would refuse to protect any server beside another range.
    """
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        raise ValidationError(
            f"“{value}” is not an IPv4 network; write it like 10.208.0.0/12."
        ) from error
    is_private = any(network.subnet_of(ipaddress.IPv4Network(each)) for each in PRIVATE_NETWORKS)
    if not is_private or network.prefixlen > SUBNET_PREFIX:
        raise ValidationError("Use a private network of /27 or larger, such as 10.208.0.0/12.")


def default_supernet() -> str:
    """The setting's range, for servers that say nothing else."""
    return str(settings.BERTH_TENANT_SUPERNET)


class Server(models.Model):
    """A machine with an engine. Capacity is what Berth may give away on it."""

    class EngineKind(models.TextChoices):
        DOCKER = "docker", "Docker"
        MEMORY = "memory", "In memory (tests only)"

    class Availability(models.TextChoices):
        OPEN = "open", "Open"
        CORDONED = "cordoned", "Cordoned: takes nothing new"
        DRAINING = "draining", "Draining: takes nothing new, its instances are stopped"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, unique=True, validators=[validate_dns_label])
    engine = models.CharField(max_length=12, choices=EngineKind, default=EngineKind.DOCKER)
    endpoint = models.CharField(
        max_length=200,
        default="unix:///var/run/docker.sock",
        help_text="Where the engine listens, as its own client would be told.",
    )
    availability = models.CharField(max_length=10, choices=Availability, default=Availability.OPEN)
    cpus = models.DecimalField("CPUs", max_digits=7, decimal_places=2, default=Decimal(1))
    memory_mb = models.PositiveIntegerField("memory (MiB)")
    disk_gb = models.PositiveIntegerField("disk (GiB)")
    supernet = models.CharField(
        max_length=18, default=default_supernet, validators=[validate_supernet]
    )
    parallel_operations = models.PositiveIntegerField(
        "operations at once",
        default=4,
        validators=[MinValueValidator(1)],
        help_text="How many operations may be worked on there at the same time.",
    )
    last_answered_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    # The circuit breaker: see hosting/services/working/breaker.py.
    failures = models.PositiveIntegerField(default=0, editable=False)
    silent_since = models.DateTimeField(null=True, blank=True, editable=False)
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    disk_free_bytes = models.BigIntegerField(null=True, blank=True, editable=False)
    disk_total_bytes = models.BigIntegerField(null=True, blank=True, editable=False)
    reconcile_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When it is to be compared next."
    )
    reconciled_at = models.DateTimeField(null=True, blank=True, editable=False)
    sample_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When its usage is to be read next."
    )
    sampled_at = models.DateTimeField(null=True, blank=True, editable=False)
    volumes_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When its volumes are to be measured next."
    )
    events_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Server]] = models.Manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(
                    cpus__gt=0, memory_mb__gt=0, disk_gb__gt=0, parallel_operations__gt=0
                ),
                name="server_capacity_is_positive",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_silent(self) -> bool:
        """Whether its circuit breaker is open: it is left alone until ``retry_at``."""
        return self.retry_at is not None

    @property
    def subnet_count(self) -> int:
        """How many instances the supernet has room for."""
        return int(2 ** (SUBNET_PREFIX - ipaddress.IPv4Network(self.supernet).prefixlen))


class Subnet(models.Model):
    """The ``index``-th /27 of a server's supernet.

    Held by an instance, taken by something else on the server, or (neither) given back and free.
    """

    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="subnets")
    index = models.PositiveIntegerField()
    instance = models.OneToOneField(
        "hosting.Instance", on_delete=models.PROTECT, null=True, blank=True, related_name="subnet"
    )
    taken_by = models.CharField(
        max_length=200, blank=True, help_text="What else uses this range on the server."
    )
    allocated_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Subnet]] = models.Manager()

    class Meta:
        ordering = ("server", "index")
        constraints = (
            models.UniqueConstraint(fields=("server", "index"), name="one_holder_per_subnet"),
            models.CheckConstraint(
                condition=models.Q(instance=None) | models.Q(taken_by=""),
                name="held_or_taken_but_not_both",
            ),
        )
        indexes = (
            models.Index(
                fields=("server", "index"),
                condition=models.Q(instance=None, taken_by=""),
                name="free_subnets",
            ),
        )

    def __str__(self) -> str:
        return self.cidr

    @property
    def cidr(self) -> str:
        """The subnet in CIDR notation."""
        base = ipaddress.IPv4Network(self.server.supernet).network_address
        return f"{base + self.index * 2 ** (32 - SUBNET_PREFIX)}/{SUBNET_PREFIX}"
