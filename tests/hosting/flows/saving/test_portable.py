"""The portable archive, from a real repository; the engine alone is pretended."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.engines.restic import Damaged, TargetUnavailable
from hosting.flows.saving import portable
from hosting.flows.saving.portable import tar
from hosting.flows.saving.portable.tar import File, NotWhole
from hosting.models import Backup, Incident, Instance, Operation
from hosting.services import instances
from tenants.errors import Refused
from tenants.services.actors import Actor
from tests.hosting.saved import AT_REST, DUMP, Template, make_template, place, volume

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def instance(memory_engine: MemoryEngine, order: Order, work_off: WorkOff) -> Instance:
    instance = order()
    work_off(instance)
    return instance


@pytest.fixture
def backup(template: Template, instance: Instance, backup_target: Path) -> Backup:
    return place(template, instance, backup_target)


def unpacked(chunks: Iterable[bytes]) -> dict[str, bytes]:
    """The files by path below the one directory that there is."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        top = archive.getmembers()[0]
        assert top.isdir()
        assert top.mode == 0o700
        files = {}
        for member in archive.getmembers()[1:]:
            content = archive.extractfile(member)
            assert content is not None
            assert member.name.startswith(f"{top.name}/")
            files[member.name.removeprefix(f"{top.name}/")] = content.read()
        return files


def until_it_breaks(chunks: Iterator[bytes]) -> bytes:
    """What was sent of it before it was found damaged."""
    sent = bytearray()

    def receive() -> None:
        for chunk in chunks:
            sent.extend(chunk)

    with pytest.raises(Damaged):
        receive()
    return bytes(sent)


def refuses_to_extract(sent: bytes, path: Path) -> bool:
    """Whether the ordinary tar says that something is missing."""
    path.write_bytes(sent)
    command = ["tar", "--extract", "--to-stdout", "--file", str(path)]
    return subprocess.run(command, capture_output=True, timeout=60).returncode != 0


def test_it_holds_data_keys_and_what_puts_them_together(backup: Backup) -> None:
    archive = portable.archive(backup)
    sent = b"".join(archive.chunks())
    files = unpacked([sent])

    assert archive.name == "guestbook-book-20260301-0234"
    assert len(sent) == archive.size
    assert set(files) == {
        *("README.md", "compose.yaml", ".env", "restore.sh", "manifest.json", "SHA256SUMS"),
        *("secrets/postgres_password", "secrets/redis_password", "secrets/redis_conf"),
        *("secrets/secret_key", "postgres/db/guestbook.dump", "volumes/data.tar"),
    }
    assert files["postgres/db/guestbook.dump"] == DUMP
    assert json.loads(files["manifest.json"]) == backup.manifest
    assert b"load_database db guestbook guestbook\n" in files["restore.sh"]
    assert b"fill_volume data\n" in files["restore.sh"]
    assert files["volumes/data.tar"] == volume("data")
    assert b"berth.local/redis:7 was berth.local/redis@sha256:0815" in files["compose.yaml"]


def test_its_sums_are_those_of_the_files(backup: Backup) -> None:
    files = unpacked(portable.archive(backup).chunks())
    lines = files.pop("SHA256SUMS").decode().splitlines()
    sums = {path: digest for digest, path in (line.split("  ") for line in lines)}
    assert sums == {path: sha256(content).hexdigest() for path, content in files.items()}


def test_its_secrets_are_those_of_the_backup_and_else_of_the_instance(backup: Backup) -> None:
    now = {each.name: each.reveal() for each in backup.instance.secrets.all()}
    backup.secrets = json.dumps({"secret_key": "as it was then"})
    files = unpacked(portable.archive(backup).chunks())
    assert files["secrets/secret_key"] == b"as it was then"
    assert files["secrets/postgres_password"].decode() == now["postgres_password"]
    assert f"requirepass {now['redis_password']}\n" in files["secrets/redis_conf"].decode()


def test_an_instance_that_is_gone_gets_new_passwords_but_keeps_its_keys(
    backup: Backup, work_off: WorkOff, actor: Actor
) -> None:
    then = {each.name: each.reveal() for each in backup.instance.secrets.all()}
    instances.delete(instance=backup.instance, confirmation="book", actor=actor)
    work_off(backup.instance)
    files = unpacked(portable.archive(Backup.objects.get(pk=backup.pk)).chunks())
    assert files["secrets/secret_key"].decode() == then["secret_key"]
    new = files["secrets/postgres_password"].decode()
    assert len(new) == len(then["postgres_password"])
    assert new != then["postgres_password"]


def test_at_rest_it_is_files_alone_and_a_password_for_the_database(
    template: Template, instance: Instance, backup_target: Path
) -> None:
    backup = place(template, instance, backup_target, parts=AT_REST)
    files = unpacked(portable.archive(backup).chunks())
    data = {each for each in files if each.startswith(("postgres/", "redis/", "volumes/"))}
    assert data == {"volumes/data.tar", "volumes/postgres.tar", "volumes/redis.tar"}
    assert b"\nset_password db guestbook guestbook\n" in files["restore.sh"]
    assert b"\nload_database " not in files["restore.sh"]


def test_it_breaks_off_where_the_repository_is_damaged(
    backup: Backup, backup_target: Path, tmp_path: Path
) -> None:
    pack = max(backup_target.glob("*/*/data/*/*"), key=lambda each: each.stat().st_size)
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(pack.stat().st_size // 2)
        file.write(b"damaged")

    sent = until_it_breaks(portable.archive(backup).chunks())
    assert b"/postgres/db/guestbook.dump\0" in sent
    assert b"/volumes/data.tar\0" not in sent
    assert refuses_to_extract(sent, tmp_path / "sent.tar")
    incident = Incident.objects.get(kind=Incident.Kind.BACKUP_DAMAGED)
    assert incident.instance == backup.instance


def test_it_breaks_off_where_other_data_comes_back(backup: Backup, tmp_path: Path) -> None:
    last = backup.manifest["parts"][-1]["written"]
    assert last["path"] == "volumes/data.tar"
    last["sha256"] = "0" * 64
    sent = until_it_breaks(portable.archive(backup).chunks())
    assert b"/volumes/data.tar\0" in sent
    assert b"/SHA256SUMS\0" not in sent
    assert refuses_to_extract(sent, tmp_path / "sent.tar")  # the end of the file was held back
    assert Incident.objects.filter(kind=Incident.Kind.BACKUP_DAMAGED).exists()


def test_what_is_lost_is_noticed_before_the_first_byte(backup: Backup, backup_target: Path) -> None:
    for snapshot in backup_target.glob("*/*/snapshots/*"):
        if snapshot.name.startswith(backup.stored[0]["snapshot"]):
            snapshot.unlink()
    with pytest.raises(Damaged, match=r"^postgres/db/guestbook\.dump of this backup is not in"):
        portable.archive(backup)


def test_a_store_that_is_away_is_noticed_before_the_first_byte(
    backup: Backup, backup_target: Path
) -> None:
    backup_target.rename(backup_target.with_name("unmounted"))
    with pytest.raises(TargetUnavailable):
        portable.archive(backup)


def test_a_backup_of_a_newer_berth_is_not_guessed_at(backup: Backup) -> None:
    backup.manifest["format"] += 1
    with pytest.raises(GiveUp, match="another version of Berth"):
        portable.archive(backup)


def test_a_backup_that_is_not_proven_is_refused(backup: Backup) -> None:
    backup.verified_at = None
    with pytest.raises(Refused, match="nothing whole to download"):
        portable.archive(backup)


def test_a_large_file_takes_no_memory() -> None:
    piece, times = bytes(256 * 1024), 400
    digest = sha256()
    for _ in range(times):
        digest.update(piece)
    size = len(piece) * times
    file = File(
        "large", size, digest.hexdigest(), lambda: (bytes(len(piece)) for _ in range(times))
    )
    tracemalloc.start()
    try:
        sent = sum(len(chunk) for chunk in tar.stream("top", [file], mtime=0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent == tar.size("top", [file]) > size
    assert peak < 4 * len(piece)


@pytest.mark.parametrize("said", [b"shor", b"longer"])
def test_a_stream_of_another_length_is_not_whole(said: bytes) -> None:
    file = File("a", 5, sha256(said).hexdigest(), lambda: (said[:2], said[2:]))
    with pytest.raises(NotWhole, match="a is not what was saved"):
        list(file.chunks())


def test_files_of_many_gigabytes_have_a_header_that_tar_reads() -> None:
    file = File("x" * 120, 50 * 10**9, "", lambda: ())
    stream = tar.stream("top", [file], mtime=0)
    headers = next(stream) + next(stream)
    with tarfile.open(fileobj=io.BytesIO(headers)) as archive:
        folder, read = archive.next(), archive.next()
    assert folder is not None
    assert read is not None
    assert folder.name == "top"
    assert (read.name, read.size) == (f"top/{'x' * 120}", 50 * 10**9)
