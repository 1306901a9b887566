from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hosting.models import InstanceSecret
from tenants.crypto import DecryptionError, create_data_key, datakeys, derive
from tenants.models import Client, DataKey, KeyCanary

pytestmark = pytest.mark.django_db


def test_it_numbers_the_keys_of_a_client(acme: Client) -> None:
    assert create_data_key(client=acme).version == 2
    assert create_data_key(client=acme).version == 3
    assert KeyCanary.objects.get().master_key_id == "k1"


def test_the_key_is_nowhere_in_the_row(acme: Client) -> None:
    row = DataKey.objects.get(client=acme)
    key = datakeys.unwrap(row)
    assert len(key) == 32
    assert key not in bytes(row.wrapped)
    assert repr(key)[2:-1] not in repr(datakeys.lock_current(acme.pk))


def test_a_key_moved_to_another_version_is_refused(acme: Client) -> None:
    row = DataKey.objects.get(client=acme)
    row.version = 2
    with pytest.raises(DecryptionError):
        datakeys.unwrap(row)


def test_it_says_which_master_key_is_needed(acme: Client) -> None:
    row = DataKey.objects.get(client=acme)
    row.master_key_id = "lost"
    with pytest.raises(DecryptionError, match="The master key “lost” is needed"):
        datakeys.unwrap(row)


def test_a_client_without_a_key_is_named(acme: Client) -> None:
    DataKey.objects.filter(client=acme).delete()
    with pytest.raises(DecryptionError, match=f"The client {acme.pk} has no data key."):
        datakeys.lock_current(acme.pk)


def test_reading_again_asks_nobody(
    acme: Client, make_secret: Callable[..., InstanceSecret]
) -> None:
    make_secret(acme, "text")
    secret = InstanceSecret.objects.select_related("instance").get()
    assert secret.value == "text"
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert secret.value == "text"
    assert not queries.captured_queries


def test_the_cache_forgets(acme: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    datakeys.load(acme.pk, 1)
    assert datakeys.cached(acme.pk, 1)
    datakeys.forget_cached_keys()
    assert datakeys.cached(acme.pk, 1) is None
    monkeypatch.setattr(datakeys, "CACHE_SECONDS", 0.0)
    datakeys.load(acme.pk, 1)
    assert datakeys.cached(acme.pk, 1) is None


def test_the_cache_is_bounded(acme: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datakeys, "CACHE_SIZE", 2)
    for _ in range(2):
        create_data_key(client=acme)
    for version in (1, 2, 3):
        datakeys.load(acme.pk, version)
    assert datakeys.cached(acme.pk, 1) is None
    assert datakeys.cached(acme.pk, 2)
    assert datakeys.cached(acme.pk, 3)


def test_derived_keys_are_the_same_every_time_and_nobody_elses(
    make_client: Callable[[str], Client],
) -> None:
    ours, theirs = make_client("ours"), make_client("theirs")
    derived = derive(ours, "backup")
    assert len(derived) == 32
    create_data_key(client=ours)
    datakeys.forget_cached_keys()
    assert derive(ours, "backup") == derived
    others = {derive(theirs, "backup"), derive(ours, "other"), derive(ours, "backup", version=2)}
    assert derived not in others
    assert len(others) == 3
