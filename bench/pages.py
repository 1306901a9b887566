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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.addresses import clients, staff  # noqa: E402
from bench.addresses.page import Page, Visitor  # noqa: E402
from hosting.config import urls  # noqa: E402
from hosting.config.warm import warm_up  # noqa: E402
from hosting.models import Instance, ResourceNow  # noqa: E402
from hosting.services.measuring import instance_metrics  # noqa: E402

GOAL_MS = 100
LONGEST_MS, FEWEST = 1500, 20  # of one page; so that all of them take some minutes
NEAR_MS, CLOSELY = 70, 100  # from where on one answer in twenty decides, and how often it is asked


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
    _read_again()
    number = Instance.objects.filter(purpose="client").count()
    print(f"{number} instances; up to {arguments.times} times each; load {_load()}; in ms")
    print(f"{'':64} {'p95':>8} {'p50':>8} {'CPU p95':>8} {'CPU p50':>8}")
    costs: dict[str, Cost] = {}
    for page in _pages():
        if re.search(arguments.only, page.name):
            cost = costs[page.name] = _measure(page, arguments.times)
            figures = "".join(
                f"{each:9.1f}" for each in (cost.p95, cost.p50, cost.cpu_p95, cost.cpu)
            )
            print(f"{page.name:64}{figures} {cost.queries:4} queries", flush=True)
    return _sum_up(costs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=40, help="how often a quick page is asked for")
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


def _read_again() -> None:
    """As if each instance were measured now: of older readings the fleet's page ranks none."""
    ResourceNow.objects.update(at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {ResourceNow._meta.db_table}")  # as autovacuum does each minute


def _add_empty_view(module: ModuleType) -> None:
    def empty(request: HttpRequest) -> HttpResponse:
        return HttpResponse("")

    module.urlpatterns.insert(0, path("bench-empty", empty))


def _pages() -> Iterator[Page]:
    running = Instance.objects.select_related("client").filter(state="running", purpose="client")
    yield Page("an empty view", Browser(), "/bench-empty")
    yield Visitor("nobody", Browser()).opens("account_login")
    yield Visitor("nobody", Browser()).opens("account_reset_password")
    yield from clients.pages()
    yield from staff.pages(running.order_by("pk")[running.count() // 2])
    scraper = Visitor("Prometheus", Browser(HTTP_AUTHORIZATION="Bearer bench"))
    yield scraper.opens("metrics")
    packing = Browser(HTTP_AUTHORIZATION="Bearer bench", HTTP_ACCEPT_ENCODING="gzip")
    instance_metrics.write(now=timezone.now())  # as workers do
    yield Visitor("Prometheus", packing).opens("metrics_instances")


def _measure(page: Page, times: int) -> Cost:
    """The first two answers warm up."""
    _ask(page)
    with CaptureQueriesContext(connection) as captured:
        status = _ask(page)
    queries = len(captured)  # the next request clears Django's log of them
    if status != 200:
        raise SystemExit(f"{page.address} answers {status}")
    took, cpu = list[float](), list[float]()
    while not _is_enough(took, times):
        before, began = _cpu(), time.perf_counter()
        _ask(page)
        took.append((time.perf_counter() - began) * 1000)
        cpu.append((_cpu() - before) * 1000)
    return Cost(
        p50=statistics.median(took),
        p95=_p95(took),
        cpu=statistics.median(cpu),
        cpu_p95=_p95(cpu),
        queries=queries,
    )


def _ask(page: Page) -> int:
    answer = page.browser.get(page.address)
    _ = b"".join(answer) if answer.streaming else answer.content
    return answer.status_code


def _is_enough(took: Sequence[float], times: int) -> bool:
    """Of what is near the goal, one answer in twenty decides: it is asked for more often."""
    if len(took) >= FEWEST and _p95(took) > NEAR_MS:
        return len(took) >= max(CLOSELY, times)
    return len(took) >= times or (len(took) >= FEWEST and sum(took) >= LONGEST_MS)


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
