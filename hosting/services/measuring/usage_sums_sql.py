"""The statements that sum up what apps used; ``usage_sums`` says in which order.

Django's cursor writes the parameters into the text, so every array says what it holds.
"""

from __future__ import annotations

from hosting.catalog.meters import LLM

TAKE_MARKS = """
WITH taken AS (
    DELETE FROM hosting_usagemark WHERE id IN (
        SELECT id FROM hosting_usagemark ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
    ) RETURNING instance_id, quarter
)
SELECT DISTINCT instance_id, quarter FROM taken
"""

_QUARTERS = "unnest(%(instances)s::uuid[], %(quarters)s::timestamptz[]) AS span(instance_id, begin)"
_SPANS = """
unnest(%(instances)s::uuid[], %(dates)s::date[], %(begins)s::timestamptz[],
       %(ends)s::timestamptz[]) AS span(instance_id, "on", begin, until)
"""
_DIVISION = "date_bin('15 minutes', {}, '2000-01-01 00:00:00+00')"

NEXT_LEVELS = f"""
SELECT DISTINCT span.instance_id, {_DIVISION.format("next.at")}
FROM {_QUARTERS} CROSS JOIN LATERAL (
    SELECT DISTINCT meter FROM hosting_usageevent AS event
    WHERE event.instance_id = span.instance_id AND is_level
      AND at >= begin AND at < begin + interval '15 minutes'
) AS level CROSS JOIN LATERAL (
    SELECT at FROM hosting_usageevent AS event
    WHERE event.instance_id = span.instance_id AND is_level AND event.meter = level.meter
      AND at >= begin + interval '15 minutes'
    ORDER BY at LIMIT 1
) AS next
"""

CLEAR_QUARTERS = f"""
DELETE FROM hosting_usagesum AS sum USING {_QUARTERS}
WHERE sum.span = 'quarter' AND sum.instance_id = span.instance_id AND sum.starts_at = begin
"""

# An event of tokens counts on four meters.
FILL_QUARTERS = f"""
INSERT INTO hosting_usagesum (instance_id, span, starts_at, meter, label, total, count, maximum,
                              latest, latest_at, "distinct", computed_at)
SELECT event.instance_id, 'quarter', begin, part.meter, event.label, sum(part.amount), count(*),
       max(part.amount),
       (array_agg(part.amount ORDER BY at DESC, digest DESC) FILTER (WHERE is_level))[1], max(at),
       nullif(count(DISTINCT key) FILTER (WHERE key <> ''), 0), %(now)s
FROM {_QUARTERS} JOIN hosting_usageevent AS event
  ON event.instance_id = span.instance_id AND at >= begin AND at < begin + interval '15 minutes'
CROSS JOIN LATERAL (
    SELECT event.meter, event.amount::numeric AS amount WHERE event.meter <> '{LLM}'
    UNION ALL
    SELECT * FROM (VALUES ('llm_requests', 1::numeric), ('llm_input', event.input),
                          ('llm_output', event.output), ('llm_cached', event.cached)) AS of_model
    WHERE event.meter = '{LLM}'
) AS part(meter, amount)
GROUP BY event.instance_id, begin, part.meter, event.label
"""

# Each level holds until the next one, the last before the span into it.
_MEANS = """
WITH level AS (
    SELECT DISTINCT sum.id, sum.instance_id, sum.meter, begin, until
    FROM {spans} JOIN hosting_usagesum AS sum
      ON sum.instance_id = span.instance_id AND {which} AND sum.latest IS NOT NULL
), held AS (
    SELECT level.id, amount::numeric AS amount, greatest(at, begin) AS since,
           coalesce(lead(at) OVER (PARTITION BY level.id ORDER BY at, digest), until) AS until
    FROM level CROSS JOIN LATERAL (
        (SELECT at, amount, digest FROM hosting_usageevent AS event
         WHERE event.instance_id = level.instance_id AND event.meter = level.meter AND is_level
           AND at < begin ORDER BY at DESC, digest DESC LIMIT 1)
        UNION ALL
        SELECT at, amount, digest FROM hosting_usageevent AS event
        WHERE event.instance_id = level.instance_id AND event.meter = level.meter AND is_level
          AND at >= begin AND at < level.until
    ) AS event
), mean AS (
    SELECT id, round(sum(amount * extract(epoch FROM until - since))
                     / nullif(sum(extract(epoch FROM until - since)), 0), 6) AS value
    FROM held GROUP BY id
)
UPDATE hosting_usagesum AS sum SET mean = coalesce(mean.value, sum.latest)
FROM mean WHERE mean.id = sum.id
"""
MEANS_OF_QUARTERS = _MEANS.format(
    spans=(
        "(SELECT instance_id, begin, begin + interval '15 minutes' AS until"
        f" FROM {_QUARTERS}) AS span"
    ),
    which="sum.span = 'quarter' AND sum.starts_at = begin",
)

_CLEAR = f"""
DELETE FROM hosting_usagesum AS sum USING {_SPANS}
WHERE sum.span = %(unit)s AND sum.instance_id = span.instance_id AND sum."on" = span."on"
"""
_FILL = f"""
INSERT INTO hosting_usagesum (instance_id, span, "on", meter, label, total, count, maximum,
                              latest, latest_at, computed_at)
SELECT sum.instance_id, %(unit)s, span."on", meter, label, sum(total), sum(count), max(maximum),
       (array_agg(latest ORDER BY latest_at DESC) FILTER (WHERE latest IS NOT NULL))[1],
       max(latest_at), %(now)s
FROM {_SPANS} JOIN hosting_usagesum AS sum ON sum.instance_id = span.instance_id AND {{parts}}
GROUP BY sum.instance_id, span."on", meter, label
"""
_FILL_DAYS = _FILL.format(
    parts="sum.span = 'quarter' AND sum.starts_at >= begin AND sum.starts_at < until"
)
_FILL_MONTHS = _FILL.format(
    parts=(
        'sum.span = \'day\' AND sum."on" >= span."on"'
        ' AND sum."on" < span."on" + interval \'1 month\''
    )
)
_DISTINCT = f"""
UPDATE hosting_usagesum AS sum SET "distinct" = found.keys
FROM (
    SELECT span.instance_id, span."on", meter, count(DISTINCT key) AS keys
    FROM {_SPANS} JOIN hosting_usageevent AS event
      ON event.instance_id = span.instance_id AND at >= begin AND at < until AND key <> ''
    GROUP BY span.instance_id, span."on", meter
) AS found
WHERE sum.span = %(unit)s AND sum.instance_id = found.instance_id AND sum."on" = found."on"
  AND sum.meter = found.meter
"""
_CLEAR_SUBJECTS = f"""
DELETE FROM hosting_usagesubject AS subject USING {_SPANS}
WHERE subject.instance_id = span.instance_id AND subject."on" = span."on"
"""
_FILL_SUBJECTS = f"""
INSERT INTO hosting_usagesubject (instance_id, meter, "on", key)
SELECT DISTINCT span.instance_id, meter, span."on", key
FROM {_SPANS} JOIN hosting_usageevent AS event
  ON event.instance_id = span.instance_id AND at >= begin AND at < until AND key <> ''
"""
_MEAN = _MEANS.format(spans=_SPANS, which='sum.span = %(unit)s AND sum."on" = span."on"')

DAYS_AND_MONTHS = {
    "day": (_CLEAR, _FILL_DAYS, _CLEAR_SUBJECTS, _FILL_SUBJECTS, _DISTINCT, _MEAN),
    "month": (_CLEAR, _FILL_MONTHS, _DISTINCT, _MEAN),
}
"""What each takes, one after the other."""
