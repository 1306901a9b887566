"""From order to usable: Berth beside Compose, on the same images, limits and machine.

Each round takes one instance through Berth (order, doorbell, a Celery worker, the engine, the edge)
and the same stack through Debian's docker-compose, one after the other, each removed before the
next; who goes first changes from round to round, and a first instance has warmed the caches.
Berth's time ends when the operation has succeeded, which is after the app answered through the
edge; Compose's ends when the same app can be used, by the same readiness command in the same
container. An answer alone is not that: while n8n migrates its database it answers 200 to every
path, with "n8n is starting up. Please wait". When that first answer came is shown too. Compose
waits for Docker to run its health checks, whose interval is the catalog file's; the second peer
column is the same file with every interval cut to one second.

    make bench ARGS="--rounds 3 --app guestbook --app n8n"
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE))
_HERE = Path(tempfile.mkdtemp(prefix="berth-bench-"))
_HERE.chmod(0o755)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")
os.environ["BERTH_CATALOG_DIRS"] = str(BASE / "tests" / "catalog")
os.environ["BERTH_OWNER"] = f"bench-{uuid.uuid4().hex[:6]}"
os.environ["BERTH_EDGE_DIR"] = str(_HERE / "edge")
os.environ["BERTH_EDGE_PORT"] = "18080"
os.environ.setdefault("BERTH_IMAGE_PREFIX", "berth.local")

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402

from hosting.catalog.compose import to_compose  # noqa: E402
from hosting.config.celery import app as celery  # noqa: E402
from hosting.engines import probe  # noqa: E402
from hosting.flows import stacks  # noqa: E402
from hosting.management.demo.processes import Processes, commands  # noqa: E402
from hosting.models import Instance, Operation, Plan, Server  # noqa: E402
from hosting.services import instances  # noqa: E402
from tenants.models import Client  # noqa: E402
from tenants.services import clients  # noqa: E402
from tenants.services.actors import Actor  # noqa: E402

ACTOR = Actor.system("bench")
PEERS = {"Compose": None, "Compose, 1 s checks": "1s"}  # the interval of the health checks
GIVE_UP_AFTER_SECONDS = 300
PAUSE_SECONDS = 0.02
PAUSE_OF_COMMANDS_SECONDS = 0.2  # each takes CPU from the container that it asks


def main() -> None:
    """Run the rounds and print the medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--app", action="append", help="guestbook and n8n if not given")
    options, _ = parser.parse_known_args()
    call_command("migrate", verbosity=0)
    client, plan = _surroundings()
    processes = {n: c for n, c in commands(0).items() if n in ("edge", "worker", "scheduler")}
    with Processes(processes, base=BASE, logs=_HERE / "log") as running:
        running.wait_for(
            "http://127.0.0.1:18080/", host="nobody.example", until=lambda p: p.status == 404
        )
        _until(lambda: bool(celery.control.ping(timeout=0.5)))  # it is there, as Docker is
        for app in options.app or ["guestbook", "n8n"]:
            _rounds(app, client, plan, options.rounds)


def _surroundings() -> tuple[Client, Plan]:
    mark = uuid.uuid4().hex[:6]
    Server.objects.update(availability=Server.Availability.CORDONED)
    Server.objects.create(
        name=f"bench-{mark}", cpus=Decimal(64), memory_mb=256 * 1024, disk_gb=1000
    )
    plan = Plan.objects.create(
        slug=f"bench-{mark}",
        name="Bench",
        cpus=Decimal(min(4, os.cpu_count() or 1)),  # an engine refuses more than it has
        memory_mb=3072,
        disk_gb=10,
    )
    return clients.create(name="Bench", slug=f"bench-{mark}", actor=ACTOR), plan


def _rounds(app: str, client: Client, plan: Plan, rounds: int) -> None:
    times: dict[str, list[float]] = {"Berth": [], **{peer: [] for peer in PEERS}}
    first: dict[str, list[float]] = {peer: [] for peer in PEERS}
    steps: dict[str, list[float]] = {}
    model = _model(app, client, plan)

    def berth(number: int) -> None:
        instance = _ordered(app, client, plan, f"{app}-{number}")
        times["Berth"].append(_ended(instance))
        for name, took in _steps(instance):
            steps.setdefault(name, []).append(took)
        instances.delete(instance=instance, confirmation=instance.name, actor=ACTOR)
        _ended(instance)

    def compose(peer: str) -> None:
        answered, usable = _compose(model, PEERS[peer])
        first[peer].append(answered)
        times[peer].append(usable)

    for number in range(rounds):
        order = list(times)
        # Each begins a round in turn: whoever comes later finds more in the machine's caches.
        for who in [*order[number % len(order) :], *order[: number % len(order)]]:
            if who == "Berth":
                berth(number)
            else:
                compose(who)
    instances.delete(instance=model, confirmation=model.name, actor=ACTOR)
    _ended(model)
    _show(app, times)
    for peer, times_of in first.items():
        print(f"  {peer}: answered first after {statistics.median(times_of):.2f} s")
    print(
        "  Berth's steps: " + ", ".join(f"{n} {statistics.median(s):.2f}" for n, s in steps.items())
    )


def _model(app: str, client: Client, plan: Plan) -> Instance:
    """The instance whose stack Compose runs; it warms the caches for all, and is then stopped."""
    model = _ordered(app, client, plan, f"{app}-model")
    _ended(model)
    instances.stop(instance=model, actor=ACTOR)
    _ended(model)
    return model


def _ordered(app: str, client: Client, plan: Plan, name: str) -> Instance:
    return instances.order(client=client, app=app, plan=plan.slug, name=name, actor=ACTOR)


def _ended(instance: Instance) -> float:
    """Seconds from the request of the newest operation to its end."""
    operation = instance.operations.order_by("-requested_at")[0]
    _until(lambda: not _fresh(operation).is_active)
    operation = _fresh(operation)
    if operation.state != Operation.State.SUCCEEDED or operation.finished_at is None:
        raise SystemExit(f"{operation}: {operation.state}, {operation.reason}")
    instance.refresh_from_db()
    return (operation.finished_at - operation.requested_at).total_seconds()


def _steps(instance: Instance) -> list[tuple[str, float]]:
    """The seconds that each step of the newest operation took, in order."""
    operation = instance.operations.order_by("-requested_at")[0]
    return [
        (each.name, (each.finished_at - each.started_at).total_seconds())
        for each in operation.steps.order_by("position")
        if each.started_at is not None and each.finished_at is not None
    ]


def _fresh(operation: Operation) -> Operation:
    return Operation.objects.get(pk=operation.pk)


def _compose(instance: Instance, interval: str | None) -> tuple[float, float]:
    """Seconds until the same stack under docker-compose answers, and until it can be used.

    It is removed again.
    """
    stack = stacks.build(instance)
    file, secrets = to_compose(stack)
    if interval:
        for service in file["services"].values():
            if "healthcheck" in service:
                service["healthcheck"]["interval"] = interval
    project = f"{os.environ['BERTH_OWNER']}-compose"
    with tempfile.TemporaryDirectory(dir=_HERE) as directory, ExitStack() as afterwards:
        folder = Path(directory)
        folder.chmod(0o755)
        (folder / "docker-compose.yml").write_text(json.dumps(file))
        (folder / "secrets").mkdir()
        for name, value in secrets.items():
            (folder / name).write_text(value)
        compose = ["docker-compose", "--project-name", project]
        afterwards.callback(_run, [*compose, "down", "--volumes", "--timeout", "1"], folder)
        began = time.monotonic()
        _run([*compose, "up", "--detach"], folder)
        web = _container_of_web(instance, project)
        url = f"http://{_address(web)}:{instance.web_port}{stacks.readiness_path(instance)}"
        _until(lambda: probe.http(url, host="localhost").is_ok)
        answered = time.monotonic() - began
        readiness = stack.service(stacks.definition(instance).berth.web.service).readiness
        command = readiness.command if readiness else ("true",)
        _until(lambda: _succeeds(["docker", "exec", web, *command]), PAUSE_OF_COMMANDS_SECONDS)
        return answered, time.monotonic() - began


def _container_of_web(instance: Instance, project: str) -> str:
    web = stacks.definition(instance).berth.web.service
    containers = _run(
        ["docker", "ps", "-q", "--filter", f"label=com.docker.compose.project={project}",
         "--filter", f"label=com.docker.compose.service={web}"], BASE,
    )  # fmt: skip
    return containers.split()[0]


def _address(container: str) -> str:
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return _run(["docker", "inspect", "-f", form, container], BASE).split()[0]


def _succeeds(command: list[str]) -> bool:
    done = subprocess.run(command, check=False, capture_output=True, timeout=600)
    return done.returncode == 0


def _run(command: list[str], folder: Path) -> str:
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, timeout=600
    ).stdout


def _until(condition: Callable[[], bool], pause: float = PAUSE_SECONDS) -> None:
    deadline = time.monotonic() + GIVE_UP_AFTER_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"Nothing came of it within {GIVE_UP_AFTER_SECONDS} s.")
        time.sleep(pause)


def _show(app: str, times: dict[str, list[float]]) -> None:
    ours = statistics.median(times["Berth"])
    rounds = len(times["Berth"])
    print(f"\nFrom order to usable, {app}, median of {rounds} (load {os.getloadavg()[0]:.1f})")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        each = ", ".join(f"{second:.2f}" for second in seconds)
        print(f"  {name:<20} {median:7.2f} s  ({each})  ratio {ours / median:.2f}")


if __name__ == "__main__":
    main()
