"""The lowest margins of a month, kept for as long as nothing that they are of has changed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from billing.selectors.reports import attribution, kept
from billing.selectors.reports.months import Months
from billing.services.reporting import margins
from billing.services.reporting.margins import Margin, OfServer

MOST = 50  # of each


@dataclass(frozen=True, slots=True)
class Lowest:
    """Of a month, the lowest first; ``many`` is how long the longer of both would be."""

    clients: Sequence[Margin]
    instances: Sequence[Margin]
    many: int
    servers: Sequence[OfServer]
    without_cost: Sequence[str]


def of_month(month: date, *, zone: ZoneInfo, client: uuid.UUID | None = None) -> Lowest:
    """Of all instances, or of one client's. One query, or ten where anything has changed."""
    return kept.recall_one(
        f"margins {month} {zone} {client}",
        fingerprint=lambda: _fingerprint(month, zone),
        compute=lambda: _of_month(month, zone, client),
    )


def _of_month(month: date, zone: ZoneInfo, client: uuid.UUID | None) -> Lowest:
    found = margins.of_month(month, zone=zone)
    clients = found.clients()
    instances = [each for each in found.instances if client in (None, each.client_id)]
    return Lowest(
        clients=clients[:MOST],
        instances=instances[:MOST],
        many=max(len(clients), len(instances)),
        servers=found.servers,
        without_cost=found.without_cost,
    )


def _fingerprint(month: date, zone: ZoneInfo) -> str:
    months = Months(month, month, zone)
    ((text,),) = attribution.read(_SQL, first=months.first, until=months.until)
    return str(text)


# Each column that ``margins.of_month`` reads, of every row that it may read. Issued documents and
# their lines never change. What is added up does not depend on the order of the rows.
_SQL = """
SELECT concat_ws('/', count(*), coalesce(sum(uuid_hash_extended(id, 0)), 0), (
    SELECT coalesce(sum(hash_record_extended((server.id, name, cpus, memory_mb, disk_gb), 0)), 0)
    FROM hosting_server server
), (
    SELECT coalesce(sum(hash_record_extended((plan.id, cpus, memory_mb, disk_gb), 0)), 0)
    FROM hosting_plan plan
), (
    SELECT coalesce(sum(hash_record_extended(cost, 0)), 0) FROM billing_servercost cost
), (
    SELECT coalesce(sum(hash_record_extended((subscription_id, span.first_day, plan_id), 0)), 0)
    FROM billing_span span
), (
    SELECT coalesce(sum(hash_record_extended((subscription.id, instance_id), 0)), 0)
    FROM billing_subscription subscription
), (
    SELECT coalesce(sum(hash_record_extended((
        instance.id, name, instance.client_id, server_id, plan_id, purpose, created_at, deleted_at
    ), 0)), 0) FROM hosting_instance instance
), (
    SELECT coalesce(sum(hash_record_extended((client.id, name), 0)), 0) FROM tenants_client client
), (
    SELECT coalesce(sum(hash_record_extended((seller.id, bears_model_costs), 0)), 0)
    FROM billing_seller seller
), (
    SELECT coalesce(sum(hash_record_extended((
        model.instance_id, model.currency, model.amount
    ), 0)), 0) FROM billing_modelcost model
    WHERE (SELECT bool_or(bears_model_costs) FROM billing_seller)
        AND model."on" >= %(first)s AND model."on" < %(until)s AND rate_id IS NOT NULL
))
FROM billing_invoice WHERE state = 'issued' AND last_day >= %(first)s
"""
