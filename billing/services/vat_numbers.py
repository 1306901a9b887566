"""VAT numbers: whether they are written as their country writes them, by python-stdnum."""

from __future__ import annotations

from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError

from billing.services.vat import EU
from tenants.errors import Refused

_PREFIX = {"GR": "EL"}


def clean(number: str, *, country: str) -> str:
    """The number in its compact form, with its country's letters, or "" where there is none.

    Numbers of countries outside the EU are kept as they are. ``Refused`` where it does not fit.
    """
    compact = number.strip().upper()
    if not compact or country not in EU:
        return compact
    prefix = _PREFIX.get(country, country)
    try:
        compact = str(eu_vat.validate(compact))
    except ValidationError as error:
        raise Refused(
            f"“{number}” is not a VAT number; one of {country} begins with {prefix}.",
            field="vat_number",
        ) from error
    if not compact.startswith(prefix):
        raise Refused(
            f"“{number}” is not of {country}: such a number begins with {prefix}.",
            field="vat_number",
        )
    return compact
