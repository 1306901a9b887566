"""Using the guestbook from inside its container, and having it saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hosting.models import Backup, Instance, Operation
from hosting.services.saving import backups
from tenants.services.actors import Actor
from tests.journeys.inside import Inside

# Speaks to the app the way a browser does; what it wrote is signed with the app's own key.
ASK = """
import sys, urllib.request
body = sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request("http://127.0.0.1:8000" + sys.argv[1], body)
request.add_header("Content-Type", "application/json")
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


def write(instance: Instance, text: str) -> None:
    """Sign it into the book."""
    _ask(instance, "/entries", json.dumps({"text": text}))


def read(instance: Instance) -> list[str]:
    """The entries, which all have to be signed with the key that the app has now."""
    entries = _ask(instance, "/entries")["entries"]
    assert all(each["verified"] for each in entries)
    journal = Inside(instance).run("web", "cat", "/data/journal.txt").splitlines()
    texts = [each["text"] for each in entries]
    assert [line.split()[-1].strip("'") for line in journal] == texts
    return texts


def back_up(instance: Instance, work_off: Callable[[Instance], Operation], actor: Actor) -> Backup:
    """A proven backup of it."""
    backup = backups.request(instance=instance, actor=actor)
    assert done(work_off(instance)) == Operation.State.SUCCEEDED
    backup.refresh_from_db()
    return backup


def done(operation: Operation) -> str:
    """The operation's state, with the reason where a failure would be a riddle."""
    operation.refresh_from_db()
    print(operation, operation.state, operation.reason)
    return operation.state


def _ask(instance: Instance, *words: str) -> Any:
    return json.loads(Inside(instance).run("web", "python3", "-c", ASK, *words))
