"""The statements that fill a database with what a fleet used that never ran, in order of time.

Each makes the rows from ``since`` to before ``until``, one every ``step``. Every value comes from
the instance's id and the time, so that two runs make the same curves. Rows lie in the order of time
as those of a real fleet do: what a page reads of one instance is on as many pages of the disk.
"""

from __future__ import annotations

from collections.abc import Mapping

# How much of its plan an instance uses, 0 to 1: by instance, by day, more on weekdays, by hour.
_LOAD = """
(0.15 + 0.3 * (('x' || substr(md5(instance.id::text), 1, 6))::bit(24)::int / 16777216.0)
 + 0.25 * (('x' || substr(md5(instance.id::text || at::date), 1, 6))::bit(24)::int / 16777216.0)
 + CASE WHEN extract(isodow FROM at) < 6 THEN 0.15 ELSE 0 END
 + 0.1 * sin(pi() * extract(hour FROM at) / 12))
"""
THEIRS = """
hosting_instance AS instance JOIN hosting_plan AS plan ON plan.id = instance.plan_id
JOIN hosting_server AS server ON server.id = instance.server_id
    AND server.name LIKE 'generated-%%' AND instance.purpose = 'client'
"""
_LOADED = f"""
(SELECT instance.id AS instance_id, at, {_LOAD} AS load, plan.cpus::float8 AS plan_cpus,
    plan.memory_mb * 1048576.0 AS plan_memory, plan.disk_gb * 1073741824.0 AS plan_disk
FROM {THEIRS} CROSS JOIN generate_series(
    %(since)s::timestamptz, %(until)s::timestamptz - interval '1 us', %(step)s
) AS at ORDER BY at) AS loaded
"""
# Counters go on from where they were as the load changes, so they are summed up from the beginning.
_WORKED = f"""
(SELECT *, extract(epoch FROM at - %(begin)s::timestamptz)::bigint AS gone,
    extract(epoch FROM %(step)s::interval)
        * sum(load) OVER (PARTITION BY instance_id ORDER BY at) AS done
FROM {_LOADED.replace("%(since)s", "%(begin)s")}) AS worked
"""
_RESOURCES = """
    {seconds} AS seconds, {seconds} * load * plan_cpus AS cpu_seconds, least(plan_cpus, plan_cpus * load * 2) AS cpu_max,
    ({seconds} * 10)::bigint AS cpu_periods, ({seconds} * load * load)::bigint AS throttled_periods,
    {seconds} * load * 0.01 AS throttled_seconds,
    (plan_memory * (0.4 + load / 2))::bigint AS memory_bytes,
    (plan_memory * (0.5 + load / 2))::bigint AS memory_max_bytes, 0.5 + load / 2 AS memory_fullest,
    ({seconds} * load * 40000)::bigint AS received, ({seconds} * load * 90000)::bigint AS sent,
    ({seconds} * load * 20000)::bigint AS read, ({seconds} * load * 60000)::bigint AS written,
    (plan_disk * (0.1 + 0.6 * load))::bigint AS volume_bytes
"""
_RESOURCE_COLUMNS = """
    seconds, cpu_seconds, cpu_max, cpu_periods, throttled_periods, throttled_seconds, memory_bytes,
    memory_max_bytes, memory_fullest, network_received_bytes, network_sent_bytes,
    disk_read_bytes, disk_written_bytes, volume_bytes
"""
_HEALTH_COLUMNS = """
    checks, failures, known_seconds, down_seconds, excused_seconds, responses, ms_sum, ms_max, buckets
"""
_HEALTH = """
    {looks}, CASE WHEN load > 0.85 THEN 4 ELSE 0 END, {looks} * 15,
    CASE WHEN load > 0.85 THEN 60 ELSE 0 END, 0, {looks}, ({looks} * (20 + 60 * load))::bigint,
    (200 + 400 * load)::int, ARRAY[0, {looks} / 2, {looks} / 4, {looks} / 4, 0, 0, 0, 0, 0, 0]
"""
_USAGE_COLUMNS = """
    instance_id, span, starts_at, "on", meter, label, total, count, maximum, latest_at, computed_at
"""
_COMPUTED = "least(at + interval '1 day', %(now)s)"  # what came later would be billed later
_MODELS = """
CROSS JOIN (VALUES ('generated-large', 1), ('generated-small', 6)) AS model (name, size)
CROSS JOIN (VALUES ('llm_requests', 40), ('llm_input', 90000), ('llm_output', 20000),
    ('llm_cached', 30000)) AS meter (name, size)
WHERE mod(('x' || substr(md5(instance_id::text), 1, 4))::bit(16)::int, 10) = 0
"""

DAYS: Mapping[str, str] = {
    "days of resources": f"""
INSERT INTO hosting_resourceday (instance_id, date, {_RESOURCE_COLUMNS})
SELECT instance_id, at::date, {_RESOURCES.format(seconds="86400.0")} FROM {_LOADED}
ON CONFLICT DO NOTHING
""",
    "days of health": f"""
INSERT INTO hosting_healthday (instance_id, day, zone, {_HEALTH_COLUMNS})
SELECT instance_id, at::date, 'UTC', {_HEALTH.format(looks="5760")} FROM {_LOADED}
ON CONFLICT DO NOTHING
""",
    "days of executions": f"""
INSERT INTO hosting_usagesum ({_USAGE_COLUMNS})
SELECT instance_id, 'day', NULL, at::date, meter.name, meter.label,
    round((load * meter.size)::numeric), 100, meter.size, at + interval '12 h', {_COMPUTED}
FROM {_LOADED} CROSS JOIN (VALUES ('executions', 'success', 400), ('executions', 'failed', 12)) AS
    meter (name, label, size)
ON CONFLICT DO NOTHING
""",
    "days of language models, of every tenth": f"""
INSERT INTO hosting_usagesum ({_USAGE_COLUMNS})
SELECT instance_id, 'day', NULL, at::date, meter.name, model.name,
    round((load * meter.size * model.size)::numeric), 100, meter.size, at + interval '12 h', {_COMPUTED}
FROM {_LOADED} {_MODELS}
ON CONFLICT DO NOTHING
""",
}
"""Of days."""

QUARTERS: Mapping[str, str] = {
    "quarters of resources": f"""
INSERT INTO hosting_resourcequarter (instance_id, at, {_RESOURCE_COLUMNS})
SELECT instance_id, at, {_RESOURCES.format(seconds="900.0")} FROM {_LOADED}
ON CONFLICT DO NOTHING
""",
    "quarters of health": f"""
INSERT INTO hosting_healthslot (instance_id, start, {_HEALTH_COLUMNS})
SELECT instance_id, at, {_HEALTH.format(looks="60")} FROM {_LOADED}
ON CONFLICT DO NOTHING
""",
}
"""Of quarters of an hour."""

LAST_QUARTERS: Mapping[str, str] = {
    "quarters of executions": f"""
INSERT INTO hosting_usagesum ({_USAGE_COLUMNS})
SELECT instance_id, 'quarter', at, NULL, 'executions', 'success', round((load * 5)::numeric), 5, 5,
    at, least(at + interval '15 min', %(now)s)
FROM {_LOADED}
ON CONFLICT DO NOTHING
""",
}
"""Of quarters of an hour, of the last day alone."""

READINGS: Mapping[str, str] = {
    "readings of containers": f"""
INSERT INTO hosting_sample (instance_id, at, service, container, cpu_microseconds, cpu_periods,
    throttled_periods, throttled_microseconds, memory_bytes, memory_limit_bytes,
    network_received_bytes, network_sent_bytes, disk_read_bytes, disk_written_bytes, pids)
SELECT instance_id, at, service, 1, (done * 300000)::bigint, gone * 10, done::bigint,
    (done * 1000)::bigint, (plan_memory * load / 3)::bigint, (plan_memory / 3)::bigint,
    (done * 13000)::bigint, (done * 30000)::bigint, (done * 7000)::bigint,
    (done * 20000)::bigint, 20
FROM (SELECT * FROM {_WORKED} WHERE at >= %(since)s ORDER BY at) AS reading
CROSS JOIN unnest(ARRAY['n8n', 'postgres', 'redis']) AS service
ON CONFLICT DO NOTHING
""",
    "looks at instances": f"""
INSERT INTO hosting_probe (instance_id, at, seconds, is_up, is_answering, status, ms,
    public_status, public_ms, error, excuse)
SELECT instance_id, at, 15, true, true, 200, (20 + 60 * load)::int, 200, 30, '', ''
FROM {_LOADED}
ON CONFLICT DO NOTHING
""",
}
"""Of single readings and looks."""

NOW: Mapping[str, str] = {
    "what is used now": f"""
INSERT INTO hosting_resourcenow (instance_id, at, cpu_cores, memory_bytes, memory_fullest,
    network_received_per_second, network_sent_per_second, volume_bytes, volume_at)
SELECT instance_id, %(now)s, load * plan_cpus, plan_memory * load, load, load * 40000,
    load * 90000, plan_disk * load, %(now)s
FROM {_LOADED}
ON CONFLICT DO NOTHING
""",
    "containers now": f"""
INSERT INTO hosting_containerhealth (instance_id, at, is_well, running, total, faults, failures,
    successes, is_failing)
SELECT instance_id, %(now)s, true, 3, 3, '', 0, 10, false FROM {_LOADED}
ON CONFLICT DO NOTHING
""",
    "health now": f"""
INSERT INTO hosting_health (instance_id, at, is_up, is_answering, status, ms, public_status,
    public_ms, error, failures, successes, failing_since, is_down)
SELECT instance_id, %(now)s, true, true, 200, (20 + 60 * load)::int, 200, 30, '', 0, 10, NULL, false
FROM {_LOADED}
ON CONFLICT DO NOTHING
""",
}
"""Of the moment: one row an instance."""

MONTHS = f"""
INSERT INTO hosting_usagesum ({_USAGE_COLUMNS})
SELECT instance_id, 'month', NULL, date_trunc('month', "on")::date, meter, label, sum(total),
    sum(count), max(maximum), max(latest_at), max(computed_at)
FROM hosting_usagesum WHERE span = 'day' AND instance_id IN (SELECT instance.id FROM {THEIRS})
GROUP BY instance_id, date_trunc('month', "on"), meter, label
ON CONFLICT DO NOTHING
"""
