"""Turn a model's own rules into one sentence."""

from __future__ import annotations

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models

from tenants.errors import Refused


def refuse_invalid(obj: models.Model) -> None:
    """Refused with the first problem and its field, where ``full_clean`` finds any."""
    try:
        obj.full_clean()
    except ValidationError as error:
        raise refused(error) from None


def refused(error: ValidationError, *, field: str | None = None) -> Refused:
    """The first of the messages."""
    if hasattr(error, "error_dict"):
        name, messages = next(iter(error.message_dict.items()))
        return Refused(messages[0], field=None if name == NON_FIELD_ERRORS else name)
    return Refused(error.messages[0], field=field)
