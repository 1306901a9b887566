from __future__ import annotations

import copy
import pickle
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import connection, models, transaction
from django.forms import modelform_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hosting.models import InstanceSecret
from tenants.crypto import DecryptionError, EncryptedTextField, create_data_key, forget_cached_keys
from tenants.models import Client, DataKey

SECRET = "correct-horse-battery"
Make = Callable[..., InstanceSecret]
pytestmark = pytest.mark.django_db


def stored(secret: InstanceSecret) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM hosting_instancesecret WHERE id = %s", [secret.pk])
        return bytes(cursor.fetchone()[0])


def store(secret: InstanceSecret, value: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE hosting_instancesecret SET value = %s WHERE id = %s", [value, secret.pk]
        )


def reloaded(secret: InstanceSecret) -> InstanceSecret:
    return InstanceSecret.objects.get(pk=secret.pk)


def test_it_stores_bytes_and_reads_text(acme: Client, make_secret: Make) -> None:
    secret = make_secret(acme, SECRET)
    assert SECRET.encode() not in stored(secret)
    assert secret.value == SECRET
    assert reloaded(secret).value == SECRET


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=500))
def test_it_gives_back_any_text(acme: Client, make_secret: Make, text: str) -> None:
    secret = InstanceSecret.objects.first() or make_secret(acme, "")
    secret.value = text
    secret.save()
    forget_cached_keys()
    assert reloaded(secret).value == text


def test_a_value_of_another_row_is_refused(acme: Client, make_secret: Make) -> None:
    first, second = make_secret(acme, SECRET), make_secret(acme, "other")
    store(second, stored(first))
    with pytest.raises(DecryptionError) as caught:
        _ = reloaded(second).value
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_of_another_client_is_refused(
    make_client: Callable[[str], Client], make_secret: Make
) -> None:
    ours, theirs = make_secret(make_client("ours"), SECRET), make_client("theirs")
    ours.instance.client = theirs
    ours.instance.save()
    with pytest.raises(DecryptionError):
        _ = reloaded(ours).value


def test_a_value_of_another_field_is_refused(acme: Client, make_secret: Make) -> None:
    secret = make_secret(acme, SECRET)
    field: Any = InstanceSecret._meta.get_field("value")
    other = copy.copy(field)
    other.name = "elsewhere"
    from tenants.crypto.fields import Ciphertext, decrypt

    value = Ciphertext(stored(secret))
    assert decrypt(secret, field, value) == SECRET
    with pytest.raises(DecryptionError):
        decrypt(secret, other, value)


@pytest.mark.parametrize("position", [0, 1, 4, 5, 17, -1])
def test_an_altered_value_is_refused(acme: Client, make_secret: Make, position: int) -> None:
    secret = make_secret(acme, SECRET)
    value = bytearray(stored(secret))
    value[position] ^= 1
    store(secret, bytes(value))
    with pytest.raises(DecryptionError):
        _ = reloaded(secret).value


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01\x00\x00\x00\x01", b"plain text"])
def test_what_is_no_encrypted_value_is_refused(
    acme: Client, make_secret: Make, value: bytes
) -> None:
    secret = make_secret(acme, SECRET)
    store(secret, value)
    with pytest.raises(DecryptionError):
        _ = reloaded(secret).value


def test_a_copied_object_can_not_be_saved_as_another(acme: Client, make_secret: Make) -> None:
    secret = reloaded(make_secret(acme, SECRET))
    secret.pk, secret.name = uuid.uuid4(), "copy"
    with pytest.raises(DecryptionError):
        secret.save()


def test_data_keys_swapped_between_clients_read_nothing(
    make_client: Callable[[str], Client], make_secret: Make
) -> None:
    ours, theirs = make_client("ours"), make_client("theirs")
    secret = make_secret(ours, SECRET)
    foreign = DataKey.objects.get(client=theirs)
    DataKey.objects.filter(client=ours).update(wrapped=foreign.wrapped)
    forget_cached_keys()
    with pytest.raises(DecryptionError):
        _ = reloaded(secret).value


def test_shredding_the_data_key_shreds_the_value(acme: Client, make_secret: Make) -> None:
    secret = make_secret(acme, SECRET)
    DataKey.objects.filter(client=acme).delete()
    forget_cached_keys()
    with pytest.raises(DecryptionError, match="has no data key 1"):
        _ = reloaded(secret).value


def test_bulk_create_encrypts(acme: Client, make_secret: Make) -> None:
    instance = make_secret(acme, SECRET).instance
    new = [InstanceSecret(instance=instance, name=f"n{i}", value=f"{SECRET}{i}") for i in range(3)]
    InstanceSecret.objects.bulk_create(new)
    for number, secret in enumerate(new):
        assert SECRET.encode() not in stored(secret)
        assert reloaded(secret).value == f"{SECRET}{number}"


def test_writing_past_the_object_is_refused(acme: Client, make_secret: Make) -> None:
    secret = make_secret(acme, SECRET)
    before = stored(secret)
    with (
        pytest.raises(FieldError, match="can be written only by saving its object"),
        transaction.atomic(),
    ):
        InstanceSecret.objects.update(value="plain")
    secret.value = "plain"
    with (
        pytest.raises(FieldError, match="can be written only by saving its object"),
        transaction.atomic(),
    ):
        InstanceSecret.objects.bulk_update([secret], ["value"])
    with pytest.raises(TypeError, match="takes text, not int"):
        secret.value = 7  # type: ignore[assignment]
    assert stored(secret) == before


@pytest.mark.parametrize(
    "lookup", ["value", "value__contains", "value__in", "value__startswith", "value__x__y"]
)
def test_searching_for_a_value_is_refused(lookup: str) -> None:
    with pytest.raises(FieldError, match="can't be searched for") as caught:
        InstanceSecret.objects.filter(**{lookup: SECRET})
    assert SECRET not in str(caught.value)


def test_only_whether_there_is_a_value_can_be_asked(acme: Client, make_secret: Make) -> None:
    make_secret(acme, SECRET)
    assert InstanceSecret.objects.filter(value__isnull=False).count() == 1


def test_it_never_shows_the_value(acme: Client, make_secret: Make) -> None:
    secret = make_secret(acme, SECRET)
    loaded, unsaved = reloaded(secret), InstanceSecret(instance=secret.instance, value=SECRET)
    shown = [
        repr(loaded),
        repr(unsaved),
        repr(vars(secret)),
        repr(vars(loaded)),
        repr(vars(unsaved)),
        repr(list(InstanceSecret.objects.values())),
        str(list(InstanceSecret.objects.values_list("value", flat=True))),
        f"{InstanceSecret.objects.values()[0]['value']}",
        *(serializers.serialize(kind, [loaded, unsaved]) for kind in ("json", "xml", "python")),
    ]
    for text in map(str, shown):
        assert SECRET not in text


def test_it_is_in_no_form() -> None:
    assert "value" not in modelform_factory(InstanceSecret, fields="__all__").base_fields


def test_a_dump_can_not_be_loaded_as_a_value(acme: Client, make_secret: Make) -> None:
    dump = serializers.serialize("json", [make_secret(acme, SECRET)])
    (loaded,) = serializers.deserialize("json", dump)
    with pytest.raises(FieldError, match="only by saving its object"):
        loaded.save()


def test_an_unsaved_secret_is_not_pickled_and_a_saved_one_is(
    acme: Client, make_secret: Make
) -> None:
    secret = make_secret(acme, SECRET)
    assert SECRET.encode() not in pickle.dumps(secret)
    assert pickle.loads(pickle.dumps(secret)).value == SECRET
    secret.value = "new"
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(secret)


def test_a_deferred_value_is_read_when_asked_for(acme: Client, make_secret: Make) -> None:
    make_secret(acme, SECRET)
    secret = InstanceSecret.objects.defer("value").get()
    assert "value" not in vars(secret)
    assert secret.value == SECRET
    assert SECRET not in repr(vars(secret))


def test_saving_what_was_not_changed_keeps_the_bytes(acme: Client, make_secret: Make) -> None:
    secret = make_secret(acme, SECRET)
    before = stored(secret)
    loaded = reloaded(secret)
    loaded.name = "renamed"
    loaded.save()
    assert stored(secret) == before


def test_saving_moves_a_value_to_the_newest_key(acme: Client, make_secret: Make) -> None:
    secret = reloaded(make_secret(acme, SECRET))
    create_data_key(client=acme)
    secret.save()
    assert stored(secret)[1:5] == (2).to_bytes(4, "big")
    assert reloaded(secret).value == SECRET


@pytest.mark.django_db(transaction=True)
def test_saving_outside_a_transaction_is_refused(acme: Client, make_secret: Make) -> None:
    secret = make_secret(acme, SECRET)
    with pytest.raises(transaction.TransactionManagementError, match="outside a transaction"):
        secret.save()


@pytest.mark.django_db(transaction=True)
def test_a_key_that_was_rolled_back_does_no_harm(acme: Client, make_secret: Make) -> None:
    """The next key has the same version and is another one; the first may be cached."""
    secret = make_secret(acme, SECRET)
    with transaction.atomic():
        create_data_key(client=acme)
        secret.value = "never kept"
        secret.save()
        assert reloaded(secret).value == "never kept"
        transaction.set_rollback(True)
    with transaction.atomic():
        create_data_key(client=acme)
        secret.value = "kept"
        secret.save()
    assert reloaded(secret).value == "kept"
    forget_cached_keys()
    assert reloaded(secret).value == "kept"


def test_it_refuses_models_that_name_no_client() -> None:
    class Nobody(models.Model):  # noqa: DJ008  (never shown)
        value = EncryptedTextField(unique=True)

        class Meta:
            app_label = "nobody"
            managed = False

    try:
        problems = {str(each.msg) for each in Nobody._meta.get_field("value").check()}
    finally:
        from django.apps import apps

        del apps.all_models["nobody"]
        apps.clear_cache()
    assert problems == {
        "The model of an encrypted field names no client.",
        "The model of an encrypted field needs a UUID key.",
        "An encrypted field can't be indexed.",
    }
