"""What models cost: by day and rate, also for what was used before its rate was known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from unittest.mock import Mock

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing.models import ModelCost, Rate
from billing.selectors import costs as reading
from billing.selectors.rates import of_models
from billing.services.metering import costs, rates
from hosting.models import Instance
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.billing.conftest import Enter, Use

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


def amounts() -> dict[str, Decimal | None]:
    """Day and model -> price."""
    rows = ModelCost.objects.order_by("on", "model")
    return {f"{each.on:%d} {each.model}": each.amount for each in rows}


def test_tokens_are_priced_by_the_rate_of_their_day(use: Use, enter: Enter) -> None:
    enter()
    enter(starts_on=date(2026, 3, 11), input=Decimal(20))
    use(day=10, given=1_000_000, answered=500_000, cached=400_000)
    use(day=11, given=1_000_000)
    assert costs.price_new() == 2
    assert amounts() == {"10 gpt-4o": Decimal("5.6"), "11 gpt-4o": Decimal(20)}


def test_cached_tokens_cost_what_others_do_unless_they_have_a_price(use: Use, enter: Enter) -> None:
    enter(cached=None)
    use(given=1_000_000, cached=900_000)
    costs.price_new()
    assert amounts() == {"10 gpt-4o": Decimal(2)}


def test_prices_are_exact(use: Use, enter: Enter) -> None:
    enter(input=Decimal("0.000001"))
    use(given=1)
    costs.price_new()
    assert amounts() == {"10 gpt-4o": Decimal("0.000000000001")}


def test_a_model_is_known_in_capitals_too(use: Use, enter: Enter) -> None:
    enter("GPT-4o ")
    use("GPT-4O")
    costs.price_new()
    assert amounts() == {"10 GPT-4O": Decimal(2)}


def test_a_model_without_a_rate_is_kept_flagged_and_priced_with_its_rate(
    use: Use, enter: Enter
) -> None:
    use("new-model", day=9)
    use("new-model", day=10)
    costs.price_new()
    assert set(amounts().values()) == {None}
    (unknown,) = reading.unknown_models()
    assert (unknown.model, unknown.requests, unknown.since) == (
        "new-model",
        2,
        date(2026, 3, 9),
    )
    enter("new-model", starts_on=date(2026, 3, 10))
    assert amounts() == {"09 new-model": None, "10 new-model": Decimal(2)}
    assert AuditEvent.objects.latest("sequence").after["days_priced"] == 1


def test_a_changed_rate_prices_anew_what_it_is_for(use: Use, enter: Enter, actor: Actor) -> None:
    rate = enter()
    enter("other")
    use()
    use("other")
    costs.price_new()
    fields: rates.RateFields = {
        "model": "gpt-4o",
        "starts_on": MARCH,
        "currency": "USD",
        "input": Decimal(3),
        "output": Decimal(8),
        "cached": None,
    }
    rates.update(rate=rate, actor=actor, fields=fields)
    assert amounts() == {"10 gpt-4o": Decimal(3), "10 other": Decimal(2)}
    moved = rates.update(rate=rate, actor=actor, fields={**fields, "model": "third"})
    assert moved.model == "third"
    assert amounts() == {"10 gpt-4o": None, "10 other": Decimal(2)}


def test_late_use_changes_its_day_and_is_not_added_twice(use: Use, enter: Enter) -> None:
    enter()
    use(day=10)
    costs.price_new()
    use(day=10)
    use(day=9)
    for _ in range(2):
        costs.price_new()
    assert amounts() == {"09 gpt-4o": Decimal(2), "10 gpt-4o": Decimal(4)}


def test_what_ends_half_way_goes_on_where_it_was(
    use: Use, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter()
    use(day=11)  # summed up first
    use(day=10)
    monkeypatch.setattr(costs, "AT_ONCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(costs, "of_models", Mock(side_effect=[of_models({"gpt-4o"}), OSError]))
        with pytest.raises(OSError):  # noqa: PT011  (it says nothing)
            costs.price_new()
    assert amounts() == {"11 gpt-4o": Decimal(2)}
    costs.price_new()
    assert amounts() == {"10 gpt-4o": Decimal(2), "11 gpt-4o": Decimal(2)}


@pytest.fixture
def elsewhere(db: None) -> Iterator[psycopg.Cursor[tuple[bool]]]:
    """Another connection's transaction."""
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    own = {name: parameters[name] for name in names if parameters.get(name)}
    with psycopg.connect(**own) as other, other.cursor() as cursor:
        yield cursor


def test_while_a_rate_is_entered_nothing_is_priced_by_those_of_before(
    use: Use, enter: Enter, elsewhere: psycopg.Cursor[tuple[bool]]
) -> None:
    use()
    elsewhere.execute("SELECT pg_advisory_xact_lock(%s)", [costs.LOCK])
    assert costs.price_new() == 0
    assert amounts() == {}
    elsewhere.connection.rollback()
    assert costs.price_new() == 1
    enter()
    elsewhere.execute("SELECT pg_try_advisory_xact_lock(%s)", [costs.LOCK])
    assert elsewhere.fetchone() == (False,)


def test_it_is_told_by_day_and_month_and_currency(book: Instance, use: Use, enter: Enter) -> None:
    enter()
    enter("dear", currency="USD")
    for day, model in ((1, "gpt-4o"), (2, "gpt-4o"), (2, "dear"), (2, "new")):
        use(model, day=day, given=1_000_000, answered=1_000_000, cached=1_000_000)
    costs.price_new()
    days = reading.by_day(book, since=MARCH, until=APRIL)
    assert [(each.begin.day, each.model, each.unpriced) for each in days] == [
        (1, "gpt-4o", 0),
        (2, "dear", 0),
        (2, "gpt-4o", 0),
        (2, "new", 1),
    ]
    month = {each.model: each for each in reading.by_month(book, since=MARCH, until=APRIL)}
    assert month["gpt-4o"].begin == MARCH
    assert (month["gpt-4o"].requests, month["gpt-4o"].output) == (2, 2_000_000)
    assert month["gpt-4o"].amounts == {"EUR": Decimal(18)}
    assert month["new"].amounts == {}
    assert reading.month_totals([book.pk], month=MARCH) == {
        book.pk: {"EUR": Decimal(18), "USD": Decimal(9)}
    }
    assert reading.month_totals([book.pk], month=APRIL) == {}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"input": Decimal(-1)}, "greater than or equal to 0"),
        ({"currency": "Euro"}, "three capital letters"),
        ({"currency": "E1"}, "three capital letters"),
        ({"model": " "}, "cannot be blank"),
    ],
)
def test_a_bad_rate_is_refused(
    more: dict[str, object], sentence: str, enter: Enter, db: None
) -> None:
    with pytest.raises(Refused, match=sentence):
        enter(**more)
    assert not Rate.objects.exists()


def test_a_model_has_one_rate_a_day(enter: Enter, db: None) -> None:
    enter()
    with pytest.raises(Refused, match="has a rate from that day on already"):
        enter()


Import = Callable[..., str]


@pytest.fixture
def load(db: None, tmp_path: object, capsys: pytest.CaptureFixture[str]) -> Import:
    """Import a file of that content."""

    def run(text: str, name: str = "rates.csv") -> str:
        path = tmp_path / name  # type: ignore[operator]
        path.write_text(text)
        call_command("import_rates", str(path))
        return capsys.readouterr().out

    return run


ROW = '{"model": "m", "starts_on": "2026-03-01", "currency": "EUR", "input": 0.1, "output": 1}'
HEAD = "model,starts_on,currency,input,output,cached\n"


def test_rates_come_from_a_csv_and_again_change_nothing(load: Import) -> None:
    text = HEAD + "gpt-4o,2026-03-01,EUR,2.50,10,1.25\nlocal,2026-03-01,eur,0,0,\n"
    assert "2 made, 0 changed, 0 as they were" in load(text)
    assert "0 made, 0 changed, 2 as they were" in load(text)
    assert "0 made, 1 changed, 1 as they were" in load(text.replace("2.50", "3"))
    assert {rate.model: (rate.input, rate.cached) for rate in Rate.objects.all()} == {
        "gpt-4o": (Decimal(3), Decimal("1.25")),
        "local": (Decimal(0), None),
    }


def test_rates_come_from_json(load: Import) -> None:
    assert "1 made" in load(f"[{ROW}]", "rates.json")
    assert Rate.objects.get().input == Decimal("0.1")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("rates.csv", "", "The head line lacks model|holds no rates"),
        ("rates.csv", "model,input\nm,1\n", "lacks starts_on, currency, output"),
        ("rates.csv", HEAD, "holds no rates"),
        ("rates.csv", HEAD + "m,1 March,EUR,1,1,\n", "Row 1: starts_on is 1 March"),
        ("rates.csv", HEAD + "m,2026-03-01,EUR,1,1,\nn,2026-03-01,EUR,x,1,\n", "Row 2: input is x"),
        ("rates.csv", HEAD + "m,2026-03-01,EUR,NaN,1,\n", "Row 1: input is NaN"),
        (
            "rates.csv",
            HEAD + "m,2026-03-01,EUR,1,1,\nn,2026-03-01,EUR,-1,1,\n",
            "Row 2: input: .* equal to 0",
        ),
        (
            "rates.csv",
            HEAD + "m,2026-03-01,EUR,1,1,\nM ,2026-03-01,EUR,2,1,\n",
            "Row 2: m has a rate from 2026-03-01 on in row 1 already",
        ),
        ("rates.csv", HEAD + "m,2026-03-01,EUR,1,1,,2\n", "Row 1 has more values than the head"),
        ("rates.csv", "input," + HEAD + "1,m,2026-03-01,EUR,1,1,\n", "has input more than once"),
        ("rates.csv", HEAD + "m\0,2026-03-01,EUR,1,1,\n", "Row 1: model is .* a text in one line"),
        ("rates.csv", HEAD + ",2026-03-01,EUR,1,1,\n", "Row 1 lacks model"),
        ("rates.json", "{}", "must hold a list"),
        ("rates.json", "[1]", "Row 1 is no rate"),
        ("rates.json", '[{"modle": 1}]', "Row 1 has modle"),
        ("rates.json", '[{"model": "m", "model": "n"}]', "A rate has model more than once"),
        ("rates.json", f"[{ROW}]".replace('"m"', '"\\ud800"'), "Row 1: model is .* a text"),
        ("rates.json", f"[{ROW}]".replace('"m"', '["m"]'), "Row 1: model is .* a text"),
        ("rates.json", "[", "is no JSON"),
        ("rates.txt", "", "must end in .csv or .json"),
    ],
)
def test_a_file_with_a_fault_is_refused_as_a_whole(
    name: str, text: str, sentence: str, load: Import
) -> None:
    with pytest.raises(CommandError, match=sentence):
        load(text, name)
    assert not Rate.objects.exists()
