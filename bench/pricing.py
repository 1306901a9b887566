"""The rules of money alone, on one core: lines a second, beside the same sums in PostgreSQL.

The peer is plain SQL over ``numeric`` in one process of PostgreSQL, which reads the same quantities
from a table and rounds as we do; that both come to the same amount is checked. Both are timed by
their own CPU, so that what else the machine does matters little. SQL keeps no line's tier, nor what
it was computed from, which an invoice needs: it only adds up.

    python bench/pricing.py --quantities 100000
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE))

import psycopg  # noqa: E402

from billing.services import periods, pricing, proration  # noqa: E402
from billing.services.periods import Interval  # noqa: E402

EXPONENT = 2
FIRST = date(2020, 1, 1)
AMOUNT = Decimal("29.90")


@dataclass(frozen=True, slots=True)
class Case:
    """A rule, and the SELECT of its lines' nets from ``quantities (q, day)``."""

    name: str
    ours: Callable[[Sequence[tuple[Decimal, date]]], Iterable[Decimal]]
    theirs: str


def main() -> None:
    """A row for each rule."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quantities", type=int, default=100_000)
    known, _ = parser.parse_known_args()
    chance = random.Random(1)
    given = [
        (Decimal(chance.randrange(20_000)), FIRST + timedelta(days=chance.randrange(2000)))
        for _ in range(known.quantities)
    ]
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        _fill(connection, given)
        print(f"{'rule':<12}{'Berth, lines/s':>16}{'PostgreSQL, lines/s':>22}{'ratio':>8}")
        for case in CASES:
            _compare(case, given, connection)


def _fill(connection: psycopg.Connection, given: Sequence[tuple[Decimal, date]]) -> None:
    connection.execute("CREATE TEMPORARY TABLE quantities (q numeric, day date)")
    with connection.cursor().copy("COPY quantities FROM STDIN") as copy:
        for row in given:
            copy.write_row(row)
    connection.execute("ANALYZE quantities")


def _compare(
    case: Case, given: Sequence[tuple[Decimal, date]], connection: psycopg.Connection
) -> None:
    began = time.process_time()
    nets = list(case.ours(given))
    ours = time.process_time() - began
    pid = connection.info.backend_pid
    began = _cpu(pid)
    query = f"SELECT count(*), sum(net) FROM ({case.theirs}) AS line (net)"
    lines, total = connection.execute(query.encode()).fetchone() or (0, None)
    theirs = _cpu(pid) - began
    if (lines, total) != (len(nets), sum(nets, Decimal(0))):
        raise SystemExit(f"{case.name}: {len(nets)} lines of {sum(nets)}, and {lines} of {total}.")
    rate, peer = len(nets) / ours, lines / max(theirs, 0.01)
    print(f"{case.name:<12}{rate:>16,.0f}{peer:>22,.0f}{rate / peer:>8.2f}")


def _cpu(pid: int) -> float:
    """Seconds of CPU of a process, counted in hundredths."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rated(charge: pricing.Charge) -> Callable[[Sequence[tuple[Decimal, date]]], Iterable[Decimal]]:
    def nets(given: Sequence[tuple[Decimal, date]]) -> Iterable[Decimal]:
        for quantity, _ in given:
            for line in pricing.rate(charge, used=quantity, exponent=EXPONENT):
                yield line.net

    return nets


def _prorated(given: Sequence[tuple[Decimal, date]]) -> Iterable[Decimal]:
    """From each day to the end of its month."""
    for _, day in given:
        whole = periods.period_at(day, anchor=FIRST, interval=Interval.MONTH)
        days = (whole.end - day).days
        yield proration.portion(AMOUNT, days=days, of=whole.count, exponent=EXPONENT)


def _charge(model: str, *tiers: tuple[int | None, str], per: int = 1) -> pricing.Charge:
    pairs = [list(each) for each in tiers]
    return pricing.charge_of({"model": model, "tiers": pairs, "per": per, "included": 100})


_TIERS: tuple[tuple[int | None, str], ...] = (
    (500, "0.2000"),
    (5000, "0.1234"),
    (None, "0.0871"),
)
_STEPS = "(VALUES (0, 500, 0.2000), (500, 5000, 0.1234), (5000, NULL, 0.0871))"
_CHARGED = "(SELECT q - 100 AS q FROM quantities WHERE q > 100) AS used"
CASES = (
    Case(
        "standard",
        _rated(_charge("standard", (None, "1.5"), per=1000)),
        f"SELECT round(q * 1.5 / 1000, 2) FROM {_CHARGED}",
    ),
    Case(
        "graduated",
        _rated(_charge("graduated", *_TIERS)),
        f"SELECT round((least(q, up_to) - above) * price, 2) FROM {_CHARGED}"
        f" JOIN {_STEPS} AS tier (above, up_to, price) ON q > above",
    ),
    Case(
        "volume",
        _rated(_charge("volume", *_TIERS)),
        f"SELECT round(q * price, 2) FROM {_CHARGED} JOIN {_STEPS}"
        " AS tier (above, up_to, price) ON q > above AND (up_to IS NULL OR q <= up_to)",
    ),
    Case(
        "package",
        _rated(_charge("package", (None, "4.90"), per=1000)),
        f"SELECT round(ceil(q / 1000) * 4.90, 2) FROM {_CHARGED}",
    ),
    Case(
        "proration",
        _prorated,
        f"SELECT round({AMOUNT} * (after - day) / (after - first), 2) FROM quantities,"
        " LATERAL (SELECT date_trunc('month', day)::date,"
        " (date_trunc('month', day) + interval '1 month')::date) AS whole (first, after)",
    ),
)


if __name__ == "__main__":
    main()
