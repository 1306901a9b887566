"""The queries behind a chart: of readings, of quarters put together, of days."""

from __future__ import annotations

from hosting.selectors.measuring.readings import INTERVALS

_RATES = {
    "network_received": "network_received_bytes",
    "network_sent": "network_sent_bytes",
    "disk_read": "disk_read_bytes",
    "disk_written": "disk_written_bytes",
}

# Measure -> the value of one reading.
_OF_READINGS = {
    "cpu": "cpu_microseconds / seconds / 1e6",
    "throttled": "throttled_periods / nullif(cpu_periods, 0)",
    "memory": "memory_bytes",
    **{measure: f"{column} / seconds" for measure, column in _RATES.items()},
}
# Measure -> the value and the most of several quarters, or days, together.
_OF_ROLLUPS = {
    "cpu": ("sum(cpu_seconds) / nullif(sum(seconds), 0)", "max(cpu_max)"),
    "throttled": (
        "sum(throttled_periods)::float8 / nullif(sum(cpu_periods), 0)",
        "max(throttled_periods::float8 / nullif(cpu_periods, 0))",
    ),
    "memory": (
        "sum(memory_bytes * seconds)"
        " / nullif(sum(seconds) FILTER (WHERE memory_bytes IS NOT NULL), 0)",
        "max(memory_max_bytes)",
    ),
    "disk": ("avg(volume_bytes)", "max(volume_bytes)"),
    **{
        measure: (
            f"sum({column}) / nullif(sum(seconds), 0)",
            f"max({column} / nullif(seconds, 0))",
        )
        for measure, column in _RATES.items()
    },
}
_RAW = """
WITH windows AS (
    SELECT %(instance)s::uuid AS instance_id, 0 AS key, %(lead)s::timestamptz AS since,
        %(until)s::timestamptz AS until
),
{intervals}
SELECT at, ({value})::float8, ({value})::float8 FROM intervals
WHERE at >= %(since)s AND at < %(until)s ORDER BY at
"""
_RAW_VOLUMES = """
SELECT at, used_bytes::float8, used_bytes::float8 FROM hosting_volumesample
WHERE instance_id = %(instance)s AND at >= %(since)s AND at < %(until)s ORDER BY at
"""
_QUARTERS = """
WITH grid AS (
    SELECT generate_series(
        date_bin(%(step)s, %(since)s::timestamptz, '2000-01-01 00:00Z'),
        %(until)s::timestamptz - '1 us'::interval, %(step)s
    ) AS at
),
known AS (
    SELECT date_bin(%(step)s, at, '2000-01-01 00:00Z') AS at,
        ({value})::float8 AS value, ({most})::float8 AS most
    FROM hosting_resourcequarter
    WHERE instance_id = %(instance)s AND at < %(until)s
        AND at >= date_bin(%(step)s, %(since)s::timestamptz, '2000-01-01 00:00Z')
    GROUP BY 1
)
SELECT at, value, most FROM grid LEFT JOIN known USING (at) ORDER BY at
"""
_DAYS = """
WITH grid AS (
    SELECT generate_series(
        date_trunc('day', %(since)s::timestamptz AT TIME ZONE %(zone)s),
        %(until)s::timestamptz AT TIME ZONE %(zone)s - '1 us'::interval, '1 day'
    )::date AS date
),
known AS (
    SELECT date, ({value})::float8 AS value, ({most})::float8 AS most
    FROM hosting_resourceday
    WHERE instance_id = %(instance)s AND date >= (SELECT min(date) FROM grid)
    GROUP BY date
)
SELECT date::timestamp AT TIME ZONE %(zone)s, value, most
FROM grid LEFT JOIN known USING (date) ORDER BY date
"""

RAW = {
    **{
        measure: _RAW.format(intervals=INTERVALS, value=value)
        for measure, value in _OF_READINGS.items()
    },
    "disk": _RAW_VOLUMES,
}
QUARTERS = {
    measure: _QUARTERS.format(value=value, most=most)
    for measure, (value, most) in _OF_ROLLUPS.items()
}
DAYS = {
    measure: _DAYS.format(value=value, most=most) for measure, (value, most) in _OF_ROLLUPS.items()
}
