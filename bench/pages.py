"""How long pages take on the server with a whole fleet, each beside an empty Django view.

Needs a database that `manage.py generate_fleet` filled. Each page is asked for again and again in
one process, through all middleware: 95 of 100 answers took no longer than the figure. The same run
measures a view that does nothing, which is what the machine and Django take by themselves.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import django

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import Client as Browser  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import path, reverse  # noqa: E402

from hosting.config import urls  # noqa: E402
from hosting.models import Instance  # noqa: E402
from hosting.views.usage_charts import CHARTS  # noqa: E402
from tenants.models import User  # noqa: E402

GOAL_MS = 100
BACKEND = "django.contrib.auth.backends.ModelBackend"
ADMIN = (
    "index",
    "hosting_fleet",
    "hosting_instance_changelist",
    "hosting_operation_changelist",
    "hosting_backup_changelist",
    "hosting_server_changelist",
    "hosting_incident_changelist",
    "tenants_client_changelist",
    "tenants_user_changelist",
    "tenants_auditevent_changelist",
)


def main() -> int:
    """Print every page; 1 where one is slower than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=40, help="how often each page is asked for")
    times = parser.parse_args().times
    _prepare()
    if not Instance.objects.filter(server__name__startswith="generated-").exists():
        print("pages: no fleet here; run manage.py generate_fleet in an empty database first")
        return 0
    print(f"{Instance.objects.count()} instances; {times} times each; p95 beside p50, in ms")
    slow = []
    for name, browser, address in _pages():
        p50, p95, queries = _measure(browser, address, times)
        slow += [name] if p95 > GOAL_MS else []
        print(f"{name:44} {p95:8.1f} {p50:8.1f} {queries:4} queries", flush=True)
    print(f"slower than {GOAL_MS} ms: {', '.join(slow) or 'none'}")
    return 1 if slow else 0


def _prepare() -> None:
    """As in production, without what only a browser needs."""
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SECURE_SSL_REDIRECT = False
    settings.BERTH_METRICS_TOKEN = "bench"
    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
    )
    _add_empty_view(urls)


def _add_empty_view(module: ModuleType) -> None:
    def empty(request: HttpRequest) -> HttpResponse:
        return HttpResponse("")

    module.urlpatterns.insert(0, path("bench-empty", empty))


def _pages() -> list[tuple[str, Browser, str]]:
    running = Instance.objects.select_related("client").filter(state="running")
    instance = running[running.count() // 2]
    owner = _owner(instance)
    client, staff, scraper = _browser(owner), _browser(_root()), Browser()
    scraper.defaults["HTTP_AUTHORIZATION"] = "Bearer bench"
    slug, name = instance.client.slug, instance.name
    pages: list[tuple[str, Browser, str]] = [("an empty view", Browser(), "/bench-empty")]
    for view in ("instance", "backups", "usage"):
        pages.append((f"client: {view}", client, reverse(view, args=[slug, name])))
    for view in ("instances", "audit", "order"):
        pages.append((f"client: {view}", client, reverse(view, args=[slug])))
    for chart in CHARTS:
        for span in ("day", "year"):
            address = reverse("usage_chart", args=[slug, name, chart])
            pages.append((f"chart: {chart}, {span}", client, f"{address}?span={span}"))
    for view in ADMIN:
        pages.append((f"admin: {view}", staff, reverse(f"admin:{view}")))
    change = reverse("admin:hosting_instance_change", args=[instance.pk])
    pages.append(("admin: an instance", staff, change))
    pages.append(("/metrics", scraper, "/metrics"))
    pages.append(("/metrics/instances", scraper, "/metrics/instances"))
    return pages


def _owner(instance: Instance) -> User:
    return User.objects.get(memberships__client=instance.client)


def _root() -> User:
    root, _ = User.objects.get_or_create(
        email="bench@generated.example", defaults={"is_staff": True, "is_superuser": True}
    )
    return root


def _browser(user: User) -> Browser:
    browser = Browser()
    browser.force_login(user, backend=BACKEND)
    return browser


def _measure(browser: Browser, address: str, times: int) -> tuple[float, float, int]:
    """p50 and p95 in ms, and how many queries; the first two answers warm up."""
    ask: Callable[[], object] = lambda: browser.get(address)  # noqa: E731
    ask()
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(address)
    queries = len(captured)  # the next request clears Django's log of them
    if answer.status_code != 200:
        raise SystemExit(f"{address} answers {answer.status_code}")
    took = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    cuts = statistics.quantiles(took, n=20)
    return statistics.median(took), cuts[18], queries


if __name__ == "__main__":
    sys.exit(main())
