"""The Celery application: a doorbell for work that the database holds.

Messages carry an id and nothing else; whatever is lost here is rung for again by the sweeper. See
docs/architecture.md.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")
for scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[scheme] = "hosting.config.broker:Transport"

app = Celery("berth")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def _refuse_a_wrong_master_key(**signal: Any) -> None:
    """End with one sentence rather than fail at every secret. Celery swallows other exceptions."""
    from tenants.crypto import MasterKeyError, verify_master_key

    try:
        verify_master_key()
    except MasterKeyError as error:
        raise SystemExit(str(error)) from error
