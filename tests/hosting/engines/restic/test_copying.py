"""The second copy elsewhere, whatever the two targets are."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from itertools import islice

import pytest

from hosting.engines.restic import Damaged, Repository, WrongPassword, open_repository
from tests.hosting.engines.restic.servers import Place, S3Server

DUMP = os.urandom(500_000)


@pytest.fixture
def s3_copy(s3: S3Server) -> Repository:
    made = open_repository(s3.target(), f"copy-{uuid.uuid4().hex[:8]}", "another password")
    made.ensure()
    return made


def test_it_copies_from_a_directory_to_s3_once(repository: Repository, s3_copy: Repository):
    written = repository.write("dump", [DUMP], tags={"nightly"})
    left = repository.write("other", [b"stays here"], tags=())
    for _ in range(2):
        repository.copy_to(s3_copy, [written.snapshot])
    (copied,) = s3_copy.snapshots()
    assert copied.tags == {"nightly"}
    assert b"".join(s3_copy.read(copied.id, written.path)) == DUMP
    assert left.snapshot in {each.id for each in repository.snapshots()}

    repository.copy_to(s3_copy, [])
    assert len(s3_copy.snapshots()) == 1


def test_it_copies_between_two_accounts_of_one_kind(s3: S3Server, s3_copy: Repository):
    other = open_repository(s3.target("second-key"), f"{s3_copy.name}-2", "a third password")
    other.ensure()
    written = s3_copy.write("a/dump", [DUMP], tags={"nightly", "op:1"})
    for _ in range(2):
        s3_copy.copy_to(other, [written.snapshot])
    (source,), (copied,) = s3_copy.snapshots(), other.snapshots()
    assert copied.tags == source.tags
    assert copied.path == "a/dump"
    assert copied.taken_at == source.taken_at.replace(microsecond=0)
    assert b"".join(other.read(copied.id, copied.path)) == DUMP
    with pytest.raises(Damaged, match="deadbeef"):
        s3_copy.copy_to(other, ["deadbeef"])


def test_whoever_watches_ends_it(repository: Repository, s3: S3Server, s3_copy: Repository):
    """By restic itself, and stream by stream: with keys of their own."""
    other = open_repository(s3.target("second-key"), f"{s3_copy.name}-2", "a third password")
    other.ensure()
    source = s3_copy
    for here, there in ((repository, s3_copy), (source, other)):
        written = here.write("dump", [os.urandom(500_000)], tags=())
        before = there.snapshots()

        def over(chunks: Iterator[bytes]) -> Iterator[bytes]:
            yield from islice(chunks, 1)
            raise LookupError("the time is up")

        with pytest.raises(LookupError):
            here.copy_to(there, [written.snapshot], watch=over)
        there.unlock_stale()
        here.copy_to(there, [written.snapshot])
        assert len(there.snapshots()) == len(before) + 1


def test_it_copies_from_sftp_to_s3(sftp: Place, s3_copy: Repository):
    source = open_repository(sftp.target, s3_copy.name, "a password")
    source.ensure()
    written = source.write("dump", [DUMP], tags=())
    source.copy_to(s3_copy, [written.snapshot])
    (copied,) = s3_copy.snapshots()
    assert b"".join(s3_copy.read(copied.id, "dump")) == DUMP


def test_it_names_both_when_one_password_is_wrong(repository: Repository, s3_copy: Repository):
    written = repository.write("dump", [b"x"], tags=())
    stranger = open_repository(s3_copy.target, s3_copy.name, "not the password")
    with pytest.raises(WrongPassword, match=f"acme or its copy {s3_copy.name} has another"):
        repository.copy_to(stranger, [written.snapshot])
