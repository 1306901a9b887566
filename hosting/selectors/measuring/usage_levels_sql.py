"""The statements that read what is no sum of days: one look into an index for each span."""

from __future__ import annotations

_WANTED = """
unnest(%(places)s::int[], %(instances)s::uuid[], %(meters)s::text[], %(firsts)s::date[],
       %(ends)s::date[]) AS wanted (place, instance, meter, first, after)
"""
# The level that a day ended with, or the newest one before it.
_LAST_BEFORE = """
SELECT "on", latest FROM hosting_usagesum
WHERE instance_id = wanted.instance AND span = 'day' AND meter = wanted.meter
    AND latest IS NOT NULL AND "on" < {day}
ORDER BY "on" DESC, latest_at DESC, label DESC LIMIT 1
"""

_UNIQUE = f"""
SELECT wanted.place, wanted.meter, count(DISTINCT subject.key)
FROM {_WANTED} CROSS JOIN LATERAL (
    SELECT key FROM hosting_usagesubject
    WHERE instance_id = wanted.instance AND meter = wanted.meter
        AND "on" >= wanted.first AND "on" < wanted.after
) AS subject
GROUP BY wanted.place, wanted.meter
"""  # noqa: S608

_LATEST = f"""
SELECT DISTINCT ON (wanted.place, wanted.meter) wanted.place, wanted.meter, level.latest
FROM {_WANTED} CROSS JOIN LATERAL ({_LAST_BEFORE.format(day="wanted.after")}) AS level
ORDER BY wanted.place, wanted.meter, wanted.after DESC
"""  # noqa: S608

# A day without a report is as the one before ended; before the first report there is nothing.
_TIME_WEIGHTED = f"""
SELECT wanted.place, wanted.meter, sum(coalesce(own.mean, level.latest, 0))
FROM {_WANTED}
CROSS JOIN LATERAL generate_series(0, wanted.after - wanted.first - 1) AS number
LEFT JOIN LATERAL (
    SELECT max(mean) AS mean FROM hosting_usagesum
    WHERE instance_id = wanted.instance AND span = 'day' AND meter = wanted.meter
        AND "on" = wanted.first + number
) AS own ON true
LEFT JOIN LATERAL ({_LAST_BEFORE.format(day="wanted.first + number")}) AS level
    ON own.mean IS NULL
GROUP BY wanted.place, wanted.meter
"""  # noqa: S608

STATEMENTS = {"unique": _UNIQUE, "latest": _LATEST, "time_weighted": _TIME_WEIGHTED}
"""By how a meter counts; each gives a stretch's place, its meter and the value."""
