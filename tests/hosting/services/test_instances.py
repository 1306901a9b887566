"""Ordering and asking for changes: what is written, and what is refused with nothing written."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from hosting import hooks
from hosting.models import Hostname, Instance, InstanceSecret, Operation, Plan, Server, Subnet
from hosting.services import instances
from tenants.crypto import DecryptionError
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tenants.services.actors import Actor

Order = Callable[..., Instance]
pytestmark = pytest.mark.django_db


def _counts() -> tuple[int, ...]:
    models = (Instance, Operation, Subnet, Hostname, InstanceSecret, AuditEvent)
    return tuple(model.objects.count() for model in models)


def test_it_orders_an_instance_with_everything_that_belongs_to_it(
    order: Order, memory_server: Server, settings: Settings
) -> None:
    settings.BERTH_DOMAIN = "example.org"
    instance = order("book")
    assert instance.state == Instance.State.NEW
    assert instance.server == memory_server
    assert instance.version == "2"
    assert instance.hostnames.get().name == "book.acme.example.org"
    assert instance.subnet.cidr == "10.208.0.0/27"
    assert set(instance.secrets.values_list("name", flat=True)) == set(_generated(instance))
    operation = instance.operations.get()
    assert (operation.kind, operation.state) == ("provision", "queued")
    actions = AuditEvent.objects.order_by("sequence").values_list("action", flat=True)
    assert list(actions)[-2:] == ["instance.ordered", "instance.provision_requested"]


def _generated(instance: Instance) -> list[str]:
    specs = instance.definition["berth"]["secrets"]
    return [name for name, spec in specs.items() if spec.get("generate")]


def test_it_makes_other_secrets_for_every_instance(order: Order, memory_server: Server) -> None:
    first, second = order("one"), order("two")
    values = [secret.reveal() for each in (first, second) for secret in each.secrets.all()]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    ("overrides", "field", "sentence"),
    [
        ({"app": "nonsuch"}, "app", "There is no app “nonsuch” in the catalog."),
        ({"plan": "nonsuch"}, "plan", "There is no plan “nonsuch” on offer."),
        ({"name": "Book"}, "name", "Use 1 to 63 lower-case letters, digits and hyphens"),
        ({"name": "-book"}, "name", "Use 1 to 63 lower-case"),
        ({"name": "book\n"}, "name", "Use 1 to 63 lower-case"),
        ({"name": ""}, "name", "Use 1 to 63 lower-case"),
        ({"name": "b" * 41}, "name", "Use at most 40 characters."),
        (
            {"app": "automatos"},
            "app",
            "Automatos AI can't be ordered yet: it has not been set up here.",
        ),
    ],
)
def test_it_refuses_a_bad_order_and_writes_nothing(
    order: Order,
    memory_server: Server,
    overrides: dict[str, str],
    field: str,
    sentence: str,
) -> None:
    before = _counts()
    with pytest.raises(Refused) as refused:
        order(**overrides)
    assert sentence in refused.value.message
    assert refused.value.field == field
    assert _counts() == before


def test_it_refuses_a_plan_that_is_no_longer_offered(
    order: Order, memory_server: Server, small: Plan
) -> None:
    Plan.objects.update(is_active=False)
    with pytest.raises(Refused, match="no plan “small” on offer"):
        order()


def test_it_refuses_a_plan_that_is_too_small_for_the_app(
    order: Order, memory_server: Server
) -> None:
    with pytest.raises(Refused, match=r"n8n needs 1\.5 GB of memory; Small has less") as refused:
        order(app="n8n")
    assert refused.value.field == "plan"


def test_it_refuses_a_name_that_is_taken(order: Order, memory_server: Server) -> None:
    order("book")
    before = _counts()
    with pytest.raises(Refused, match="already have an instance named book"):
        order("book")
    assert _counts() == before


def test_it_refuses_an_inactive_client(order: Order, memory_server: Server, acme: Client) -> None:
    Client.objects.update(is_active=False)
    before = _counts()
    with pytest.raises(Refused, match="Acme is inactive"):
        order()
    assert _counts() == before


def test_it_asks_whoever_has_a_say_before_an_order(
    order: Order, memory_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpaid(*, client: Client, plan: Plan) -> None:
        raise Refused(f"{client} has unpaid invoices.")

    monkeypatch.setattr(hooks, "_order_checks", [unpaid])
    before = _counts()
    with pytest.raises(Refused, match="Acme has unpaid invoices"):
        order()
    assert _counts() == before


def test_it_orders_once_however_often_the_same_order_is_sent(
    order: Order, memory_server: Server
) -> None:
    first = order("book", order_key="form-1")
    before = _counts()
    assert order("book", order_key="form-1") == first
    assert _counts() == before


def test_it_refuses_the_key_of_another_order(order: Order, memory_server: Server) -> None:
    order("book", order_key="form-1")
    with pytest.raises(Refused, match="sent before with other contents"):
        order("other", order_key="form-1")


@pytest.mark.django_db(transaction=True)
def test_it_orders_once_when_the_same_order_arrives_twice_at_once(
    order: Order, memory_server: Server
) -> None:
    results: list[Instance | Exception] = []
    barrier = threading.Barrier(4)

    def send() -> None:
        barrier.wait()
        try:
            results.append(order("book", order_key="form-1"))
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {getattr(result, "pk", result) for result in results} == {Instance.objects.get().pk}
    assert Operation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_never_promises_the_same_memory_twice(
    order: Order, memory_server: Server, small: Plan
) -> None:
    Server.objects.update(memory_mb=3 * small.memory_mb)
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def send(number: int) -> None:
        barrier.wait()
        try:
            order(f"book-{number}")
            outcomes.append("placed")
        except Refused as refused:
            outcomes.append(refused.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("placed") == 3
    assert Instance.objects.count() == 3
    assert set(outcomes) - {"placed"} == {
        "No server has 0.5 GB of memory free: the emptiest has 0 GB."
    }


def test_it_wants_the_name_typed_before_it_deletes(
    order: Order, memory_server: Server, actor: Actor
) -> None:
    instance = order("book")
    with pytest.raises(Refused, match="Type book to delete it"):
        instances.delete(instance=instance, confirmation="bok", actor=actor)
    assert instance.operations.count() == 1


def test_a_secret_that_was_moved_to_another_name_or_instance_can_not_be_read(
    order: Order, memory_server: Server
) -> None:
    instance, other = order("one"), order("two")
    name = _generated(instance)[0]
    secret = instance.secrets.get(name=name)
    InstanceSecret.objects.filter(pk=secret.pk).update(name="renamed")
    with pytest.raises(DecryptionError):
        instance.secrets.get(name="renamed").reveal()
    other.secrets.all().delete()
    InstanceSecret.objects.filter(pk=secret.pk).update(instance=other, name=name)
    with pytest.raises(DecryptionError):
        other.secrets.get(name=name).reveal()


@pytest.mark.parametrize("kind", [Operation.Kind.STOP, Operation.Kind.DELETE])
def test_an_inactive_clients_instance_can_be_ended_by_staff(
    order: Order, memory_server: Server, actor: Actor, kind: Operation.Kind
) -> None:
    instance = _running(order("book"))
    Client.objects.update(is_active=False)
    for verb in (instances.restart, instances.retry):
        with pytest.raises(Refused, match="can only be stopped or deleted"):
            verb(instance=instance, actor=actor)
    if kind == Operation.Kind.STOP:
        operation = instances.stop(instance=instance, actor=actor)
    else:
        operation = instances.delete(instance=instance, confirmation="book", actor=actor)
    assert operation.kind == kind


def _running(instance: Instance) -> Instance:
    instance.operations.update(state="succeeded", finished_at=timezone.now())
    Instance.objects.update(state="running", first_running_at=timezone.now())
    instance.refresh_from_db()
    return instance


def test_one_client_can_not_fill_every_server(
    order: Order, memory_server: Server, settings: Settings
) -> None:
    settings.BERTH_INSTANCES_PER_CLIENT = 1
    order("one")
    before = _counts()
    with pytest.raises(Refused, match="Acme has 1 of the 1 instances that a client may have"):
        order("two")
    assert _counts() == before
