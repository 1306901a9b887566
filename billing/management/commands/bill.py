"""``manage.py bill``: one round of billing, now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from billing.services.invoicing import runs


class Command(BaseCommand):
    """Draft what is due and issue what has waited; safe to run at any time, and twice."""

    help = "Draft what is due and issue what has waited long enough."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many clients at once, and as of when."""
        parser.add_argument("--at-once", type=int, default=100, metavar="CLIENTS")
        parser.add_argument(
            "--now", type=parse_datetime, metavar="MOMENT", help="an earlier one: 2026-02-01T00:00Z"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Bill, and say what came of it."""
        now = timezone.now()
        if options["now"] is not None:
            now = min(now, options["now"])
        run = runs.bill_due(now=now, at_once=options["at_once"])
        if run is None:
            self.stdout.write("Nothing is due.")
            return
        self.stdout.write(
            f"{run.drafted} drafted, {run.issued} issued, {run.refused} clients have to wait."
        )
