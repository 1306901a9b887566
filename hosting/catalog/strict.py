"""The base of the catalog's models: every key is known, and an unknown one gets its reason."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_validator
from pydantic_core import PydanticCustomError


def wrong(reason: str) -> PydanticCustomError:
    """A refusal of the whole of what is being validated."""
    return at_place((), reason)


def at(key: str | int, reason: str) -> PydanticCustomError:
    """A refusal of one key of what is being validated."""
    return at_place((key,), reason)


def at_place(place: tuple[str | int, ...], reason: str) -> PydanticCustomError:
    """A refusal of what stands at that place below what is being validated."""
    return PydanticCustomError("catalog", "{reason}", {"place": place, "reason": reason})


class Strict(BaseModel):
    """A frozen mapping that knows its keys, those it refuses, and its short form."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    refused: ClassVar[Mapping[str, str]] = {}
    """Keys that Compose knows and Berth refuses, with the reason."""

    @classmethod
    def long_form(cls, value: Any) -> Any:
        """The long form of a short one; a model with a short form overrides this."""
        return value

    @classmethod
    def known_keys(cls) -> frozenset[str]:
        """The keys that a file may use."""
        return frozenset(each.alias or name for name, each in cls.model_fields.items())

    @model_validator(mode="wrap")
    @classmethod
    def _known_keys(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, cls):
            return value
        value = cls.long_form(value)
        if not isinstance(value, dict):
            raise wrong(f"must be a mapping with {', '.join(sorted(cls.known_keys()))}")
        for key in value:
            cls._check_key(str(key))
        return handler(value)

    @classmethod
    def _check_key(cls, key: str) -> None:
        if key in cls.known_keys() or key in cls.model_fields:
            return
        if key in cls.refused:
            raise at(key, cls.refused[key])
        close = difflib.get_close_matches(key, sorted(cls.known_keys() | cls.refused.keys()), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise at(key, f"is no key that Berth knows{hint}")
