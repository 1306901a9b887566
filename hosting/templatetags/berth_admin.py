"""How the admin's own templates write values."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

from django import template
from django.utils.safestring import SafeString

from hosting import display as states
from hosting.models import Instance, Operation, OperationStep
from hosting.selectors import overview
from hosting.selectors.measuring.meters import Meter
from tenants import display
from tenants.display import Tone

register = template.Library()


@register.simple_tag
def badge(word: str, tone: Tone) -> SafeString:
    """A word with a colour and a shape."""
    return display.badge(word, tone)


@register.filter
def ago(at: datetime | None) -> str:
    """A moment as "3 minutes ago"."""
    return display.moment(at)


@register.filter
def identifier(text: object) -> SafeString:
    """Something to copy."""
    return display.identifier(str(text or ""))


@register.filter
def amount(value: Decimal) -> str:
    """A number without zeros that say nothing."""
    return display.number(value)


@register.filter
def mebibytes(value: int) -> str:
    """Memory with its unit."""
    return display.mebibytes(value)


@register.filter
def byte_size(value: int) -> str:
    """How much data that is."""
    return display.byte_size(value)


@register.filter
def file_name(path: str) -> str:
    """The last part of a path."""
    return Path(path).name


@register.filter
def instance_state(instance: Instance) -> SafeString:
    """An instance's state."""
    return states.instance_state(instance)


@register.filter
def operation_state(operation: Operation) -> SafeString:
    """An operation's state."""
    return states.operation_state(operation)


@register.filter
def bar(meter: Meter) -> SafeString:
    """How full something is."""
    return states.bar(meter)


@register.filter
def step_state(step: OperationStep) -> SafeString:
    """A step's state."""
    return display.badge(step.get_state_display(), states.STEP[step.state])


@register.filter
def step_title(operation: Operation) -> str:
    """What an operation is doing now, or failed at."""
    step = overview.current_step(operation)
    return step.title if step else "–"
