"""Which looks do not count, as the database knows at the moment of writing them down."""

from __future__ import annotations

from datetime import timedelta

from hosting.models import Excuse, Operation
from hosting.selectors.watching.targets import TO_ANSWER

# An operation that takes longer is no excuse any more: the instance is away, whatever for.
EXCUSED_FOR = timedelta(hours=1)
# A repair is there because the instance is down; it does not excuse that.
NO_EXCUSE = (Operation.Kind.REPAIR,)

# Where a backup holds nothing still, the app is not away for it.
_HOLDS_STILL = "jsonb_path_exists(i.definition, '$.berth.backup.pause[*] ? (@ != null)')"

# Of ``given``, which has instance_id, at, ended_at and is_up: the same rows with their excuse.
JUDGED = f"""
windows AS MATERIALIZED (
    SELECT server_id, instance_id, starts_at, ends_at FROM hosting_maintenancewindow
    WHERE cancelled_at IS NULL AND ends_at > (SELECT min(at) FROM given)
), judged AS (
    SELECT g.*, CASE
        WHEN EXISTS (
            SELECT FROM windows w WHERE w.starts_at <= g.at AND w.ends_at > g.at AND (
                w.instance_id = i.id OR w.server_id = i.server_id
                OR (w.instance_id IS NULL AND w.server_id IS NULL)
            )
        ) THEN '{Excuse.MAINTENANCE}'
        WHEN g.is_up THEN ''
        WHEN i.state <> ALL (%(to_answer)s) THEN '{Excuse.STOPPED}'
        WHEN EXISTS (
            SELECT FROM hosting_operation o
            WHERE o.id = i.held_for_id AND o.state IN ('queued', 'running')
            AND o.started_at > g.at - %(excused_for)s
        ) THEN '{Excuse.HELD}'
        WHEN EXISTS (
            SELECT FROM hosting_operation o
            WHERE o.instance_id = i.id AND o.kind <> ALL (%(no_excuse)s)
            AND (o.kind <> %(backup)s OR {_HOLDS_STILL})
            AND o.started_at <= g.ended_at AND o.started_at > g.at - %(excused_for)s
            AND (o.finished_at IS NULL OR o.finished_at >= g.at)
        ) THEN '{Excuse.OPERATION}'
        ELSE '' END AS excuse
    FROM given g JOIN hosting_instance i ON i.id = g.instance_id
)
"""  # noqa: S608


def values() -> dict[str, object]:
    """What ``JUDGED`` is given."""
    return {
        "to_answer": [str(each) for each in TO_ANSWER],
        "no_excuse": [str(each) for each in NO_EXCUSE],
        "backup": str(Operation.Kind.BACKUP),
        "excused_for": EXCUSED_FOR,
    }
