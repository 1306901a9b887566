"""What usage costs, as finance types it: a row for each meter, its tiers as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from billing.services.pricing import Model, charge_of
from hosting.catalog.meters import BUILT_IN
from hosting.selectors import catalog

ROWS = 8
CELLS = ("meter", "model", "included", "per", "tiers")
MODELS = (
    (Model.STANDARD, "Each unit costs the same"),
    (Model.GRADUATED, "Each unit costs what its own tier says"),
    (Model.VOLUME, "All units cost what the last one's tier says"),
    (Model.PACKAGE, "Whole packages, begun ones too"),
)
REST = "more"

Row = Mapping[str, str]


class ChargesWidget(forms.Widget):
    """As many rows as a price may have meters; those that are empty come last."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        """The rows as they were typed."""
        rows = [
            {cell: str(data.get(f"{name}-{at}-{cell}", "")).strip() for cell in CELLS}
            for at in range(ROWS)
        ]
        return [row for row in rows if _is_typed(row)]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Never: no row is an answer, too."""
        return False

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """The rows, and the meters that there are to choose from."""
        typed: list[Row] = list(value or ())
        context = {
            "name": name,
            "rows": typed + [{}] * (ROWS - len(typed)),
            "models": MODELS,
            "meters": sorted({*BUILT_IN, *_meters_of_apps()}),
        }
        return render_to_string("admin/billing/charges.html", context)


class ChargesField(forms.Field):
    """Gives the list that ``Price.charges`` keeps."""

    widget = ChargesWidget

    def clean(self, value: Any) -> list[dict[str, object]]:
        """``ValidationError`` with a sentence for each row that makes no sense."""
        found: list[dict[str, object]] = []
        wrong: list[str] = []
        for number, row in enumerate(value, start=1):
            if not row["meter"]:
                wrong.append(f"Row {number}: name the meter, such as executions.")
                continue
            try:
                found.append(_charge(row))
            except ValueError as error:
                wrong.append(f"{row['meter']}: {error}")
        if wrong:
            raise forms.ValidationError(wrong)
        return found


def _is_typed(row: Row) -> bool:
    """Whether there is more in it than the model, which is always chosen."""
    return any(text for cell, text in row.items() if cell != "model")


def _charge(row: Row) -> dict[str, object]:
    charge: dict[str, object] = {"meter": row["meter"], "model": row["model"] or Model.STANDARD}
    for cell in ("included", "per"):
        if row[cell]:
            charge[cell] = row[cell]
    charge["tiers"] = list(_tiers(row["tiers"]))
    charge_of(charge)
    return charge


def _tiers(text: str) -> Iterator[list[str | None]]:
    """Pairs of end and price of lines such as ``10000: 0.20``, the last one ``more: 0.10``."""
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    if not lines:
        raise ValueError("write what it costs, such as 0.10.")
    for line in lines:
        end, colon, price = (part.strip() for part in line.rpartition(":"))
        if not price or (colon and not end):
            raise ValueError(f"“{line}” is no tier; write the last unit and the price: 1000: 0.20.")
        yield [None if end in ("", REST) else end, price]


def _meters_of_apps() -> Iterator[str]:
    for app in catalog.apps().values():
        yield from app.berth.meters
