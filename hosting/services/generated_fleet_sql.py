"""The statements that fill a database with a fleet that never ran: each makes all of its rows.

Every value comes from the instance's id and the time, so that two runs make the same curves.
"""

from __future__ import annotations

# How much of its plan an instance uses, 0 to 1: by instance, by day, more on weekdays.
_LOAD = """
(0.15 + 0.35 * (('x' || substr(md5(instance.id::text), 1, 6))::bit(24)::int / 16777216.0)
 + 0.25 * (('x' || substr(md5(instance.id::text || day::date), 1, 6))::bit(24)::int / 16777216.0)
 + CASE WHEN extract(isodow FROM day) < 6 THEN 0.15 ELSE 0 END)
"""
_THEIRS = """
hosting_instance AS instance JOIN hosting_plan AS plan ON plan.id = instance.plan_id
JOIN hosting_server AS server ON server.id = instance.server_id
    AND server.name LIKE 'generated-%%'
"""
_DAYS = "generate_series(%(first)s::date, %(today)s::date, interval '1 day') AS day"
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
_LOADED = f"""
SELECT instance.id AS instance_id, day, {_LOAD} AS load, plan.cpus::float8 AS plan_cpus,
    plan.memory_mb * 1048576.0 AS plan_memory, plan.disk_gb * 1073741824.0 AS plan_disk
FROM {_THEIRS}
"""
_HEALTH_COLUMNS = """
    checks, failures, known_seconds, down_seconds, excused_seconds, responses, ms_sum, ms_max, buckets
"""
_HEALTH = """
    {looks}, CASE WHEN load > 0.85 THEN 4 ELSE 0 END, {looks} * 15,
    CASE WHEN load > 0.85 THEN 60 ELSE 0 END, 0, {looks}, ({looks} * (20 + 60 * load))::bigint,
    (200 + 400 * load)::int, ARRAY[0, {looks} / 2, {looks} / 4, {looks} / 4, 0, 0, 0, 0, 0, 0]
"""

RESOURCE_DAYS = f"""
INSERT INTO hosting_resourceday (instance_id, date, {_RESOURCE_COLUMNS})
SELECT instance_id, day::date, {_RESOURCES.format(seconds="86400.0")}
FROM ({_LOADED} CROSS JOIN {_DAYS}) AS loaded ON CONFLICT DO NOTHING
"""
RESOURCE_QUARTERS = f"""
INSERT INTO hosting_resourcequarter (instance_id, at, {_RESOURCE_COLUMNS})
SELECT instance_id, day, {_RESOURCES.format(seconds="900.0")}
FROM ({_LOADED} CROSS JOIN generate_series(%(first_quarter)s, %(last_quarter)s,
    interval '15 min') AS day) AS loaded ON CONFLICT DO NOTHING
"""
RESOURCES_NOW = f"""
INSERT INTO hosting_resourcenow (instance_id, at, cpu_cores, memory_bytes, memory_fullest,
    network_received_per_second, network_sent_per_second, volume_bytes, volume_at)
SELECT instance_id, %(now)s, load * plan_cpus, plan_memory * load, load, load * 40000,
    load * 90000, plan_disk * load, %(now)s
FROM ({_LOADED} CROSS JOIN (SELECT %(today)s::date AS day) AS today) AS loaded
ON CONFLICT DO NOTHING
"""
HEALTH_DAYS = f"""
INSERT INTO hosting_healthday (instance_id, day, zone, {_HEALTH_COLUMNS})
SELECT instance_id, day::date, 'UTC', {_HEALTH.format(looks="5760")}
FROM ({_LOADED} CROSS JOIN {_DAYS}) AS loaded ON CONFLICT DO NOTHING
"""
HEALTH_SLOTS = f"""
INSERT INTO hosting_healthslot (instance_id, start, {_HEALTH_COLUMNS})
SELECT instance_id, day, {_HEALTH.format(looks="60")}
FROM ({_LOADED} CROSS JOIN generate_series(%(first_quarter)s, %(last_quarter)s,
    interval '15 min') AS day) AS loaded ON CONFLICT DO NOTHING
"""
HEALTH_NOW = f"""
INSERT INTO hosting_health (instance_id, at, is_up, is_answering, status, ms, public_status,
    public_ms, error, failures, successes, failing_since, is_down)
SELECT instance_id, %(now)s, true, true, 200, (20 + 60 * load)::int, 200, 30, '', 0, 10, NULL, false
FROM ({_LOADED} CROSS JOIN (SELECT %(today)s::date AS day) AS today) AS loaded
ON CONFLICT DO NOTHING
"""
USAGE_DAYS = f"""
INSERT INTO hosting_usagesum (instance_id, span, "on", meter, label, total, count, maximum,
    latest_at, computed_at)
SELECT instance_id, 'day', day::date, meter.name, meter.label,
    round((load * meter.size)::numeric), 100, meter.size, day + interval '12 h', %(now)s
FROM ({_LOADED} CROSS JOIN {_DAYS}) AS loaded
CROSS JOIN (VALUES ('executions', 'success', 400), ('executions', 'failed', 12)) AS
    meter (name, label, size)
ON CONFLICT DO NOTHING
"""
OPERATIONS = f"""
INSERT INTO hosting_operation (id, instance_id, kind, state, reason, undoing, requested_by_label,
    requested_at, run_after, attempt, fence, worker, started_at, finished_at)
SELECT gen_random_uuid(), instance.id, 'backup', 'succeeded', '', '', 'Berth (nightly)',
    night, night, 1, 1, 'generated', night, night + interval '40 s'
FROM {_THEIRS} CROSS JOIN generate_series(%(first_night)s, %(now)s, interval '1 day') AS night
"""
BACKUPS = """
INSERT INTO hosting_backup (id, instance_id, operation_id, trigger, manifest, stored, secrets,
    taken_at, size_bytes, stored_bytes, verified_at, is_pinned, created_at)
SELECT gen_random_uuid(), operation.instance_id, operation.id, 'nightly', '{"generated": true}',
    '[]', '', operation.started_at, 80000000, 1500000, operation.finished_at, false,
    operation.requested_at
FROM hosting_operation AS operation WHERE operation.worker = 'generated'
    AND NOT EXISTS (SELECT FROM hosting_backup WHERE operation_id = operation.id)
"""
FILLED = (
    "hosting_instance",
    "hosting_operation",
    "hosting_backup",
    "hosting_resourceday",
    "hosting_resourcequarter",
    "hosting_resourcenow",
    "hosting_healthday",
    "hosting_healthslot",
    "hosting_health",
    "hosting_usagesum",
)
STATEMENTS = {
    "nightly operations": OPERATIONS,
    "backups": BACKUPS,
    "days of resources": RESOURCE_DAYS,
    "quarters of resources": RESOURCE_QUARTERS,
    "what is used now": RESOURCES_NOW,
    "days of health": HEALTH_DAYS,
    "quarters of health": HEALTH_SLOTS,
    "health now": HEALTH_NOW,
    "days of executions": USAGE_DAYS,
}
