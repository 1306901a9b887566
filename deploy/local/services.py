#!/usr/bin/env python3
"""Run a command with a private PostgreSQL, a private Redis and a Docker Engine beside it.

    python deploy/local/services.py run [--no-docker] [--scope NAME] -- COMMAND...

Whatever DATABASE_URL, REDIS_URL or a running Docker Engine provide already is used; the rest is
started, and stopped again when the last command that needs it has ended. Data, ports and
passwords stay in var/ (in var/NAME/ for a scope), logs in var/log/.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from berth_local import engine, keeper, lease, supervisor
from berth_local.engine import Engine
from berth_local.environment import development_environment
from berth_local.errors import LocalError
from berth_local.layout import Layout
from berth_local.postgres import Postgres
from berth_local.redis import Redis
from berth_local.service import Service


def main(arguments: Sequence[str]) -> int:
    """Parse the command line and do what it says; the exit status is the command's."""
    options = _parser().parse_args(arguments)
    try:
        layout = Layout(options.scope)
        if options.action == "keep":
            _keep(_services(layout, options.private_engine)[options.service])
        return _run(layout, options)
    except LocalError as error:
        print(f"berth: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="services.py", description=(__doc__ or "").split("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="run a command with the services")
    run.add_argument("--no-docker", action="store_true", help="the command needs no Docker Engine")
    run.add_argument("--grace", type=float, default=30.0, metavar="SECONDS")
    keep = actions.add_parser("keep", help="keep one service (started by run)")
    keep.add_argument("service", choices=["postgres", "redis", "dockerd"])
    for action in (run, keep):
        action.add_argument("--scope", default="", help="use var/SCOPE/ instead of var/")
        action.add_argument(
            "--private-engine",
            type=Path,
            metavar="DIRECTORY",
            help="start a Docker Engine without networking in a directory, beside any other",
        )
    run.add_argument("command", nargs="+", help="the command and its arguments, after --")
    return parser


def _services(layout: Layout, private_engine: Path | None) -> dict[str, Service]:
    return {
        "postgres": Postgres(layout),
        "redis": Redis(layout),
        "dockerd": Engine(layout, private_engine.resolve() if private_engine else None),
    }


def _keep(service: Service) -> None:
    """Be the keeper of a service; ends the process, see keeper.keep."""
    os._exit(keeper.keep(service, []))


def _run(layout: Layout, options: argparse.Namespace) -> int:
    services = _services(layout, options.private_engine)

    def take_leases(leases: list[lease.Lease]) -> dict[str, str]:
        for service in _needed(services, options, leases):
            leases.append(lease.take(service, options=_keeper_options(options)))
        provided = {name: value for one in leases for name, value in one.environment.items()}
        return {**development_environment(layout), **provided}

    return supervisor.run(options.command, take_leases=take_leases, grace=options.grace)


def _needed(
    services: dict[str, Service], options: argparse.Namespace, leases: list[lease.Lease]
) -> list[Service]:
    """The services to take; a Docker Engine that a keeper keeps already is taken here."""
    needed = []
    if not options.no_docker:
        if joined := lease.join(services["dockerd"]):
            leases.append(joined)
        elif options.private_engine or engine.must_start():
            needed.append(services["dockerd"])
    if not os.environ.get("DATABASE_URL"):
        needed.append(services["postgres"])
    if not os.environ.get("REDIS_URL"):
        needed.append(services["redis"])
    return needed


def _keeper_options(options: argparse.Namespace) -> list[str]:
    chosen = ["--scope", options.scope] if options.scope else []
    if options.private_engine:
        chosen += ["--private-engine", str(options.private_engine.resolve())]
    return chosen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
