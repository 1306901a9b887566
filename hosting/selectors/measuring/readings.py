"""From counters as they were read to what was used between two readings, as SQL.

A counter that fell, or of another container, counts from zero: the container was started again.
That is believed only where its CPU can have been used since the reading before: a counter falls as
well where a round was overtaken by another or a clock was set back, where a network or a device was
taken away, and is another's where a container comes back in place of a new one. Such a reading says
only by how much each counter of the same container rose.

What was used between two readings is spread evenly over the time between them; a gauge is taken to
hold for a minute before its reading at most, so that nothing is said of a time nobody measured.
"""

from __future__ import annotations

COUNTERS = (
    "cpu_microseconds",
    "cpu_periods",
    "throttled_periods",
    "throttled_microseconds",
    "network_received_bytes",
    "network_sent_bytes",
    "disk_read_bytes",
    "disk_written_bytes",
)
_FELL = " OR ".join(f"{each} < {each}_before" for each in COUNTERS)
_LAG = ", ".join(f"{each}, lag({each}) OVER same AS {each}_lag" for each in COUNTERS)
_BEFORE = ", ".join(
    f"read.{each}, coalesce(read.{each}_lag, missed.{each}) AS {each}_before" for each in COUNTERS
)
_USED = ", ".join(
    f"sum(CASE WHEN is_new AND cpu_microseconds <= possible THEN {each}"
    f" WHEN is_same THEN greatest(0, {each} - {each}_before) ELSE 0 END)::float8 AS {each}"
    for each in COUNTERS
)
_MOST = 2_000_000  # microseconds of CPU in a second, for each one that the plan has, and a margin

# Needs a CTE "windows" of (instance_id, key, since, until): which readings of the instance are
# looked at, the first and the last included. Gives "intervals": what the instance used from the
# reading at "since" to the one "at". A window's first reading is only what its next is compared
# with. The order by service lets a service that is missing in between be compared all the same; one
# that is missing in the window's first reading ("missed") is compared with its last one before.
INTERVALS = f"""
read AS (
    SELECT windows.instance_id, windows.key, windows.since AS begun, at, service, container,
        memory_bytes, memory_limit_bytes, plan.cpus, lag(at) OVER same AS at_lag,
        lag(container) OVER same AS container_lag, {_LAG}
    FROM windows
    JOIN hosting_instance AS held ON held.id = windows.instance_id
    JOIN hosting_plan AS plan ON plan.id = held.plan_id
    CROSS JOIN LATERAL (
        SELECT * FROM hosting_sample
        WHERE hosting_sample.instance_id = windows.instance_id
            AND hosting_sample.at BETWEEN windows.since AND windows.until
    ) AS sample
    WINDOW same AS (PARTITION BY windows.instance_id, windows.key, service ORDER BY at)
),
compared AS (
    SELECT read.instance_id, read.key, read.at, read.memory_bytes, read.memory_limit_bytes,
        read.container, coalesce(read.container_lag, missed.container) AS container_before,
        extract(epoch FROM read.at - coalesce(read.at_lag, missed.at, begun))::float8
            * cpus::float8 * {_MOST} AS possible,
        {_BEFORE}
    FROM read LEFT JOIN LATERAL (
        SELECT * FROM hosting_sample AS earlier
        WHERE read.at_lag IS NULL AND read.at > begun
            AND earlier.instance_id = read.instance_id AND earlier.service = read.service
            AND earlier.at < begun AND earlier.at >= begun - '1 day'::interval
        ORDER BY earlier.at DESC LIMIT 1
    ) AS missed ON true
),
readings AS (
    SELECT *, container IS DISTINCT FROM container_before OR {_FELL} AS is_new,
        container = container_before AS is_same
    FROM compared
),
moments AS (
    SELECT instance_id, key, at, sum(memory_bytes)::bigint AS memory_bytes,
        max(memory_bytes::float8 / memory_limit_bytes) AS memory_fullest, {_USED}
    FROM readings GROUP BY instance_id, key, at
),
spans AS (
    SELECT *, lag(at) OVER (PARTITION BY instance_id, key ORDER BY at) AS since FROM moments
),
intervals AS (
    SELECT *, extract(epoch FROM at - since)::float8 AS seconds FROM spans WHERE since IS NOT NULL
)"""  # noqa: S608 - the names are those above
