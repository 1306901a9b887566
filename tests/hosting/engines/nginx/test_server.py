"""Changing the configuration of a running nginx, and failing to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.nginx import Applied, Listen, Nginx, generation_of, render


def test_a_new_site_is_reachable_as_soon_as_apply_returns(edge, backend, site):
    port = backend("all")
    sites = [site("acme", port)]
    edge.nginx.apply(render(sites, edge.settings()))
    edge.start()

    for number in range(8):
        sites.append(site(f"client{number}", port))
        text = render(sites, edge.settings())
        assert edge.nginx.apply(text) is Applied.LIVE
        assert edge.nginx.live_generation() == generation_of(text)
        assert {edge.get(f"n8n.client{number}.example").status for _ in range(20)} == {200}


def test_a_change_of_one_site_leaves_anothers_websocket_open(edge, websocket_backend, site):
    acme, bobs = site("acme", websocket_backend()), site("bobs", websocket_backend())
    edge.nginx.apply(render([acme, bobs], edge.settings()))
    edge.start()

    with edge.websocket("n8n.acme.example") as open_socket:
        open_socket.send("before")
        assert open_socket.recv(10) == "before"

        stopped = replace(bobs, state="stopped")
        assert edge.nginx.apply(render([acme, stopped], edge.settings())) is Applied.LIVE
        assert edge.get("n8n.bobs.example").status == 503
        assert edge.nginx.apply(render([acme], edge.settings())) is Applied.LIVE

        open_socket.send("after")
        assert open_socket.recv(10) == "after"


def test_applying_the_same_twice_changes_nothing(edge, backend, site):
    text = render([site("acme", backend("for acme"))], edge.settings())
    assert edge.nginx.apply(text) is Applied.PLACED
    assert edge.nginx.apply(text) is Applied.UNCHANGED
    edge.start()
    before = sorted((edge.directory / "releases").iterdir())

    assert edge.nginx.apply(text) is Applied.UNCHANGED
    assert sorted((edge.directory / "releases").iterdir()) == before


def test_it_reloads_when_the_file_is_right_but_another_one_is_live(edge, site):
    first = render([site("acme")], edge.settings())
    second = render([site("bobs")], edge.settings())
    edge.nginx.apply(first)
    edge.start()
    release = edge.directory / "releases" / f"00000002-{generation_of(second)}.conf"
    release.write_text(second)
    (edge.directory / "current.conf").unlink()
    (edge.directory / "current.conf").symlink_to(release)

    assert edge.nginx.apply(second) is Applied.LIVE
    assert edge.nginx.live_generation() == generation_of(second)


def test_a_refused_configuration_leaves_the_old_one_serving(edge, backend, site):
    good = render([site("acme", backend("for acme"))], edge.settings())
    edge.nginx.apply(good)
    edge.start()
    before = sorted((edge.directory / "releases").iterdir())

    with pytest.raises(GiveUp) as refused:
        edge.nginx.apply(good.replace("server_tokens off;", "server_tokens_of off;"))

    assert str(refused.value).startswith(
        'nginx refused the configuration: unknown directive "server_tokens_of" (line '
    )
    assert str(edge.directory) not in str(refused.value)
    assert (edge.directory / "current.conf").read_text() == good
    assert sorted((edge.directory / "releases").iterdir()) == before
    assert edge.get("n8n.acme.example").status == 200
    assert edge.nginx.apply(good) is Applied.UNCHANGED


def test_a_port_in_use_is_refused_and_the_old_configuration_stays(edge, backend, site):
    sites = [site("acme", backend("for acme"))]
    good = render(sites, edge.settings())
    edge.nginx.apply(good)
    edge.start()

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Listen("127.0.0.1", other.getsockname()[1])
        both = edge.settings(listens=(Listen("127.0.0.1", edge.port), taken))
        with pytest.raises(GiveUp, match=r"bind\(\) to .* failed .*Address already in use"):
            edge.nginx.apply(render(sites, both))

    assert (edge.directory / "current.conf").read_text() == good
    assert edge.nginx.live_generation() == generation_of(good)
    assert edge.get("n8n.acme.example").status == 200


def test_two_changes_at_once_both_end_and_the_file_is_the_live_one(edge, backend, site):
    port = backend("all")
    edge.nginx.apply(render([site("acme", port)], edge.settings()))
    edge.start()
    outcomes: list[Applied] = []

    def change(name: str) -> None:
        text = render([site("acme", port), site(name, port)], edge.settings())
        outcomes.append(edge.nginx.apply(text))

    threads = [threading.Thread(target=change, args=(f"client{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert outcomes == [Applied.LIVE] * 4
    live = (edge.directory / "current.conf").read_text()
    assert edge.nginx.live_generation() == generation_of(live)


def test_a_change_under_way_makes_another_one_wait_and_then_say_so(edge, site):
    text = render([site("acme")], edge.settings())
    with edge.nginx._only_one(), pytest.raises(TryLater, match="another change of the edge"):
        Nginx(edge.directory, timeout_seconds=0.1).apply(text)


def test_nginx_that_takes_nothing_up_makes_it_try_later(edge, backend, site):
    good = render([site("acme", backend("for acme"))], edge.settings())
    edge.nginx.apply(good)
    edge.start()
    assert edge.process is not None

    os.kill(edge.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(TryLater, match="did not take up"):
            Nginx(edge.directory, timeout_seconds=1).apply(render([], edge.settings()))
        assert (edge.directory / "current.conf").read_text() == good
    finally:
        os.kill(edge.process.pid, signal.SIGCONT)


def test_a_restart_serves_what_was_placed_last(edge, backend, site):
    port = backend("all")
    edge.nginx.apply(render([site("acme", port)], edge.settings()))
    edge.start()
    edge.stop()
    assert not edge.nginx.is_running()

    assert edge.nginx.apply(render([site("bobs", port)], edge.settings())) is Applied.PLACED
    edge.start()
    assert edge.nginx.is_running()
    assert edge.get("n8n.bobs.example").status == 200
    assert edge.get("n8n.acme.example").status == 404


def test_it_starts_again_after_a_kill(edge, backend, site):
    text = render([site("acme", backend("for acme"))], edge.settings(workers=1))
    edge.nginx.apply(text)
    edge.start()
    assert edge.process is not None
    master = edge.process.pid
    workers = map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())
    for pid in (master, *workers):
        os.kill(pid, signal.SIGKILL)
    edge.process.wait(10)

    assert not edge.nginx.is_running()
    edge.start()
    assert edge.get("n8n.acme.example").status == 200


def test_a_second_nginx_in_the_same_directory_is_refused(edge, site):
    edge.nginx.apply(render([site("acme")], edge.settings()))
    edge.start()

    second = subprocess.run(edge.nginx.start_command(), capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert second.stderr == f"the edge in {edge.directory} is already running\n"
    assert edge.nginx.live_generation() is not None


def test_old_releases_are_removed(edge, site):
    for number in range(8):
        edge.nginx.apply(render([site(f"client{number}")], edge.settings()))

    releases = sorted((edge.directory / "releases").iterdir())
    assert [release.name[:8] for release in releases] == [f"{n:08d}" for n in range(4, 9)]
    assert (edge.directory / "current.conf").resolve() == releases[-1]


def test_it_rotates_logs_that_have_grown(edge, backend, site):
    edge.nginx.apply(render([site("acme", backend("for acme"))], edge.settings()))
    edge.start()
    log = edge.directory / "logs" / "access.log"

    assert not edge.nginx.rotate_logs(max_bytes=10**6)
    for _ in range(4):
        edge.get("n8n.acme.example")
        wait_for(lambda: log.stat().st_size > 0)
        assert edge.nginx.rotate_logs(max_bytes=10, keep=2)
        wait_for(log.exists)
    edge.get("n8n.acme.example")
    wait_for(lambda: log.stat().st_size > 0)

    assert sorted(each.name for each in log.parent.glob("access.log*")) == [
        "access.log",
        "access.log.1",
        "access.log.2",
    ]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_directory_that_nginx_cannot_enter_is_refused(edge, site, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)  # only a root master drops to another user
    edge.directory.chmod(0o700)
    with pytest.raises(GiveUp, match=f"cannot enter {edge.directory}: allow it"):
        edge.nginx.apply(render([site("acme")], edge.settings()))
    assert not (edge.directory / "current.conf").exists()


def test_a_missing_nginx_is_said_in_one_sentence(edge, site):
    with pytest.raises(GiveUp, match=r"^nginx-none is not installed on the edge's server$"):
        Nginx(edge.directory, binary="nginx-none").apply(render([site("acme")], edge.settings()))
