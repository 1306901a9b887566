"""What Prometheus reads: all of it with the token, nothing without; a 404 where none is set."""

from __future__ import annotations

import gzip
import hmac
from collections.abc import Callable, Iterator
from datetime import datetime

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hosting.selectors.exposing import metrics
from hosting.services.measuring import instance_metrics


@require_safe
@never_cache
def berth(request: HttpRequest) -> HttpResponse:
    """Berth itself: operations, queue, servers, backups, incidents, chores."""
    return _for_token(request, _of_berth)


@require_safe
@never_cache
@vary_on_headers("Accept-Encoding")
def instances(request: HttpRequest) -> HttpResponse:
    """Every instance; apart, as these are many and change slowly. Prometheus takes it packed."""
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return _for_token(request, lambda: gzip.decompress(_of_instances()))
    response = _for_token(request, _of_instances)
    if response.status_code == 200:
        response["Content-Encoding"] = "gzip"
    return response


def _of_instances() -> bytes:
    return instance_metrics.newest(now=timezone.now())


def _of_berth() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Berth(timezone.now()))
    return generate_latest(registry)


def _for_token(request: HttpRequest, written: Callable[[], bytes]) -> HttpResponse:
    if not settings.BERTH_METRICS_TOKEN:
        raise Http404("No token is set for metrics.")
    if not _is_let_in(request):
        refused = HttpResponse("Send the token, as Authorization: Bearer …\n", status=401)
        refused["WWW-Authenticate"] = 'Bearer realm="Berth metrics"'
        refused["Content-Type"] = "text/plain; charset=utf-8"
        return refused
    return HttpResponse(written(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _is_let_in(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    wanted = settings.BERTH_METRICS_TOKEN.encode()
    is_right = hmac.compare_digest(token.strip().encode(errors="replace"), wanted)
    return is_right and scheme.lower() == "bearer"


class _Berth(Collector):
    """One look at the database, in the form that the client library asks for."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[Metric]:
        """All families."""
        return metrics.of_berth(now=self.now)

    def describe(self) -> list[Metric]:
        """Nothing: what there is, is known once it is read."""
        return []
