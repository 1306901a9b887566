"""An instance's page says what the last looks at it showed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from hosting.models import ContainerHealth, Health, Instance

Order = Callable[..., Instance]
pytestmark = pytest.mark.usefixtures("memory_server")


def test_how_the_app_and_its_containers_stand(root: Browser, order: Order) -> None:
    book = order()
    page = reverse("admin:hosting_instance_change", args=[book.pk])
    assert "Last look" not in root.get(page).content.decode()
    now = timezone.now()
    health = Health.objects.create(
        instance=book, at=now, is_up=True, is_answering=True, status=200, ms=23
    )
    containers = ContainerHealth.objects.create(
        instance=book, at=now, is_well=False, running=1, total=2, faults="<b>web</b> exited (137)"
    )
    html = root.get(page).content.decode()
    assert "It answered in 23 ms" in html
    assert "1 of 2 running: &lt;b&gt;web&lt;/b&gt; exited (137)" in html
    health.is_up, health.error = False, "It answered 502."
    health.save()
    containers.delete()
    html = root.get(page).content.decode()
    assert "It answered 502." in html
    assert "Containers" not in html
