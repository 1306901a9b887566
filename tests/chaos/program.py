"""Running one of the programs against an installation of its own."""

from __future__ import annotations

import argparse
import importlib
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import django

from berth_local.processes import die_with_parent
from tests.chaos.installation import Installation, installation

PROGRAMS = {
    "every-step": "kill the worker at every moment of every step of every kind of operation, and"
    " before every call that changes something on the engine",
    "parts": "kill Redis, PostgreSQL or the Docker Engine under ten provisions (--part)",
    "two-workers": "pause a worker past its lease, and let it go on beside another",
    "campaign": "everything at random, for a while (--seed, --minutes)",
}


def run(arguments: Sequence[str]) -> int:
    """Run the program that the arguments name; its exit code."""
    options = _parser().parse_args(arguments)
    die_with_parent(os.getppid())
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, _told)
    for name in [name for name in os.environ if name.startswith("BERTH_")]:
        del os.environ[name]  # what the caller's own installation is told is not for this one
    began = time.monotonic()
    with installation() as made:
        well = _run(made, options)
    print(f"{options.program}: {'held' if well else 'FAILED'}, {time.monotonic() - began:.0f} s")
    return 0 if well else 1


def _run(made: Installation, options: argparse.Namespace) -> bool:
    if options.part == "engine":
        made.environment["BERTH_FIREWALL"] = "0"  # it would be the machine's, not the engine's
    os.environ.update(made.environment)
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    # Only now: what they import needs Django's settings.
    program = importlib.import_module(f"tests.chaos.{options.program.replace('-', '_')}")
    well = False
    try:
        well = bool(program.main(made, options))
    finally:
        if not well:
            print(made.log_tails())
        sys.stdout.flush()
    return well


def _parser() -> argparse.ArgumentParser:
    programs = "; ".join(f"{name}: {what}" for name, what in PROGRAMS.items())
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=programs)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("--part", choices=("redis", "postgres", "engine"), default="redis")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", default="", help="only this kind of operation")
    parser.add_argument("--instants", action="store_true", help="pause at some instants too")
    return parser


def _told(signum: int, _frame: FrameType | None) -> NoReturn:
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)  # what has begun to be tidied up is tidied up
    sys.exit(128 + signum)
