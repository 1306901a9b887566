from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from hosting.models import InstanceSecret
from tenants.crypto import MasterKeyError, create_data_key, datakeys, forget_cached_keys
from tenants.models import AuditEvent, AuditHead, Client, DataKey, KeyCanary, KeyRotation
from tenants.selectors import audit_chain
from tenants.services import keys as service
from tenants.services.actors import Actor
from tests.tenants.master_keys import Keys
from tests.tenants.threads import at_once

Make = Callable[..., InstanceSecret]
MakeClient = Callable[[str], Client]


class Interrupting(StringIO):
    """Standard output of a command that is interrupted when it has said some lines."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._left = lines

    def write(self, text: str) -> int:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        return super().write(text)


def rotate(**options: object) -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out, stderr=out, **options)
    return out.getvalue()


def texts() -> dict[str, str]:
    """Every secret, read with no key in the cache."""
    forget_cached_keys()
    return {str(each.pk): each.value for each in InstanceSecret.objects.all()}


def versions() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM hosting_instancesecret")
        return {int.from_bytes(bytes(row[0])[1:5], "big") for row in cursor.fetchall()}


@pytest.fixture
def secrets(make_client: MakeClient, make_secret: Make) -> dict[str, str]:
    for number in range(4):
        client = make_client(f"client-{number}")
        for _ in range(2):
            make_secret(client, f"text of {client.slug}")
    return texts()


@pytest.mark.django_db
def test_it_rewraps_and_lets_go_of_the_old_key(
    secrets: dict[str, str], settings: Settings, keys: Keys
) -> None:
    settings.BERTH_MASTER_KEY = f"{keys.k2},{keys.k1}"
    said = rotate(batch=3)
    assert "3 data keys re-wrapped under “k2”, 1 to go" in said
    assert "4 data keys re-wrapped under “k2”, 0 to go" in said
    assert "Nothing needs k1 any more: remove it from BERTH_MASTER_KEY." in said
    settings.BERTH_MASTER_KEY = keys.k2
    assert texts() == secrets
    assert versions() == {1}
    assert list(KeyCanary.objects.values_list("pk", flat=True)) == ["k2"]
    assert AuditHead.objects.get().master_key_id == "k2"
    assert audit_chain.verify().problem is None
    event = AuditEvent.objects.get(action="master_key.rotated")
    assert event.after == {"data_keys": 4, "released": ["k1"]}


@pytest.mark.django_db
def test_with_nothing_to_do_it_changes_nothing(secrets: dict[str, str]) -> None:
    before = list(DataKey.objects.order_by("pk").values())
    events = AuditEvent.objects.count()
    rotate()
    assert list(DataKey.objects.order_by("pk").values()) == before
    assert AuditEvent.objects.count() == events


@pytest.mark.django_db
def test_an_interrupted_rewrap_goes_on(
    secrets: dict[str, str], settings: Settings, keys: Keys
) -> None:
    settings.BERTH_MASTER_KEY = f"{keys.k2},{keys.k1}"
    with pytest.raises(KeyboardInterrupt):
        call_command("rotate_keys", batch=1, stdout=Interrupting(2))
    assert set(DataKey.objects.values_list("master_key_id", flat=True)) == {"k1", "k2"}
    assert texts() == secrets
    assert "remove it from" in rotate(batch=1)
    settings.BERTH_MASTER_KEY = keys.k2
    assert texts() == secrets


@pytest.mark.django_db
def test_it_refuses_a_wrong_master_key(
    secrets: dict[str, str], settings: Settings, keys: Keys
) -> None:
    settings.BERTH_MASTER_KEY = keys.k2
    with pytest.raises(MasterKeyError, match="the database was written with “k1”"):
        rotate()
    assert set(DataKey.objects.values_list("master_key_id", flat=True)) == {"k1"}


@pytest.mark.django_db
def test_a_data_key_that_can_not_be_read_is_named_and_kept(
    secrets: dict[str, str], settings: Settings, keys: Keys
) -> None:
    DataKey.objects.filter(client__slug="client-2").update(wrapped=b"x" * 60)
    settings.BERTH_MASTER_KEY = f"{keys.k2},{keys.k1}"
    out = StringIO()
    with pytest.raises(CommandError, match="1 could not be read"):
        call_command("rotate_keys", stdout=out, stderr=out)
    assert "data key 1 of Client-2: An encrypted value can't be decrypted" in out.getvalue()
    assert "remove it from" not in out.getvalue()
    assert DataKey.objects.filter(master_key_id="k2").count() == 3
    assert KeyCanary.objects.filter(pk="k1").exists()


@pytest.mark.django_db
def test_data_keys_are_renewed_and_values_follow(secrets: dict[str, str]) -> None:
    said = rotate(data_keys=True, batch=3)
    assert "A new rotation begins." in said
    assert "8 values re-encrypted, 0 rows to go" in said
    assert versions() == {2}
    assert texts() == secrets
    assert DataKey.objects.count() == 8
    assert AuditEvent.objects.filter(action="data_keys.rotated").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("lines", range(2, 9))
def test_an_interrupted_renewal_goes_on(secrets: dict[str, str], lines: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        call_command("rotate_keys", data_keys=True, batch=2, stdout=Interrupting(lines))
    assert texts() == secrets
    finished = KeyRotation.objects.filter(finished_at__isnull=False).exists()
    if not finished:
        assert "An interrupted rotation goes on." in rotate(data_keys=True, batch=2)
    assert versions() == {2}
    assert texts() == secrets
    assert DataKey.objects.count() == 8


@pytest.mark.django_db
def test_a_value_that_can_not_be_read_keeps_the_rotation_open(secrets: dict[str, str]) -> None:
    broken = InstanceSecret.objects.order_by("pk")[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE hosting_instancesecret SET value = set_byte(value, 8, get_byte(value, 8) # 1)"
            " WHERE id = %s",
            [broken.pk],
        )
    out = StringIO()
    with pytest.raises(CommandError, match="1 could not be read; their old keys are kept"):
        call_command("rotate_keys", data_keys=True, stdout=out, stderr=out)
    assert str(broken.pk) in out.getvalue()
    assert KeyRotation.objects.get().finished_at is None
    assert versions() == {1, 2}


@pytest.mark.django_db
def test_a_replaced_key_is_removed_when_nothing_needs_it(secrets: dict[str, str]) -> None:
    actor, later = Actor.system("test"), timezone.now() + timedelta(hours=2)
    rotate(data_keys=True)
    assert "replaced data keys are kept" in rotate(data_keys=True)
    assert service.remove_replaced(now=timezone.now(), actor=actor) == 0
    assert service.remove_replaced(now=later, actor=actor) == 4
    assert service.remove_replaced(now=later, actor=actor) == 0
    assert set(DataKey.objects.values_list("version", flat=True)) == {1, 3}
    assert texts() == secrets
    assert AuditEvent.objects.filter(action="data_key.removed").count() == 4


@pytest.mark.django_db
def test_a_replaced_key_that_is_needed_is_kept(acme: Client, make_secret: Make) -> None:
    create_data_key(client=acme)
    make_secret(acme, "text")
    create_data_key(client=acme)
    later = timezone.now() + timedelta(hours=2)
    assert service.remove_replaced(now=later, actor=Actor.system("test")) == 0
    assert set(texts().values()) == {"text"}


@pytest.mark.django_db
def test_no_key_is_removed_while_a_value_is_not_understood(
    secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate(data_keys=True)
    rotate(data_keys=True)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE hosting_instancesecret SET value = 'x'")
    monkeypatch.setattr(service, "KEEP_REPLACED", timedelta(0))
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("rotate_keys", stdout=out, stderr=out)
    assert "No replaced data key is removed: An encrypted value has an" in out.getvalue()
    assert set(DataKey.objects.values_list("version", flat=True)) == {1, 2, 3}


@pytest.mark.django_db(transaction=True)
def test_removal_waits_for_whoever_still_writes_under_the_key(
    acme: Client, make_secret: Make
) -> None:
    secret = make_secret(acme, "old")
    create_data_key(client=acme)
    written, go_on = threading.Event(), threading.Event()

    def write() -> int:
        with transaction.atomic():
            secret.value = "written under the second key"
            secret.save()
            written.set()
            assert go_on.wait(30)
        return 0

    def remove() -> int:
        assert written.wait(30)
        create_data_key(client=acme)
        threading.Timer(0.5, go_on.set).start()
        later = timezone.now() + timedelta(hours=2)
        return service.remove_replaced(now=later, actor=Actor.system("test"))

    assert [each.result() for each in at_once(write, remove)] == [0, 0]
    assert list(texts().values()) == ["written under the second key"]


def write_again(secrets: dict[str, str]) -> None:
    for pk, text in secrets.items():
        with transaction.atomic():
            secret = InstanceSecret.objects.select_for_update().get(pk=pk)
            secret.value = text
            secret.save()


@pytest.mark.django_db(transaction=True)
def test_readers_and_writers_work_on_while_keys_change(
    secrets: dict[str, str], settings: Settings, keys: Keys
) -> None:
    settings.BERTH_MASTER_KEY = f"{keys.k2},{keys.k1}"
    done = threading.Event()

    def read() -> int:
        rounds = 0
        while not done.is_set() or not rounds:
            assert texts() == secrets
            rounds += 1
        return rounds

    def write() -> int:
        rounds = 0
        while not done.is_set() or not rounds:
            write_again(secrets)
            rounds += 1
        return rounds

    def change() -> int:
        try:
            for _ in range(3):
                rotate(data_keys=True, batch=1)
        finally:
            done.set()
        return 0

    for each in at_once(read, write, change):
        each.result()
    assert texts() == secrets
    settings.BERTH_MASTER_KEY = keys.k2
    assert texts() == secrets
    assert versions() == {4}


@pytest.mark.django_db(transaction=True)
def test_two_rotations_at_once_do_the_work_once(
    secrets: dict[str, str], settings: Settings, keys: Keys
) -> None:
    settings.BERTH_MASTER_KEY = f"{keys.k2},{keys.k1}"
    barrier = threading.Barrier(2)

    def run() -> str:
        barrier.wait(10)
        return rotate(batch=1)

    for each in at_once(run, run):
        each.result()
    assert DataKey.objects.filter(master_key_id="k2").count() == 4
    settings.BERTH_MASTER_KEY = keys.k2
    assert texts() == secrets


@pytest.mark.django_db(transaction=True)
def test_a_writer_finds_the_new_key_when_the_old_one_goes_while_it_waits(acme: Client) -> None:
    create_data_key(client=acme)
    locked = threading.Event()

    def replace() -> int:
        with transaction.atomic():
            old = DataKey.objects.select_for_update().get(client=acme, version=2)
            locked.set()
            create_data_key(client=acme)
            threading.Event().wait(0.5)
            old.delete()
        return 0

    def write() -> int:
        assert locked.wait(10)
        with transaction.atomic():
            return datakeys.lock_current(acme.pk).version

    assert [each.result() for each in at_once(replace, write)] == [0, 3]
