"""What tests of upgrades and rollouts in the admin share."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from hosting.models import Instance, Operation, Rehearsal, Upgrade

BEGIN = "admin:hosting_rollout_add"
WANTED = {
    "target": "guestbook 2",
    "wave_size": "2",
    "pause": "30",
    "most_failures": "1",
    "in_window": "on",
}


def berlin(at: datetime) -> time:
    """By Acme's clock."""
    return at.astimezone(ZoneInfo("Europe/Berlin")).time()


def upgraded(instance: Instance, **more: Any) -> Upgrade:
    """One that was done, of the whole app."""
    now = timezone.now()
    operation = Operation.objects.create(
        instance=instance,
        kind="upgrade",
        state="succeeded",
        requested_by_label="Berth (test)",
        finished_at=now,
    )
    values = {
        "operation": operation,
        "from_generation": 1,
        "to_generation": 2,
        "from_version": "1",
        "to_version": "2",
        "from_definition": {},
        "to_definition": {},
        "from_plan": instance.plan,
        "to_plan": instance.plan,
        "seconds": 12.0,
        "kept_until": now + timedelta(days=7),
    }
    return Upgrade.objects.create(**{**values, **more})


def rehearsed(instance: Instance) -> Rehearsal:
    """One that passed."""
    now = timezone.now()
    backup = instance.backups.create(
        trigger="nightly", taken_at=now, verified_at=now, manifest={"app": "guestbook"}
    )
    scratch = Instance.objects.create(
        client=instance.client,
        name=f"rehearsal-of-{instance.name}",
        app=instance.app,
        version="1",
        definition={},
        plan=instance.plan,
        server=instance.server,
        purpose="rehearsal",
        made_from=backup,
        state="deleted",
        deleted_at=now,
    )
    Operation.objects.create(
        instance=scratch,
        kind="rehearsal",
        state="succeeded",
        requested_by_label="Berth (rehearsals)",
        finished_at=now,
    )
    return Rehearsal.objects.create(
        backup=backup,
        scratch=scratch,
        to_version="2",
        to_definition={},
        to_plan=instance.plan,
        checks={"entries": {"wanted": ["7", "7"], "said": "7", "fits": True}},
        passed=True,
        seconds=41.2,
        ended_at=now,
    )


def change(row: Any) -> str:
    """The page of it."""
    return reverse(f"admin:hosting_{row._meta.model_name}_change", args=[row.pk])


def text(browser: Browser, path: str) -> str:
    """What is read on a page."""
    return plain(browser.get(path).content.decode())


def plain(page: str) -> str:
    """What is read on it: without tags and icons, in single spaces but those that never break."""
    said = re.sub(r'<span class="material-symbols[^>]*>[^<]*</span>', " ", page)
    words = re.sub(r"<[^>]+>", " ", said).replace("&#x27;", "'")
    return " ".join(re.split(r"[ \n]+", words))
