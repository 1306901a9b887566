"""Tests of deploy/local/services.py on real servers."""

import json
import os
import shlex
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from tests.local.checkout import Checkout, wait_for

PRINT_ENVIRONMENT = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")


def _announce(then: str = "exec sleep 300", *, first: str = ":") -> tuple[str, ...]:
    """A command that says its environment in one line and stays; ``first`` was done by then."""
    return ("sh", "-c", f"{first}; {shlex.join(PRINT_ENVIRONMENT)}; {then}")


def _first_line(process: object) -> dict[str, str]:
    line = process.stdout.readline()  # type: ignore[attr-defined]
    return dict(json.loads(line))


def test_it_exports_addresses_that_answer(checkout: Checkout) -> None:
    process = checkout.start(*_announce("read wait"))
    environment = json.loads(process.stdout.readline() if process.stdout else "")
    # stdin is empty, so the command has ended by now; a second run finds the same addresses.
    process.wait(60)
    probe = (
        "import os, psycopg, redis\n"
        "with psycopg.connect(os.environ['DATABASE_URL'], autocommit=True) as connection:\n"
        "    connection.execute('CREATE DATABASE another')\n"
        "    print(connection.execute('SELECT rolsuper FROM pg_roles WHERE rolname = "
        "current_user').fetchone())\n"
        "print(redis.from_url(os.environ['REDIS_URL']).ping())\n"
        "print(os.environ['DATABASE_URL'])\n"
    )
    done = checkout.run(sys.executable, "-c", probe)
    assert done.stdout.split() == ["(False,)", "True", environment["DATABASE_URL"]], done.stderr


def test_it_exports_development_values_that_stay_the_same(checkout: Checkout) -> None:
    first, second = (json.loads(checkout.run(*PRINT_ENVIRONMENT).stdout) for _ in range(2))
    names = ["BERTH_MASTER_KEY", "BERTH_SECRET_KEY", "DATABASE_URL", "REDIS_URL", "BERTH_DEBUG"]
    assert [first[name] for name in names] == [second[name] for name in names]
    assert first["BERTH_VAR_DIR"] == str(checkout.var)
    for name in ["master.key", "secret.key", "postgres.json", "redis.json"]:
        assert stat.S_IMODE((checkout.var / name).stat().st_mode) == 0o600


def test_it_has_python_compile_a_module_once_and_only_below_var(checkout: Checkout) -> None:
    modules = checkout.root / "deploy" / "local" / "berth_local"
    code = (
        f"import sys; sys.path.insert(0, {str(modules)!r}); import errors; print(errors.__cached__)"
    )
    compiled_at = []
    for scope in ("one", "two"):
        done = checkout.run(
            *("env", "--chdir=/", sys.executable, "-c", code),
            options=("--scope", scope),
            within=("env", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPYCACHEPREFIX="),
        )
        compiled = Path(done.stdout.strip())
        assert compiled.is_relative_to(checkout.var / "bytecode"), done.stderr
        compiled_at.append(compiled.stat().st_mtime_ns)
    assert compiled_at[0] == compiled_at[1]
    assert not [*modules.rglob("*.pyc")]


def test_it_returns_the_status_of_the_command(checkout: Checkout) -> None:
    assert checkout.run("sh", "-c", "exit 7").returncode == 7
    assert checkout.run("sh", "-c", "kill -9 $$").returncode == 128 + 9
    assert checkout.processes() == []


def test_it_says_that_there_is_no_such_command(checkout: Checkout) -> None:
    done = checkout.run("no-such-program")
    assert done.returncode == 1
    assert done.stderr == "berth: There is no program 'no-such-program'.\n"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_leaves_no_process_when_told_to_end(checkout: Checkout, signum: int) -> None:
    process = checkout.start(*_announce())
    _first_line(process)
    assert len(checkout.processes()) >= 6
    process.send_signal(signum)
    assert process.wait(30) == 128 + signum
    assert wait_for(lambda: not checkout.processes(), seconds=2), checkout.processes()


@pytest.mark.parametrize("victim", ["front", "supervisor", "both"])
def test_it_leaves_no_process_when_it_is_killed(checkout: Checkout, victim: str) -> None:
    mark = f"sleep 300.{os.getpid()}"
    process = checkout.start(*_announce(f"setsid {mark} & exec {mark}"))
    _first_line(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    pids = {"front": [process.pid], "supervisor": [int(children[0])]}
    for pid in pids.get(victim, pids["supervisor"] + pids["front"]):
        os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: not checkout.processes()), checkout.processes()
    if victim != "both":  # nobody is left then who could look for what left its session
        assert wait_for(lambda: not _running(mark))
    for pid in _running(mark):
        os.kill(pid, signal.SIGKILL)


def test_it_ends_what_the_command_left_running(checkout: Checkout) -> None:
    mark = f"sleep 301.{os.getpid()}"
    checkout.run("sh", "-c", f"setsid {mark} >/dev/null 2>&1 & exit 0")
    assert _running(mark) == []


def test_it_kills_a_command_that_does_not_listen(checkout: Checkout) -> None:
    command = _announce("while true; do sleep 1; done", first="trap '' TERM")
    process = checkout.start(*command, options=("--grace", "0.5"))
    _first_line(process)
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGKILL
    assert checkout.processes() == []


def test_a_second_run_uses_the_services_of_the_first(checkout: Checkout) -> None:
    first = checkout.start(*_announce())
    environment = _first_line(first)
    second = checkout.start(*_announce())
    assert _first_line(second)["DATABASE_URL"] == environment["DATABASE_URL"]
    assert len([line for line in checkout.processes() if "bin/postgres" in line]) == 1

    first.terminate()
    first.wait(30)
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert redis.from_url(environment["REDIS_URL"]).ping()

    second.terminate()
    second.wait(30)
    assert wait_for(lambda: not checkout.processes(), seconds=2)


def test_a_scope_has_services_of_its_own(checkout: Checkout) -> None:
    first = checkout.start(*_announce())
    second = checkout.start(*_announce(), options=("--scope", "other"))
    plain, scoped = _first_line(first), _first_line(second)
    assert scoped["BERTH_VAR_DIR"] == str(checkout.var / "other")
    for name in ["DATABASE_URL", "REDIS_URL", "BERTH_MASTER_KEY"]:
        assert plain[name] != scoped[name]


def test_it_says_when_a_service_stops_by_itself(checkout: Checkout) -> None:
    process = checkout.start(*_announce("sleep 3"))
    _first_line(process)
    os.kill(checkout.redis_pid(), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert "The private Redis stopped by itself" in err


def test_a_taken_port_is_named(checkout: Checkout, taken_port: int) -> None:
    checkout.run("true")
    record = checkout.var / "redis.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "port": taken_port}))
    done = checkout.run("true")
    assert done.returncode == 1
    assert f"Port {taken_port} of the private Redis is taken by another program" in done.stderr
    assert checkout.processes() == []


def test_a_server_that_does_not_start_shows_the_end_of_its_log(checkout: Checkout) -> None:
    checkout.run("true")
    data = Path(json.loads((checkout.var / "postgres.json").read_text())["data"])
    with (data / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    done = checkout.run("true")
    assert done.returncode == 1
    assert "The private PostgreSQL ended at once" in done.stderr
    assert "no_such_setting" in done.stderr


def test_a_checkout_that_postgres_cannot_enter_keeps_its_data_elsewhere(
    make_checkout: Callable[..., Checkout],
) -> None:
    checkout = make_checkout(mode=0o700)
    assert checkout.run("true").returncode == 0
    recorded = Path(json.loads((checkout.var / "postgres.json").read_text())["data"])
    # PostgreSQL runs as another user only where we are root.
    outside = Path("/var/lib/berth-local") if os.geteuid() == 0 else checkout.var
    assert recorded.is_relative_to(outside)
    assert (recorded / "PG_VERSION").exists()
    assert checkout.run("true").returncode == 0


@pytest.mark.docker
def test_it_starts_and_stops_a_docker_engine(checkout: Checkout) -> None:
    options = ("--private-engine", str(checkout.root / "engine"))
    ask = ("docker", "info", "--format", "{{.DockerRootDir}}")
    done = checkout.run(*ask, options=options, docker=True)
    assert done.stdout.strip() == str(checkout.root / "engine" / "data"), done.stderr
    assert checkout.processes() == []


@pytest.mark.docker
def test_a_private_engine_leaves_the_bridge_of_another_alone(checkout: Checkout) -> None:
    # A namespace stands for the machine, so that the real one's docker0 is never at stake.
    prepare = 'ip link set lo up && ip link add docker0 type bridge && exec "$@"'
    done = checkout.run(
        *("sh", "-c", "docker info --format {{.DockerRootDir}} && ip -o link show docker0"),
        options=("--private-engine", str(checkout.root / "engine")),
        docker=True,
        within=("unshare", "--net", "sh", "-c", prepare, "sh"),
    )
    assert done.returncode == 0, done.stderr
    assert str(checkout.root / "engine" / "data") in done.stdout
    assert "docker0" in done.stdout


def _running(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if command == mark.encode():
                found.append(int(entry.name))
    return found
