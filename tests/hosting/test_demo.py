"""What the demonstration remembers and where it finds room."""

from __future__ import annotations

import socket
from pathlib import Path

from django.conf import settings

from hosting.management.demo import processes, surroundings


def test_it_remembers_its_surroundings_where_only_the_owner_can_read(tmp_path: Path) -> None:
    first = surroundings.recall(tmp_path)
    assert surroundings.recall(tmp_path) == first
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600


def test_two_checkouts_never_mix(tmp_path: Path) -> None:
    one, two = (surroundings.recall(tmp_path / name) for name in ("one", "two"))
    assert one.owner != two.owner
    assert one.staff_password != two.staff_password


def test_it_takes_the_next_port_where_one_is_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert surroundings.free_port(port) > port


def test_it_runs_every_process_that_the_portal_has() -> None:
    lines = (settings.BASE_DIR / "Procfile").read_text().splitlines()
    assert set(processes.commands(0)) == {line.partition(":")[0] for line in lines if line}
