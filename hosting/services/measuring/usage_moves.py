"""What a client's move to another time zone means for sums that are there already.

Events stay on their days. But the average of a level is over its whole day and month, also over
what is to come of them, and a move changes when the day that runs, or its month, will be over.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from hosting.services.measuring import usage_sums
from tenants.clocks import Clock
from tenants.models import Client

_MARK = """
INSERT INTO hosting_usagemark (instance_id, quarter)
SELECT DISTINCT sum.instance_id, date_bin('15 minutes', latest_at, '2000-01-01 00:00:00+00')
FROM hosting_usagesum AS sum JOIN hosting_instance AS instance ON instance.id = sum.instance_id
WHERE instance.client_id = %(client)s AND sum.latest IS NOT NULL
  AND (sum.span = 'day' AND sum."on" >= %(today)s OR sum.span = 'month' AND sum."on" >= %(month)s)
"""


@transaction.atomic
def mark(*, client: Client, before: Clock, now: datetime) -> None:
    """Have levels of the day and month that run summed up anew.

    Whoever sums up just now is waited for: what it writes is by the clock of before.
    """
    today = before.day_at(now)
    values: dict[str, Any] = {"client": client.pk, "today": today, "month": today.replace(day=1)}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [usage_sums.LOCK])
        cursor.execute(_MARK, values)
