"""The whole path on the real parts: a client's own n8n, proven, from one command."""

from __future__ import annotations

import os
import sys
import time
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from hosting.flows.engines import engine_for
from hosting.flows.stacks import readiness_path, readiness_type
from hosting.flows.working import runner
from hosting.management.demo import proof, screen, story, surroundings
from hosting.management.demo.processes import Processes, commands
from hosting.management.demo.surroundings import Surroundings
from hosting.models import Operation, Server
from hosting.selectors.instances import public_url

_CONFIGURED = "BERTH_DEMO_CONFIGURED"  # set once the environment has been completed
_ENDPOINT = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


class Command(BaseCommand):
    """``make demo``, ``make demo ONCE=1`` and ``make demo-clean``."""

    requires_system_checks = ()  # the firewall that they miss is set on the way
    help = "Bring up the client Acme with an n8n of its own, prove that it works, and serve."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="exit after the proof")
        parser.add_argument("--clean", action="store_true", help="remove everything it made")

    def handle(self, *args: Any, **options: Any) -> None:
        directory = settings.BASE_DIR / "var"
        here = surroundings.recall(directory)
        if _CONFIGURED not in os.environ:
            _complete_environment(here, building=not options["clean"])
        call_command("migrate", verbosity=0)
        console = Console()
        try:
            if options["clean"]:
                _clean(console)
            else:
                _demonstrate(console, here, directory / "log", once=options["once"])
        except KeyboardInterrupt:
            console.print("\nStopping.")
        except (RuntimeError, proof.ProofFailed) as error:
            raise CommandError(str(error)) from error


def _complete_environment(here: Surroundings, *, building: bool) -> None:
    """Start over with the variables set that settings are read from."""
    prefix, sentence = (
        surroundings.choose_images(settings.BASE_DIR) if building else ("", "Cleaning up.")
    )
    print(sentence, flush=True)
    environment = {**here.environment(prefix), _CONFIGURED: "1"}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606  (ourselves)


def _demonstrate(console: Console, here: Surroundings, logs: Path, *, once: bool) -> None:
    began = time.monotonic()
    story.staff(here)
    plan = story.plans()
    story.server(_ENDPOINT)
    client = story.acme(here)
    with Processes(commands(here.web_port), base=settings.BASE_DIR, logs=logs) as processes:
        portal = f"localhost:{here.web_port}"
        processes.wait_for(f"http://127.0.0.1:{here.web_port}/account/login/", host=portal)
        instance, operation = story.bring_up(client, plan)
        if operation is not None:
            _expect_success(screen.follow(console, operation, processes.fallen))
        instance.refresh_from_db()
        url = public_url(instance)
        edge = f"http://{settings.BERTH_EDGE_ADDRESS}:{settings.BERTH_EDGE_PORT}"
        host = urlsplit(url).netloc
        processes.wait_for(
            f"{edge}{readiness_path(instance)}", host=host, media_type=readiness_type(instance)
        )
        shown = proof.prove(instance, edge=edge, host=host, password=here.app_password)
        screen.show_proof(console, shown)
        screen.show_addresses(console, _addresses(here, url))
        console.print(f"\nReady after {time.monotonic() - began:.1f} s.")
        if not once:
            _serve(console, processes)


def _expect_success(operation: Operation) -> None:
    if operation.state != Operation.State.SUCCEEDED:
        raise RuntimeError(
            f"“{operation.get_kind_display()}” {operation.get_state_display().lower()}:"
            f" {operation.reason}"
        )


def _addresses(here: Surroundings, url: str) -> list[tuple[str, str, str, str]]:
    portal = f"http://localhost:{here.web_port}"
    return [
        ("Acme's n8n", url, story.MEMBER, here.app_password),
        ("Acme's dashboard", f"{portal}/", story.MEMBER, here.member_password),
        ("Staff admin", f"{portal}/admin/", story.STAFF, here.staff_password),
    ]


def _serve(console: Console, processes: Processes) -> None:
    console.print("Serving until Ctrl-C.")
    while True:
        if fallen := processes.fallen():
            raise RuntimeError(fallen)
        time.sleep(1)


def _clean(console: Console) -> None:
    """Delete the instances the ordinary way, then whatever else carries the owner's label."""
    story.server(_ENDPOINT)  # known again, should the database have been lost
    for operation in story.clean():
        runner.run(uuid.UUID(operation))
    for server in Server.objects.filter(engine=Server.EngineKind.DOCKER):
        engine = engine_for(server)
        for left in engine.observe_all(settings.BERTH_OWNER):
            engine.remove(left, with_volumes=True)
    console.print("Nothing of the demonstration is left in the engine.")
