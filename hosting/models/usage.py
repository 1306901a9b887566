"""What apps used: the tokens they report with, each event once, and the sums of time spans."""

from __future__ import annotations

import hashlib
import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from hosting.models.instance import Instance


class UsageToken(models.Model):
    """What an app of one instance, and of no other, proves itself with to the usage API.

    Only its SHA-256 is kept. One that Berth made for the stack itself has no maker.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="usage_tokens")
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=8, editable=False, help_text="Its last characters.")
    is_own = models.BooleanField(
        default=False, editable=False, help_text="The stack's own, handed to it as a file."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by_label = models.CharField(max_length=200, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager[UsageToken]] = models.Manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("instance",),
                condition=models.Q(is_own=True, revoked_at=None),
                name="one_usage_token_of_the_stack",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"

    @staticmethod
    def digest_of(token: str) -> str:
        """What of a token is kept. It has 256 random bits, so a plain hash is enough."""
        return hashlib.sha256(token.encode()).hexdigest()


class UsageKey(models.Model):
    """That an instance's event was counted. ``digest`` is of its source and id, and of no time.

    So it stands apart from the events, which lie in partitions by time: one that is sent again
    with another time finds its key taken.
    """

    pk = models.CompositePrimaryKey("instance_id", "digest")
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    digest = models.UUIDField()
    received_at = models.DateTimeField()

    objects: ClassVar[models.Manager[UsageKey]] = models.Manager()

    class Meta:
        indexes = (models.Index(fields=("received_at",), name="usage_key_by_age"),)

    def __str__(self) -> str:
        return f"{self.digest} of {self.instance_id}"


class UsageEvent(models.Model):
    """One thing that an app used, at the time at which it did. Partitioned by that.

    ``label`` divides a meter (the model of tokens, the outcome of executions); ``key`` is what a
    unique count counts; ``is_level`` says that the amount holds until the next one.
    """

    pk = models.CompositePrimaryKey("instance_id", "at", "digest")
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    digest = models.UUIDField()
    at = models.DateTimeField()
    meter = models.CharField(max_length=40)
    label = models.CharField(max_length=100)
    amount = models.FloatField()
    key = models.CharField(max_length=200)
    is_level = models.BooleanField()
    input = models.BigIntegerField(null=True, help_text="Tokens that a model was given, in all.")
    output = models.BigIntegerField(null=True, help_text="Tokens that it answered with.")
    cached = models.BigIntegerField(null=True, help_text="Of the input, from its cache.")
    source = models.CharField(max_length=200)
    event_id = models.CharField(max_length=200)

    objects: ClassVar[models.Manager[UsageEvent]] = models.Manager()

    class Meta:
        indexes = (
            models.Index(
                fields=("instance", "meter", "at"),
                condition=models.Q(is_level=True),
                name="usage_level_by_time",
            ),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(amount__gte=0, amount__lte=10**12),
                name="usage_amount_is_a_number",
            ),
            models.CheckConstraint(
                condition=models.Q(input=None, output=None, cached=None)
                | models.Q(
                    input__gte=0, output__gte=0, cached__gte=0, cached__lte=models.F("input")
                ),
                name="usage_tokens_are_whole",
            ),
        )

    def __str__(self) -> str:
        return f"{self.meter} at {self.at}"


class UsageMark(models.Model):
    """That a quarter of an hour of an instance has events its sums don't have yet.

    Only ever added by who writes events, in the same transaction, and taken by who sums up: so
    a mark is never seen without its events, nor taken while some of them are still to come. A move
    of the client to another time zone marks what its days' new ends concern.
    """

    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    quarter = models.DateTimeField()

    objects: ClassVar[models.Manager[UsageMark]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.instance_id} at {self.quarter}"


class UsageSum(models.Model):
    """What an instance used of one meter and label in one span. Always recomputed, never added to.

    A quarter of an hour begins at ``starts_at``; days and months are the client's, by its clock,
    and named by ``on``, their first day. Which of the columns counts is for the meter to say.
    """

    class Span(models.TextChoices):
        QUARTER = "quarter", "15 minutes"
        DAY = "day", "Day"
        MONTH = "month", "Month"

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="usage_sums")
    span = models.CharField(max_length=7, choices=Span)
    starts_at = models.DateTimeField(null=True)
    on = models.DateField(null=True)
    meter = models.CharField(max_length=40)
    label = models.CharField(max_length=100, blank=True)
    total = models.DecimalField(max_digits=30, decimal_places=6)
    count = models.BigIntegerField()
    maximum = models.DecimalField(max_digits=30, decimal_places=6)
    latest = models.DecimalField(
        max_digits=30, decimal_places=6, null=True, help_text="Of what is a level alone."
    )
    latest_at = models.DateTimeField()
    distinct = models.BigIntegerField(null=True, help_text="How many different keys.")
    mean = models.DecimalField(
        max_digits=30, decimal_places=6, null=True, help_text="Over time, each level as it held."
    )
    computed_at = models.DateTimeField(db_index=True)

    objects: ClassVar[models.Manager[UsageSum]] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "starts_at", "meter", "label"),
                condition=models.Q(span="quarter"),
                name="one_usage_sum_per_quarter",
            ),
            models.UniqueConstraint(
                fields=("instance", "span", "on", "meter", "label"),
                condition=~models.Q(span="quarter"),
                name="one_usage_sum_per_day_and_month",
            ),
            models.CheckConstraint(
                condition=models.Q(span="quarter", starts_at__isnull=False, on__isnull=True)
                | (~models.Q(span="quarter") & models.Q(starts_at__isnull=True, on__isnull=False)),
                name="usage_sums_have_a_begin",
            ),
        )
        indexes = (
            # Of all instances: the unique ones begin with one.
            models.Index(
                fields=("on", "meter", "label"),
                condition=models.Q(span="day"),
                name="usage_sum_by_day",
            ),
            # A level that is told late holds into later days: those are found by it.
            models.Index(
                fields=("instance", "computed_at"),
                condition=models.Q(span="day", latest__isnull=False),
                name="usage_level_by_computing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.meter} of {self.instance_id} in {self.starts_at or self.on}"


class UsageSubject(models.Model):
    """That a day of the client's had events of a meter with that key: what unique counts count.

    Kept for as long as the sums are, as what is unique on each of two days may be so on both.
    """

    pk = models.CompositePrimaryKey("instance_id", "meter", "on", "key")
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    meter = models.CharField(max_length=40)
    on = models.DateField()
    key = models.CharField(max_length=200)

    objects: ClassVar[models.Manager[UsageSubject]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.key} of {self.meter} on {self.on}"


class UsageCounter(models.Model):
    """Where one counter of an app's Prometheus endpoint stood when it last changed.

    Up to when an app's database was asked for its runs stands here too, and how many it told.
    """

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="usage_counters")
    series = models.CharField(max_length=200, help_text="With its labels, as the catalog names it.")
    value = models.FloatField()
    read_at = models.DateTimeField(help_text="When it was read and had changed.")
    started = models.FloatField(
        null=True, help_text="When the app's process began, as it says itself: seconds since 1970."
    )

    objects: ClassVar[models.Manager[UsageCounter]] = models.Manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("instance", "series"), name="one_counter_per_series"),
        )

    def __str__(self) -> str:
        return f"{self.series} of {self.instance_id}"
