"""Take over rates of language models from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.services.metering import rate_files, rates
from tenants.errors import Refused
from tenants.services.actors import Actor


class Command(BaseCommand):
    """All rates of the file, or none; what was used of their models is priced anew."""

    help = "Import rates from a CSV file (model,starts_on,currency,input,output,cached) or JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", type=Path, help="ends in .csv or .json; prices a million tokens"
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if file.suffix not in (".csv", ".json"):
            raise CommandError("The file's name must end in .csv or .json.")
        try:
            text = file.read_text(encoding="utf-8")
            found = rate_files.read(text, is_json=file.suffix == ".json")
            made, changed = rates.import_all(rates=found, actor=Actor.system("import_rates"))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} can't be read: {error}") from error
        except Refused as refused:
            raise CommandError(f"{refused.message} Nothing was imported.") from refused
        same = len(found) - made - changed
        self.stdout.write(f"{made} made, {changed} changed, {same} as they were.")
