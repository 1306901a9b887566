"""A fleet to measure pages with: never in a database that somebody uses."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from hosting.services.generating import generated_fleet
from hosting.services.generating.generated_fleet import Size
from tenants.errors import Refused


class Command(BaseCommand):
    """Clients, instances and their rollups, made up; nothing of it ever runs."""

    help = "Fill an empty database with 1,000 clients, 5,000 instances and a year of rollups."

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = Size()
        parser.add_argument("--clients", type=int, default=usual.clients)
        parser.add_argument("--instances", type=int, default=usual.instances, help="of each client")
        parser.add_argument(
            "--largest", type=int, default=usual.largest, help="instances of the largest client"
        )
        parser.add_argument("--days", type=int, default=usual.days, help="of rollups by day")
        parser.add_argument(
            "--quarters", type=int, default=usual.quarters, help="days of rollups by quarter"
        )
        parser.add_argument(
            "--hours", type=int, default=usual.hours, help="of single readings and looks"
        )
        parser.add_argument(
            "--among-real", action="store_true", help="also where there are instances already"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("clients", "instances", "largest", "days", "quarters", "hours")
        if any(options[each] < 1 for each in names):
            raise CommandError("Each of the numbers has to be at least 1.")
        try:
            generated_fleet.refuse_real(is_told=options["among_real"])
        except Refused as refusal:
            raise CommandError(refusal.message) from refusal
        size = Size(**{each: options[each] for each in names})
        generated_fleet.generate(size=size, now=timezone.now(), say=self.stdout.write)
