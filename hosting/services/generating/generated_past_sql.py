"""The statements that give a fleet which never ran a past: operations, backups, tests, incidents.

Each makes all of its rows; what is by chance in a real fleet comes from a digest here.
"""

from __future__ import annotations

from hosting.services.generating.generated_fleet_sql import THEIRS

# One in so many, of what the digest is made of.
_ONE_IN = "mod(('x' || substr(md5({of}), 1, 6))::bit(24)::int, {many}) = 0"
_FAILED = _ONE_IN.format(of="instance.id::text || night", many=200)
_UNWELL = _ONE_IN.format(of="instance.id::text", many=100)
_TESTED = _ONE_IN.format(of="backup.id::text", many=6)

_OPERATIONS = f"""
INSERT INTO hosting_operation (id, instance_id, kind, state, reason, undoing, requested_by_label,
    requested_at, run_after, attempt, fence, worker, started_at, finished_at)
SELECT gen_random_uuid(), instance.id, 'backup',
    CASE WHEN {_FAILED} THEN 'failed' ELSE 'succeeded' END,
    CASE WHEN {_FAILED} THEN 'The backup store did not answer.' ELSE '' END,
    '', 'Berth (nightly)', night, night, 1, 1, 'generated', night, night + interval '40 s'
FROM {THEIRS} CROSS JOIN generate_series(%(first_night)s, %(now)s, interval '1 day') AS night
ORDER BY night
"""
_PROVISIONS = f"""
INSERT INTO hosting_operation (id, instance_id, kind, state, reason, undoing, requested_by_label,
    requested_at, run_after, attempt, fence, worker, started_at, finished_at)
SELECT gen_random_uuid(), instance.id, 'provision', 'succeeded', '', '', 'Somebody',
    first_running_at - interval '1 min', first_running_at, 1, 1, 'generated',
    first_running_at - interval '1 min', first_running_at
FROM {THEIRS}
"""
_STEPS = """
INSERT INTO hosting_operationstep (operation_id, position, name, title, state, started_at,
    finished_at, output)
SELECT operation.id, step.position, step.name, step.title,
    CASE WHEN operation.state = 'failed' AND step.position = 4 THEN 'failed' ELSE 'done' END,
    operation.started_at + step.position * interval '8 s',
    operation.started_at + (step.position + 1) * interval '8 s', 'Generated.'
FROM hosting_operation AS operation CROSS JOIN (VALUES
    (0, 'store', 'Open the backup store'), (1, 'save', 'Save databases and files'),
    (2, 'prove', 'Read everything back'), (3, 'copy', 'Copy to a second place'),
    (4, 'expire', 'Let old backups go')) AS step (position, name, title)
WHERE operation.worker = 'generated'
ON CONFLICT DO NOTHING
"""
_BACKUPS = """
INSERT INTO hosting_backup (id, instance_id, operation_id, trigger, manifest, stored, secrets,
    taken_at, size_bytes, stored_bytes, verified_at, is_pinned, created_at)
SELECT gen_random_uuid(), operation.instance_id, operation.id, 'nightly',
    jsonb_build_object('format', 1, 'app', instance.app, 'version', instance.version,
        'definition', instance.definition, 'images', instance.image_pins, 'at_rest', false,
        'checks', '[]'::jsonb, 'parts', '[]'::jsonb), '[]', '',
    operation.started_at, 80000000, 1500000,
    CASE WHEN operation.state = 'succeeded' THEN operation.finished_at END, false,
    operation.requested_at
FROM hosting_operation AS operation
JOIN hosting_instance AS instance ON instance.id = operation.instance_id
WHERE operation.worker = 'generated' AND operation.kind = 'backup'
    AND NOT EXISTS (SELECT FROM hosting_backup WHERE operation_id = operation.id)
ORDER BY operation.requested_at
"""
_SCRATCH = f"""
INSERT INTO hosting_instance (id, client_id, name, app, version, definition, image_pins, plan_id,
    server_id, state, state_reason, is_routed, order_key, expected, generation, purpose,
    made_from_id, ring, changes_from, changes_until, repairs, created_at, first_running_at,
    delete_requested_at, deleted_at, suspended_for, starts_again)
SELECT gen_random_uuid(), instance.client_id, 'test-' || substr(md5(backup.id::text), 1, 8),
    instance.app, instance.version, instance.definition, '{{}}', instance.plan_id,
    instance.server_id, 'deleted', '', false, '', '{{}}', 1, 'restore_test', backup.id, 'normal',
    '01:00', '05:00', 0, ended - interval '5 min', ended - interval '1 min', ended, ended,
    '', false
FROM {THEIRS} JOIN hosting_backup AS backup ON backup.instance_id = instance.id
    AND backup.verified_at IS NOT NULL AND {_TESTED}
CROSS JOIN LATERAL (SELECT backup.verified_at + interval '2 h' AS ended) AS test
WHERE NOT EXISTS (SELECT FROM hosting_restoretest WHERE backup_id = backup.id)
"""
_TRIALS = """
INSERT INTO hosting_operation (id, instance_id, kind, state, reason, undoing, requested_by_label,
    requested_at, run_after, attempt, fence, worker, started_at, finished_at)
SELECT gen_random_uuid(), scratch.id, 'restore_test', 'succeeded', '', '', 'Berth (restore-tests)',
    scratch.created_at, scratch.created_at, 1, 1, 'generated', scratch.created_at, scratch.deleted_at
FROM hosting_instance AS scratch WHERE scratch.purpose = 'restore_test'
    AND NOT EXISTS (SELECT FROM hosting_operation WHERE instance_id = scratch.id)
"""
_TESTS = """
INSERT INTO hosting_restoretest (id, scratch_id, backup_id, checks, seconds, passed, reason,
    created_at, ended_at)
SELECT gen_random_uuid(), scratch.id, scratch.made_from_id, '{}', 240, true, '',
    scratch.created_at, scratch.deleted_at
FROM hosting_instance AS scratch WHERE scratch.purpose = 'restore_test'
    AND NOT EXISTS (SELECT FROM hosting_restoretest WHERE scratch_id = scratch.id)
"""
_INCIDENTS = f"""
INSERT INTO hosting_incident (id, kind, instance_id, summary, cause, opened_at, closed_at)
SELECT gen_random_uuid(), 'instance_down', instance.id, 'It does not answer.',
    'A container ran out of memory.', at, at + interval '7 min'
FROM {THEIRS} CROSS JOIN generate_series(%(first)s::timestamptz, %(now)s - interval '1 day',
    interval '100 days') AS at
UNION ALL
SELECT gen_random_uuid(), 'instance_degraded', instance.id, 'A service does not run.', '',
    %(now)s - interval '1 h', NULL
FROM {THEIRS} WHERE {_UNWELL}
"""
_INCIDENT_EVENTS = f"""
INSERT INTO hosting_incidentevent (incident_id, at, kind, text)
SELECT incident.id, incident.opened_at + line.after, line.kind, line.text
FROM hosting_incident AS incident
JOIN ({THEIRS}) ON instance.id = incident.instance_id
CROSS JOIN (VALUES (interval '0 s', 'opened', 'Opened.'), (interval '1 s', 'cause', 'Cause found.'),
    (interval '7 min', 'closed', 'Over.')) AS line (after, kind, text)
WHERE incident.closed_at IS NOT NULL OR line.kind = 'opened'
"""
_WARNINGS = f"""
INSERT INTO hosting_limitwarning (id, instance_id, kind, summary, opened_at, closed_at)
SELECT gen_random_uuid(), instance.id, 'disk', 'The disk is nearly full.',
    %(now)s - interval '3 days', CASE WHEN NOT {_UNWELL} THEN %(now)s - interval '1 day' END
FROM {THEIRS}
"""
_DRIFTS = f"""
INSERT INTO hosting_drift (instance_id, kind, subject, found, done, found_at, last_seen_at,
    settled_at)
SELECT instance.id, 'stopped', service, service || ' did not run', 'It was started.',
    %(now)s - interval '9 days', %(now)s - interval '9 days', %(now)s - interval '9 days'
FROM {THEIRS} CROSS JOIN unnest(ARRAY['n8n', 'redis']) AS service
"""

STATEMENTS = {
    "first operations": _PROVISIONS,
    "nightly operations": _OPERATIONS,
    "backups": _BACKUPS,
    "instances that tried a backup": _SCRATCH,
    "operations of these": _TRIALS,
    "restore tests": _TESTS,
    "steps": _STEPS,
    "incidents": _INCIDENTS,
    "lines of incidents": _INCIDENT_EVENTS,
    "warnings of limits": _WARNINGS,
    "drifts": _DRIFTS,
}
"""What -> how; in this order."""
