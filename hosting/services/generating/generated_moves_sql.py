"""The statements that give a fleet which never ran what was done to it beside nightly backups:
restores, upgrades and their rehearsals, rollouts, actions for whole servers, maintenance, messages.

All of it ended well, and none of it is within the time that one can still go back.
"""

from __future__ import annotations

from hosting.services.generating.generated_fleet_sql import THEIRS

_AUTHOR = "Berth (generate_fleet)"
_OPERATION = """
INSERT INTO hosting_operation (id, instance_id, kind, state, reason, undoing, requested_by_label,
    requested_at, run_after, attempt, fence, worker, started_at, finished_at)
SELECT operation_id, instance_id, '{kind}', 'succeeded', '', '', 'Somebody', at, at, 1, 1,
    'generated', at, at + interval '40 s'
FROM chosen
"""
_MOVE = """
SELECT gen_random_uuid(), operation_id, at, 1, 2, 38, at + interval '2 days', ''
"""
_MOVE_COLUMNS = (
    "id, operation_id, requested_at, from_generation, to_generation, seconds, kept_until, trouble"
)
# By their place and not by what their identifiers begin with: the smallest fleet has some of each.
_PLACED = f"SELECT instance.*, row_number() OVER (ORDER BY instance.id) AS place FROM {THEIRS}"
_ONE_IN = "mod(place, {many}) = 1"

_RESTORES = f"""
WITH verified AS (
    SELECT instance.id AS instance_id, backup.id AS backup_id, backup.verified_at,
        row_number() OVER (ORDER BY backup.id) AS place
    FROM {THEIRS} JOIN hosting_backup AS backup ON backup.instance_id = instance.id
        AND backup.verified_at < %(now)s - interval '3 days'
), chosen AS (
    SELECT gen_random_uuid() AS operation_id, instance_id, backup_id,
        verified_at + interval '6 h' AS at
    FROM verified WHERE {_ONE_IN.format(many=20)}
), made AS ({_OPERATION.format(kind="restore")})
INSERT INTO hosting_restore ({_MOVE_COLUMNS}, backup_id, is_from_copy, checks)
{_MOVE}, backup_id, false, '{{}}' FROM chosen
"""
_UPGRADES = f"""
WITH theirs AS ({_PLACED}), chosen AS (
    SELECT gen_random_uuid() AS operation_id, instance.id AS instance_id, instance.version,
        instance.definition, instance.image_pins, instance.plan_id,
        %(now)s::timestamptz - interval '19 days' AS at
    FROM theirs AS instance WHERE {_ONE_IN.format(many=3)}
), made AS ({_OPERATION.format(kind="upgrade")})
INSERT INTO hosting_upgrade ({_MOVE_COLUMNS}, from_version, to_version, from_definition,
    to_definition, from_images, to_images, from_plan_id, to_plan_id)
{_MOVE}, '1.0.0', version, definition, definition, image_pins, image_pins, plan_id, plan_id
FROM chosen
"""
_REHEARSALS = f"""
WITH theirs AS ({_PLACED}), chosen AS (
    SELECT gen_random_uuid() AS operation_id, gen_random_uuid() AS scratch_id, backup.id AS backup_id,
        instance.*, backup.verified_at + interval '3 h' AS at
    FROM theirs AS instance CROSS JOIN LATERAL (
        SELECT id, verified_at FROM hosting_backup
        WHERE instance_id = instance.id AND verified_at < %(now)s - interval '1 day'
        ORDER BY verified_at DESC LIMIT 1
    ) AS backup
    WHERE {_ONE_IN.format(many=10)}
), scratch AS (
    INSERT INTO hosting_instance (id, client_id, name, app, version, definition, image_pins, plan_id,
        server_id, state, state_reason, is_routed, order_key, expected, generation, purpose,
        made_from_id, ring, changes_from, changes_until, repairs, created_at, first_running_at,
        delete_requested_at, deleted_at, suspended_for, starts_again)
    SELECT scratch_id, client_id, 'try-' || substr(md5(backup_id::text), 1, 8), app, version,
        definition, '{{}}', plan_id, server_id, 'deleted', '', false, '', '{{}}', 1, 'rehearsal',
        backup_id, 'normal', '01:00', '05:00', 0, at, at, at + interval '1 min',
        at + interval '1 min', '', false
    FROM chosen
), made AS (
    {_OPERATION.format(kind="rehearsal").replace("instance_id, 'reh", "scratch_id, 'reh")}
)
INSERT INTO hosting_rehearsal (id, scratch_id, backup_id, checks, seconds, passed, reason,
    created_at, ended_at, to_version, to_definition, to_plan_id)
SELECT gen_random_uuid(), scratch_id, backup_id, '{{}}', 41, true, '', at, at + interval '1 min',
    version, definition, plan_id
FROM chosen
"""
_IN_WAVES = """
(row_number() OVER (PARTITION BY {of} ORDER BY instance.id) - 1) / 50
"""
_ROLLOUTS = f"""
INSERT INTO hosting_rollout (id, app, version, wave_size, pause, most_failures, in_window, state,
    reason, requested_by_label, requested_at, finished_at)
SELECT gen_random_uuid(), app.app, app.version, 50, interval '1 h', 1, true, 'succeeded', '',
    '{_AUTHOR}', at, at + interval '4 days'
FROM (SELECT app, max(version) AS version FROM hosting_instance
    JOIN hosting_server AS server ON server.id = server_id AND server.name LIKE 'generated-%%'
    GROUP BY app) AS app
CROSS JOIN generate_series(%(first)s::timestamptz + interval '5 days',
    %(now)s - interval '5 days', interval '60 days') AS at
"""
_ROLLOUT_ITEMS = f"""
INSERT INTO hosting_rolloutitem (rollout_id, instance_id, wave, state, reason)
SELECT rollout.id, instance.id, {_IN_WAVES.format(of="rollout.id")}, 'succeeded', ''
FROM {THEIRS} JOIN hosting_rollout AS rollout ON rollout.app = instance.app
    AND rollout.requested_by_label = '{_AUTHOR}'
"""
_FLEET_ACTIONS = f"""
INSERT INTO hosting_fleetaction (id, server_id, kind, purpose, wave_size, most_failures, state,
    reason, requested_by_label, requested_at, finished_at)
SELECT gen_random_uuid(), server.id, 'restart', 'asked', 50, 1, 'succeeded', '', '{_AUTHOR}',
    %(now)s - interval '9 days', %(now)s - interval '9 days' + interval '1 h'
FROM hosting_server AS server WHERE server.name LIKE 'generated-%%'
"""
_FLEET_ACTION_ITEMS = f"""
INSERT INTO hosting_fleetactionitem (action_id, instance_id, wave, state, reason)
SELECT action.id, instance.id, {_IN_WAVES.format(of="action.id")}, 'succeeded', ''
FROM {THEIRS} JOIN hosting_fleetaction AS action ON action.server_id = server.id
    AND action.requested_by_label = '{_AUTHOR}'
"""
_MAINTENANCE = """
INSERT INTO hosting_maintenancewindow (id, server_id, starts_at, ends_at, what, planned_by_label,
    planned_at)
SELECT gen_random_uuid(), server.id, at, at + interval '30 min', 'The server gets a new kernel.',
    'Somebody', at - interval '7 days'
FROM hosting_server AS server
CROSS JOIN generate_series(%(first)s::timestamptz, %(now)s - interval '2 days',
    interval '90 days') AS at
WHERE server.name LIKE 'generated-%%'
"""

_NOTIFICATIONS = f"""
INSERT INTO hosting_notification (id, client_id, "group", instance_id, topic, severity, title, text,
    path, data, key, is_over, created_at)
SELECT gen_random_uuid(), instance.client_id, '', instance.id, 'health', 'critical',
    instance.name || CASE WHEN is_over THEN ' answers again' ELSE ' does not answer' END,
    incident.cause, '', '{{}}', 'incident:' || incident.id, is_over,
    CASE WHEN is_over THEN incident.closed_at ELSE incident.opened_at END
FROM {THEIRS} JOIN hosting_incident AS incident ON incident.instance_id = instance.id
    AND incident.closed_at IS NOT NULL
CROSS JOIN (VALUES (false), (true)) AS told (is_over)
ORDER BY 13
"""
# One each: what is said of several instances at once would be one message in a real fleet.
_DELIVERIES = """
WITH chosen AS (
    SELECT gen_random_uuid() AS id, channel.id AS channel_id, notification.id AS notification_id,
        notification.created_at
    FROM hosting_notification AS notification
    JOIN hosting_channel AS channel ON channel.client_id = notification.client_id
    WHERE notification.key LIKE 'incident:%%'
    ORDER BY notification.created_at
), made AS (
    INSERT INTO hosting_delivery (id, channel_id, state, due_at, attempt, reason, created_at, ended_at)
    SELECT id, channel_id, 'sent', created_at, 1, '', created_at, created_at + interval '20 s'
    FROM chosen
)
INSERT INTO hosting_delivery_notifications (delivery_id, notification_id)
SELECT id, notification_id FROM chosen
"""

STATEMENTS = {
    "restores": _RESTORES,
    "upgrades": _UPGRADES,
    "rehearsals": _REHEARSALS,
    "rollouts": _ROLLOUTS,
    "instances in rollouts": _ROLLOUT_ITEMS,
    "actions for a server": _FLEET_ACTIONS,
    "instances in these": _FLEET_ACTION_ITEMS,
    "maintenance windows": _MAINTENANCE,
}
"""What -> how; in this order, after the backups of ``generated_past_sql``."""

MESSAGES = {"notifications": _NOTIFICATIONS, "messages": _DELIVERIES}
"""The same of what was told of incidents that are over."""
