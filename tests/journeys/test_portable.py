"""A backup leaves Berth and is brought up by plain Docker Compose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from hosting.flows import stacks
from hosting.flows.saving import portable
from hosting.models import Backup, Instance, Operation
from hosting.services import instances
from hosting.services.saving import backups
from tenants.services.actors import Actor
from tests.journeys.elsewhere import Elsewhere, save

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """An empty place; nothing of it is left afterwards."""
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    place = Elsewhere(directory)
    yield place
    place.remove()


@pytest.fixture
def back_up(work_off: WorkOff, backup_target: Path, actor: Actor) -> Callable[[Instance], Backup]:
    def make(instance: Instance) -> Backup:
        backup = backups.request(instance=instance, actor=actor)
        operation = work_off(instance)
        assert operation.state == Operation.State.SUCCEEDED, operation.reason
        return Backup.objects.get(pk=backup.pk)

    return make


def browser(instance: Instance) -> httpx.Client:
    """Past the edge, at the web service itself."""
    host, port = stacks.upstream(instance, stacks.build(instance))
    return httpx.Client(base_url=f"http://{host}:{port}", timeout=20, trust_env=False)


def sign(instance: Instance, *texts: str) -> None:
    with browser(instance) as page:
        for text in texts:
            assert page.post("/entries", json={"text": text}).status_code == 201


def entries(page: httpx.Client) -> list[str]:
    """What the guestbook says; each is signed with the key that was there when it was written."""
    found = page.get("/entries").json()["entries"]
    assert all(each["verified"] for each in found)
    return [each["text"] for each in found]


def test_an_archive_comes_up_elsewhere_with_the_data_in_it(
    running: Order, back_up: Callable[[Instance], Backup], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    instance = running("book")
    sign(instance, "Hello", "Grüße $HOME")
    archive = portable.archive(back_up(instance))
    names = save(archive.chunks(), tmp_path / "book.tar")
    assert archive.size == (tmp_path / "book.tar").stat().st_size
    assert f"{archive.name}/postgres/db/guestbook.dump" in names
    sign(instance, "After the backup")

    elsewhere.unpack(tmp_path / "book.tar")
    elsewhere.bring_up()

    with elsewhere.open() as page:
        assert entries(page) == ["Hello", "Grüße $HOME"]
        assert page.post("/entries", json={"text": "Elsewhere"}).status_code == 201
        assert len(entries(page)) == 3
    assert "already" in elsewhere.refuses()
    with elsewhere.open() as page:
        assert len(entries(page)) == 3  # nothing was taken by the second try


def test_an_instance_that_is_deleted_comes_up_from_its_files(
    running: Order,
    work_off: WorkOff,
    back_up: Callable[[Instance], Backup],
    elsewhere: Elsewhere,
    tmp_path: Path,
    actor: Actor,
) -> None:
    instance = running("book")
    sign(instance, "Hello")
    instances.stop(instance=instance, actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    backup = back_up(instance)
    instances.delete(instance=instance, confirmation=instance.name, actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    backup.refresh_from_db()
    assert not backup.instance.secrets.exists()

    names = save(portable.archive(backup).chunks(), tmp_path / "book.tar")
    assert not [each for each in names if each.endswith((".dump", ".rdb"))]
    elsewhere.unpack(tmp_path / "book.tar")
    elsewhere.bring_up()

    with elsewhere.open() as page:
        assert entries(page) == ["Hello"]


def test_the_keys_of_a_redis_and_a_volume_come_along(
    running: Order, back_up: Callable[[Instance], Backup], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    instance = running("keeper", app="keeper")
    with browser(instance) as page:
        for _ in range(40):
            assert page.get("/").status_code == 200
    save(portable.archive(back_up(instance)).chunks(), tmp_path / "keeper.tar")
    elsewhere.unpack(tmp_path / "keeper.tar")
    elsewhere.bring_up()

    with elsewhere.open() as page:
        assert int(page.get("/").text.split()[0]) > 40
    password = (elsewhere.folder / "secrets" / "redis_password").read_text()
    said = elsewhere.compose(
        "exec", "-T", "redis", "redis-cli", "--no-auth-warning", "-a", password, "scard", "accounts"
    )
    assert said.strip() == "1"  # a second one would be opened by an app without its volume
    elsewhere.compose("restart", "--timeout", "5", "redis")
    elsewhere.compose(
        "exec", "-T", "redis", "test", "-s", "/data/appendonlydir/appendonly.aof.manifest"
    )
