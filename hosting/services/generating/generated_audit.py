"""The audit log of a fleet that never ran, written as everybody else writes it."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from hosting.models import Instance
from tenants.services import audit
from tenants.services.actors import Actor

AUTHOR = Actor.system("generate_fleet")
ACTIONS = ("instance.ordered", "instance.restarted")
AT_ONCE = 500  # instances whose events are one transaction


def write(*, say: Callable[[str], None]) -> None:
    """The same few events of each instance. One by one, as each holds the hash of the last."""
    theirs = Instance.objects.filter(
        server__name__startswith="generated-", purpose=Instance.Purpose.CLIENT
    )
    instances = list(theirs.select_related("client").defer("definition").order_by("pk"))
    for first in range(0, len(instances), AT_ONCE):
        with transaction.atomic():
            for instance in instances[first : first + AT_ONCE]:
                for action in ACTIONS:
                    audit.record(
                        action=action,
                        actor=AUTHOR,
                        client=instance.client,
                        obj=instance,
                        after={"version": instance.version},
                    )
    say(f"{len(instances) * len(ACTIONS)} events of the audit log")
