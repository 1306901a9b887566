"""Numbers with their units, as short as an axis has room for."""

from __future__ import annotations

from dataclasses import dataclass

_BYTES = ("B", "KB", "MB", "GB", "TB", "PB")
_COUNTS = ("", "k", "M", "G", "T")


@dataclass(frozen=True, slots=True)
class Unit:
    """How a quantity is written. ``base`` is what its steps are multiples of: 1024 for bytes."""

    word: str = ""
    one: str = ""  # the word for exactly one, where that is another
    base: int = 1000
    prefixes: tuple[str, ...] = ("",)
    before: str = ""
    digits: int = 2

    def say(self, value: float) -> str:
        """With its unit: 1.5 GB, 0.25 cores, 1 core, €3.20."""
        size, prefix = _scaled(value, self.base, self.prefixes)
        number = f"{size:,.{self.digits}f}" if self.before else _plain(size, self.digits)
        word = self.one if self.one and number == "1" else self.word
        return f"{self.before}{number}{_spaced(prefix + word)}"

    def exactly(self, value: float) -> str:
        """For a table: counts to the last one, 1,637,760; measures as ``say`` has them."""
        return f"{value:,.12g}" if self.prefixes == _COUNTS else self.say(value)

    def mark(self, value: float) -> str:
        """As an axis has it: of money as much as is needed to read it, €250k and €0.05."""
        if not self.before:
            return self.say(value)
        size, prefix = _scaled(value, self.base, _COUNTS)
        return f"{self.before}{_plain(size, self.digits)}{prefix}"


def _scaled(value: float, base: int, prefixes: tuple[str, ...]) -> tuple[float, str]:
    at = 0
    while abs(value) >= base and at < len(prefixes) - 1:
        value /= base
        at += 1
    return value, prefixes[at]


def _plain(value: float, digits: int) -> str:
    """With as many decimals as say something: 0.25, 12.3, 512."""
    if digits < 3:  # with three, each of them says something: 99.95 % is not 100
        digits = digits if abs(value) < 10 else min(digits, 1) if abs(value) < 100 else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _spaced(unit: str) -> str:
    return unit if unit in ("", "%", "k", "M", "G", "T") else f" {unit}"


BYTES = Unit(base=1024, prefixes=_BYTES)
RATE = Unit(base=1024, prefixes=tuple(f"{each}/s" for each in _BYTES))
CORES = Unit("cores", one="core")
PERCENT = Unit("%", digits=3)
MILLISECONDS = Unit("ms")
COUNT = Unit(prefixes=_COUNTS)


def money(currency: str, digits: int = 2) -> Unit:
    """Amounts of that currency, with its code before them."""
    return Unit(before=f"{currency} ", digits=digits)
