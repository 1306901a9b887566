"""``manage.py rotate_keys``: put everything under new keys while Berth runs."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tenants.crypto import DecryptionError, encrypted_fields, verify_master_key
from tenants.crypto.master import keyring
from tenants.models import KeyRotation
from tenants.services import keys
from tenants.services.actors import Actor

ACTOR = Actor.system("rotate_keys")


class Command(BaseCommand):
    """Re-wraps, and with ``--data-keys`` re-encrypts; run again to go on after an interruption."""

    help = (
        "Re-wraps every data key under the first key of BERTH_MASTER_KEY. First give every process"
        " the new key in front of the old one; when this command says so, remove the old one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options."""
        parser.add_argument(
            "--data-keys",
            action="store_true",
            help="also give every client a new data key and re-encrypt its values under it",
        )
        parser.add_argument("--batch", type=int, default=100, help="rows a transaction")

    def handle(self, *args: Any, **options: Any) -> None:
        """Everything that is left to do; CommandError where something could not be read."""
        if options["batch"] < 1:
            raise CommandError("--batch must be 1 or more.")
        verify_master_key()
        self._failures: list[str] = []
        self._rewrap(options["batch"])
        if options["data_keys"]:
            self._renew(options["batch"])
        self._remove_replaced()
        if self._failures:
            raise CommandError(f"{len(self._failures)} could not be read; their old keys are kept.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _fail(self, failures: tuple[str, ...]) -> None:
        self._failures += failures
        for each in failures:
            self.stderr.write(each)

    def _rewrap(self, size: int) -> None:
        done, skip = 0, frozenset[UUID]()
        while remaining := keys.under_older_master_keys().exclude(pk__in=skip).count():
            batch = keys.rewrap_batch(size=size, skip=skip)
            self._fail(batch.failures)
            done, skip = done + batch.done, skip | batch.failed
            remaining -= batch.done + len(batch.failed)
            self._say(
                f"{done} data keys re-wrapped under “{keyring().newest.id}”, {remaining} to go"
            )
            if not batch.done and not batch.failed:
                time.sleep(0.2)  # the rest is in the hands of another rotate_keys
        released = keys.finish_rewrap(count=done, actor=ACTOR)
        self._say(f"Every readable data key is under “{keyring().newest.id}”.")
        if released:
            self._say(
                f"Nothing needs {', '.join(released)} any more: remove it from BERTH_MASTER_KEY."
            )

    def _renew(self, size: int) -> None:
        rotation, resumed = keys.begin_renewal(actor=ACTOR)
        self._say("An interrupted rotation goes on." if resumed else "A new rotation begins.")
        failed_before = len(self._failures)
        self._renew_keys(rotation, size)
        for model, fields in encrypted_fields():
            after: UUID | None = None
            done = 0
            while batch := keys.reencrypt_batch(
                model=model, fields=fields, after_pk=after, size=size
            ):
                self._fail(batch.failures)
                after, done = batch.last_pk, done + batch.done
                left = model._base_manager.filter(pk__gt=after).count()
                name = model._meta.verbose_name_plural
                self._say(f"{name}: {done} values re-encrypted, {left} rows to go")
        if len(self._failures) == failed_before:
            keys.finish_renewal(rotation=rotation, actor=ACTOR)
            self._say("Every value is under its client's newest data key.")

    def _renew_keys(self, rotation: KeyRotation, size: int) -> None:
        while clients := list(keys.without_new_key(rotation=rotation)[:size]):
            for client in clients:
                keys.renew(client=client, rotation=rotation)
            remaining = keys.without_new_key(rotation=rotation).count()
            self._say(f"{len(clients)} clients have a new data key, {remaining} to go")

    def _remove_replaced(self) -> None:
        try:
            removed = keys.remove_replaced(now=timezone.now(), actor=ACTOR)
        except DecryptionError as error:  # whose value that is, and what it needs, is not known
            self._fail((f"No replaced data key is removed: {error}",))
            return
        if removed:
            self._say(f"{removed} replaced data keys that nothing needs were removed.")
        kept = keys.replaced(now=timezone.now() + keys.KEEP_REPLACED).count()
        if kept:
            self._say(
                f"{kept} replaced data keys are kept: still in use, or replaced within the hour."
            )
