"""The edge's process."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hosting.engines.nginx import Nginx
from hosting.flows.running import edge


class Command(BaseCommand):
    """Puts the configuration in place and becomes nginx, in the foreground."""

    help = "Run the edge: nginx with the configuration that the database says."

    def handle(self, *args: Any, **options: Any) -> None:
        edge.publish()
        command = Nginx(settings.BERTH_EDGE_DIR).start_command()
        os.execvp(command[0], command)  # noqa: S606  (our own command, no shell of a user's)
