"""How long pages take on the server with a whole fleet, each beside an empty Django view.

Needs a database that `manage.py generate_fleet` filled. Each page is asked for again and again in
one process, through all middleware: 95 of 100 answers took no longer than the first figure. The
same run measures a view that does nothing, which is what the machine and Django take by themselves.
On a machine that others use, the CPU of a page says more than how long it took.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from urllib.parse import urlencode

import django

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib import admin  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import Client as Browser  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import path, reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from billing.models import Invoice  # noqa: E402
from hosting.config import urls  # noqa: E402
from hosting.config.warm import warm_up  # noqa: E402
from hosting.models import Instance  # noqa: E402
from hosting.services.measuring import instance_metrics  # noqa: E402
from hosting.views.usage_charts import CHARTS, SPANS  # noqa: E402
from tenants.models import User  # noqa: E402

GOAL_MS = 100
LONGEST_MS, FEWEST = 2500, 20  # of one page; so that all of them take less than six minutes
STAFF_VIEWS = (
    *("index", "hosting_fleet", "hosting_catalog", "billing_billingrun_preview"),
    *(f"billing_report_{each}" for each in ("revenue", "mrr", "receivables", "vat")),
)
BACKEND = "django.contrib.auth.backends.ModelBackend"
OF_INSTANCE = ("instance", "backups", "usage", "usage_tokens", "instance_upgrade")
OF_CLIENT = ("instances", "audit", "order", "notifications", "deleted_instances")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one page: milliseconds; the CPU's are of this process and its process of PostgreSQL."""

    p50: float
    p95: float
    cpu: float
    cpu_p95: float
    queries: int


def main() -> int:
    """Print every page; 1 where one is slower than the goal."""
    arguments = _arguments()
    _prepare()
    if not Instance.objects.filter(server__name__startswith="generated-").exists():
        print("pages: no fleet here; run manage.py generate_fleet in an empty database first")
        return 0
    number = Instance.objects.filter(purpose="client").count()
    print(f"{number} instances; up to {arguments.times} times each; load {_load()}; in ms")
    print(f"{'':44} {'p95':>8} {'p50':>8} {'CPU p95':>8} {'CPU p50':>8}")
    costs: dict[str, Cost] = {}
    for name, browser, address in _pages():
        if re.search(arguments.only, name):
            cost = costs[name] = _measure(browser, address, arguments.times)
            figures = "".join(
                f"{each:9.1f}" for each in (cost.p95, cost.p50, cost.cpu_p95, cost.cpu)
            )
            print(f"{name:44}{figures} {cost.queries:4} queries", flush=True)
    return _sum_up(costs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=40, help="how often each page is asked for")
    parser.add_argument("--only", default="", help="pages whose names fit this regular expression")
    return parser.parse_args()


def _sum_up(costs: Mapping[str, Cost]) -> int:
    slow = [name for name, cost in costs.items() if cost.p95 > GOAL_MS]
    busy = [name for name, cost in costs.items() if cost.cpu_p95 > GOAL_MS]
    print(f"load {_load()}; {len(costs) - len(slow)} of {len(costs)} pages within {GOAL_MS} ms")
    print(f"not: {', '.join(slow) or 'none'}")
    print(f"more CPU than that, at the 95th percentile: {', '.join(busy) or 'none'}")
    return 1 if slow else 0


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


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
    warm_up()


def _add_empty_view(module: ModuleType) -> None:
    def empty(request: HttpRequest) -> HttpResponse:
        return HttpResponse("")

    module.urlpatterns.insert(0, path("bench-empty", empty))


def _pages() -> Iterator[tuple[str, Browser, str]]:
    running = Instance.objects.select_related("client").filter(state="running")
    instance = running[running.count() // 2]
    yield "an empty view", Browser(), "/bench-empty"
    yield from _of_client(instance)
    yield from _of_staff(instance)
    scraper = Browser()
    scraper.defaults["HTTP_AUTHORIZATION"] = "Bearer bench"
    yield "/metrics", scraper, "/metrics"
    scraper.defaults["HTTP_ACCEPT_ENCODING"] = "gzip"  # as Prometheus does
    instance_metrics.write(now=timezone.now())  # as workers do
    yield "/metrics/instances", scraper, "/metrics/instances"


def _of_client(instance: Instance) -> Iterator[tuple[str, Browser, str]]:
    client, slug, name = _browser(_owner(instance)), instance.client.slug, instance.name
    for view in OF_CLIENT:
        yield f"client: {view}", client, reverse(view, args=[slug])
    for view in OF_INSTANCE:
        yield f"client: {view}", client, reverse(view, args=[slug, name])
    yield from _of_payer(instance, client)
    operation = instance.operations.order_by("-requested_at")[0]
    yield "client: operation", client, reverse("operation", args=[slug, operation.pk])
    for chart in CHARTS:
        for span in SPANS:
            address = reverse("usage_chart", args=[slug, name, chart])
            yield f"chart: {chart}, {span}", client, f"{address}?span={span}"


def _of_payer(instance: Instance, client: Browser) -> Iterator[tuple[str, Browser, str]]:
    slug = instance.client.slug
    for view in ("client_costs", "invoices"):
        yield f"client: {view}", client, reverse(view, args=[slug])
    yield "client: costs", client, reverse("costs", args=[slug, instance.name])
    invoice = Invoice.objects.filter(client=instance.client, state="issued").first()
    if invoice is not None:
        yield "client: invoice", client, reverse("invoice", args=[slug, invoice.number])


def _of_staff(instance: Instance) -> Iterator[tuple[str, Browser, str]]:
    """Every list of the admin, and of each the page of what is in the middle of it."""
    staff = _browser(_root())
    for view in STAFF_VIEWS:
        yield f"admin: {view}", staff, reverse(f"admin:{view}")
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        listed = reverse(f"admin:{name}_changelist")
        yield f"admin: list of {name}", staff, listed
        rows = model._default_manager.order_by("pk")
        found = instance if model is Instance else rows[rows.count() // 2 :].first()
        if found is not None:
            yield f"admin: one of {name}", staff, reverse(f"admin:{name}_change", args=[found.pk])
    wanted = {"q": "client-0500"}
    for name in ("hosting_instance", "hosting_operation", "hosting_backup", "tenants_client"):
        address = f"{reverse(f'admin:{name}_changelist')}?{urlencode(wanted)}"
        yield f"admin: search in {name}", staff, address


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


def _measure(browser: Browser, address: str, times: int) -> Cost:
    """The first two answers warm up."""
    ask: Callable[[], object] = lambda: browser.get(address)  # noqa: E731
    ask()
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(address)
    queries = len(captured)  # the next request clears Django's log of them
    if answer.status_code != 200:
        raise SystemExit(f"{address} answers {answer.status_code}")
    took, cpu = list[float](), list[float]()
    while len(took) < times and (len(took) < FEWEST or sum(took) < LONGEST_MS):
        before, began = _cpu(), time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
        cpu.append((_cpu() - before) * 1000)
    return Cost(
        p50=statistics.median(took),
        p95=_p95(took),
        cpu=statistics.median(cpu),
        cpu_p95=_p95(cpu),
        queries=queries,
    )


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[18]


def _cpu() -> float:
    """Seconds of CPU of this process and its process of PostgreSQL, where that is on this host."""
    connection.ensure_connection()
    theirs = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    if not theirs.exists():
        return time.process_time()
    return time.process_time() + int(theirs.read_text().split()[0]) / 1e9


if __name__ == "__main__":
    sys.exit(main())
