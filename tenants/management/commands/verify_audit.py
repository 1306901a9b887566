"""``manage.py verify_audit``: prove that the audit log is whole."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.selectors import audit_chain


class Command(BaseCommand):
    """Exit code 1 and one sentence on the first event that does not fit."""

    help = (
        "Reads the whole audit log and names the first altered or missing event. Keep the printed"
        " head outside of this database: a log put back to an older state does not have it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the count, the time and the head."""
        started = time.monotonic()
        verdict = audit_chain.verify()
        seconds = time.monotonic() - started
        self.stdout.write(f"{verdict.events} events in {seconds:.2f} s")
        self.stdout.write(f"head: {verdict.head_sequence} {verdict.head_hash}")
        if verdict.problem:
            raise CommandError(verdict.problem)
        self.stdout.write(self.style.SUCCESS("The audit log is whole."))
