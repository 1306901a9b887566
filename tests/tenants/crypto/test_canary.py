from __future__ import annotations

import pytest
from django.db import connection
from pytest_django import Settings

from tenants.checks import check_master_key_fits
from tenants.crypto import MasterKeyError, create_data_key, examine_master_key, verify_master_key
from tenants.models import Client, KeyCanary
from tests.tenants.master_keys import Keys

pytestmark = pytest.mark.django_db


def test_the_first_start_leaves_the_proof_and_looking_does_not() -> None:
    assert examine_master_key() is None
    assert not KeyCanary.objects.exists()
    verify_master_key()
    verify_master_key()
    assert KeyCanary.objects.get().master_key_id == "k1"


def test_it_names_the_key_that_is_missing(settings: Settings, keys: Keys) -> None:
    settings.BERTH_MASTER_KEY = keys.k2
    verify_master_key()
    settings.BERTH_MASTER_KEY = keys.k1
    with pytest.raises(MasterKeyError) as caught:
        verify_master_key()
    assert str(caught.value) == (
        "BERTH_MASTER_KEY does not fit this database: it has the key “k1”,"
        " the database was written with “k2”."
    )
    assert list(KeyCanary.objects.values_list("pk", flat=True)) == ["k2"]


def test_it_finds_another_key_of_the_same_name(settings: Settings, keys: Keys) -> None:
    verify_master_key()
    settings.BERTH_MASTER_KEY = keys.false_k1
    with pytest.raises(MasterKeyError, match="its key “k1” is not the “k1” that the database"):
        verify_master_key()


def test_it_finds_another_key_even_if_the_proof_was_removed(
    acme: Client, settings: Settings, keys: Keys
) -> None:
    KeyCanary.objects.all().delete()
    settings.BERTH_MASTER_KEY = keys.false_k1
    with pytest.raises(MasterKeyError, match="is not the “k1”"):
        verify_master_key()
    settings.BERTH_MASTER_KEY = keys.k2
    with pytest.raises(MasterKeyError, match="it has the key “k2”, the database was"):
        verify_master_key()


def test_a_new_key_in_front_fits_and_the_old_one_alone_no_longer(
    acme: Client, settings: Settings, keys: Keys
) -> None:
    settings.BERTH_MASTER_KEY = f"{keys.k2},{keys.k1}"
    verify_master_key()
    create_data_key(client=acme)
    settings.BERTH_MASTER_KEY = keys.k1
    with pytest.raises(MasterKeyError, match=r"it has the key “k1”, the database was .* “k2”"):
        verify_master_key()


def test_a_malformed_key_is_one_sentence_too(settings: Settings) -> None:
    settings.BERTH_MASTER_KEY = "nonsense"
    with pytest.raises(MasterKeyError, match="is not written as <key id>:<base64"):
        verify_master_key()


def test_a_database_without_tables_proves_nothing() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE tenants_keycanary")
    assert examine_master_key() is None
    verify_master_key()


def test_the_check_reports_it_where_the_database_is_asked(settings: Settings, keys: Keys) -> None:
    verify_master_key()
    settings.BERTH_MASTER_KEY = keys.k2
    assert check_master_key_fits(None, databases=None) == []
    (problem,) = check_master_key_fits(None, databases=["default"])
    assert problem.id == "tenants.E002"
    assert "it has the key “k2”" in problem.msg
