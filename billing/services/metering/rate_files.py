"""Rates from a file: CSV with a head line, or a list in JSON, with the same names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from billing.services.metering.rates import RateFields
from tenants.errors import Refused

NEEDED = ("model", "starts_on", "currency", "input", "output")
KNOWN = (*NEEDED, "cached")
_TOO_MANY = "more values than the head line has names"


def read(text: str, *, is_json: bool) -> Sequence[RateFields]:
    """The rates of a file. Raises ``Refused`` naming the row, counted from 1, and what is wrong."""
    rows = _of_json(text) if is_json else _of_csv(text)
    if not rows:
        raise Refused("The file holds no rates.")
    return [_row(number, row) for number, row in enumerate(rows, start=1)]


def _of_csv(text: str) -> list[Any]:
    lines = io.StringIO(text.removeprefix("\ufeff"))
    reader = csv.DictReader(lines, strict=True, restkey=_TOO_MANY)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise Refused(f"The file is no CSV: {error}.") from error
    head = list(reader.fieldnames or ())
    missing = [name for name in NEEDED if name not in head]
    if missing:
        raise Refused(f"The head line lacks {', '.join(missing)}.")
    _refuse_twice(head, "The head line")
    return rows


def _of_json(text: str) -> list[Any]:
    try:
        found = json.loads(
            text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=_of_pairs
        )
    except (ValueError, RecursionError) as error:
        raise Refused(f"The file is no JSON: {error}.") from error
    if not isinstance(found, list):
        raise Refused("The file must hold a list of rates.")
    return found


def _of_pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_twice([name for name, _ in pairs], "A rate")
    return dict(pairs)


def _refuse_twice(names: Sequence[str], where: str) -> None:
    """Of two values under one name only one can be meant."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"{where} has {', '.join(twice)} more than once.")


def _row(number: int, row: Any) -> RateFields:
    if not isinstance(row, dict):
        raise Refused(f"Row {number} is no rate.")
    unknown = [str(name) for name in row if name not in KNOWN]
    if unknown:
        raise Refused(f"Row {number} has {', '.join(unknown)}; known are {', '.join(KNOWN)}.")
    missing = [name for name in NEEDED if row.get(name) in (None, "")]
    if missing:
        raise Refused(f"Row {number} lacks {', '.join(missing)}.")
    return {
        "model": _text(number, "model", row["model"]),
        "starts_on": _date(number, row["starts_on"]),
        "currency": _text(number, "currency", row["currency"]),
        "input": _price(number, "input", row["input"]),
        "output": _price(number, "output", row["output"]),
        "cached": (
            None if row.get("cached") in (None, "") else _price(number, "cached", row["cached"])
        ),
    }


def _text(number: int, name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip().isprintable():
        raise Refused(f"Row {number}: {name} is {value!a}, and must be a text in one line.")
    return value


def _date(number: int, value: object) -> date:
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError as error:
        raise Refused(
            f"Row {number}: starts_on is {value}, and must be a day such as 2026-03-01."
        ) from error


def _price(number: int, name: str, value: object) -> Decimal:
    try:
        price = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise Refused(f"Row {number}: {name} is {value}, and must be a number.") from error
    if not price.is_finite():
        raise Refused(f"Row {number}: {name} is {value}, and must be a number.")
    return price
