"""The Celery application: a doorbell for work that the database holds.

Messages carry an id and nothing else; whatever is lost here is rung for again by the sweeper. See
docs/architecture.md.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")

app = Celery("berth")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
