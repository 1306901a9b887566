from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from billing.models import BillingProfile, Seller
from billing.services import profiles, vat_checks, vat_numbers
from billing.services.paying import settlements
from billing.vies import Answer, Unreachable, Vies
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at

NOW = at("2026-03-01")
INVALID = Answer(is_valid=False, name="", address="", asked_at="2026-03-01", reference="W1")


@pytest.mark.parametrize(
    ("number", "country", "clean"),
    [
        ("DE 136 695 976", "DE", "DE136695976"),
        ("de136695976", "DE", "DE136695976"),
        ("ATU13585627", "AT", "ATU13585627"),
        ("EL 094259216", "GR", "EL094259216"),
        ("", "DE", ""),
        ("CHE-107.787.577", "CH", "CHE-107.787.577"),
    ],
)
def test_a_vat_number_is_kept_in_its_short_form(number: str, country: str, clean: str) -> None:
    assert vat_numbers.clean(number, country=country) == clean


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("DE136695977", "DE"),  # its check digit is wrong
        ("ATU13585627", "DE"),
        ("136695976", "DE"),
        ("DE123", "DE"),
        ("GB123456789", "FR"),
        ("x", "FR"),
    ],
)
def test_a_vat_number_that_does_not_fit_is_refused(number: str, country: str) -> None:
    with pytest.raises(Refused) as refused:
        vat_numbers.clean(number, country=country)
    assert refused.value.field == "vat_number"


@pytest.mark.django_db
def test_details_are_kept_and_audited(acme: Client) -> None:
    profile = money.set_details(acme, currency="chf")
    assert (profile.currency, profile.vat_state) == ("CHF", "none")
    money.set_details(acme, currency="CHF", city="Bremen")
    event = AuditEvent.objects.latest("sequence")
    assert event.action == "billing.details_set"
    assert (event.before["city"], event.after["city"]) == ("Berlin", "Bremen")
    money.set_details(acme, currency="CHF", city="Bremen")
    assert AuditEvent.objects.latest("sequence") == event  # nothing changed


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"country": "Germany"}, "country"),
        ({"currency": "euro"}, "currency"),
        ({"name": ""}, "name"),
        ({"vat_number": "DE1"}, "vat_number"),
        ({"interval": "week"}, "interval"),
    ],
)
def test_bad_details_are_refused_at_their_field(
    acme: Client, more: dict[str, str], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        money.set_details(acme, **more)
    assert refused.value.field == field
    assert not BillingProfile.objects.exists()


@pytest.mark.django_db
def test_a_client_has_one_currency(acme: Client) -> None:
    money.set_details(acme)
    settlements.grant_credit(client=acme, amount=Decimal(5), reason="x", actor=ACTOR, now=NOW)
    with pytest.raises(Refused, match="one currency for good") as refused:
        money.set_details(acme, currency="USD")
    assert refused.value.field == "currency"


@pytest.mark.django_db
def test_another_number_has_to_be_confirmed_anew(acme: Client) -> None:
    profile = money.set_details(acme, country="AT", vat_number="ATU13585627")
    assert profile.vat_state == "pending"
    assert _answer(profile, "ATU13585627")
    money.set_details(acme, country="AT", vat_number="ATU13585627", city="Wien")
    profile.refresh_from_db()
    assert profile.vat_state == "valid"
    money.set_details(acme, country="FR", vat_number="FR83404833048")
    profile.refresh_from_db()
    assert (profile.vat_state, profile.vat_evidence) == ("pending", {})
    assert not _answer(profile, "ATU13585627")  # of the number before
    profile.refresh_from_db()
    assert profile.vat_state == "pending"


def _answer(profile: BillingProfile, number: str) -> bool:
    return profiles.record_answer(
        profile=profile, number=number, is_valid=True, evidence={"x": 1}, actor=ACTOR, now=NOW
    )


class _Register:
    def __init__(self, answer: Answer | None) -> None:
        self.answer, self.asked = answer, 0

    def ask(self, number: str) -> Answer:
        self.asked += 1
        if self.answer is None:
            raise Unreachable("It does not answer.")
        return self.answer


@pytest.mark.django_db
def test_a_register_that_does_not_answer_leaves_a_number_pending(acme: Client) -> None:
    profile = money.set_details(acme, country="AT", vat_number="ATU13585627")
    away, back = _Register(None), _Register(INVALID)
    assert vat_checks.check_pending(register=away, now=NOW) == 0
    profile.refresh_from_db()
    assert profile.vat_state == "pending"
    assert vat_checks.check_pending(register=back, now=NOW + timedelta(minutes=30)) == 0
    assert back.asked == 0  # not so soon
    assert vat_checks.check_pending(register=back, now=NOW + timedelta(hours=1)) == 1
    profile.refresh_from_db()
    assert (profile.vat_state, profile.vat_evidence["reference"]) == ("invalid", "W1")
    assert vat_checks.check_pending(register=back, now=NOW + timedelta(days=1)) == 0


def _vies(status: int, told: object) -> Vies:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        assert b'"countryCode":"AT"' in request.content.replace(b" ", b"")
        return httpx.Response(status, json=told)

    return Vies(httpx.Client(transport=httpx.MockTransport(handle)))


def test_the_eus_register_is_asked() -> None:
    told = {"valid": True, "name": "ACME", "requestDate": "2026-03-01T00:00:00Z"}
    answer = _vies(200, told).ask("ATU13585627")
    assert (answer.is_valid, answer.name, answer.asked_at) == (True, "ACME", told["requestDate"])


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (500, {}),
        (200, {}),
        (200, []),
        (200, {"valid": "yes"}),
        (200, {"valid": False, "userError": "MS_UNAVAILABLE"}),
        (200, {"actionSucceed": False, "errorWrappers": [{"error": "MS_MAX_CONCURRENT_REQ"}]}),
    ],
)
def test_what_is_no_clear_answer_is_none(status: int, told: object) -> None:
    with pytest.raises(Unreachable):
        _vies(status, told).ask("ATU13585627")


@pytest.mark.django_db
def test_there_is_one_seller() -> None:
    money.set_seller()
    money.set_seller(payment_days=30)
    assert Seller.objects.get().payment_days == 30
    with pytest.raises(Refused, match="series of their own"):
        money.set_seller(credit_series="INV")
    with pytest.raises(Refused, match="not an IBAN"):
        money.set_seller(iban="DE02120300000000202052")
