-- replay_all, a part of it: the next of what a filter lets through and nobody runs, the oldest
-- first, with due times that are spread evenly over all. $1 namespace  $2 states  $3 topic, or null
-- for any  $4 and $5 behind which time and id  $6 before (times in microseconds since 1970)
-- $7 what the ids begin with, or null for any  $8 limit  $9 how many were in the parts before
-- $10 and in all  $11 over how long  $12 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $12 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
-- Locked, and so as they are now. What somebody changes at this moment is left out.
locked AS MATERIALIZED (
    SELECT event.ctid AS place, body.id, body.received_at
    FROM webhook_bodies AS body
    JOIN webhook_events AS event USING (namespace, id)
    WHERE body.namespace = $1
      AND event.stored
      AND event.state = ANY ($2)
      AND event.state <> 'claimed'
      AND event.expires_at > (SELECT now FROM clock)
      AND ($3::text IS NULL OR body.topic = $3)
      AND ($7::text IS NULL OR starts_with(body.id, $7))
      AND (body.received_at, body.id) > (timestamptz '1970-01-01 00:00:00+00' + $4 * interval '1 microsecond', $5)
      AND body.received_at < timestamptz '1970-01-01 00:00:00+00' + $6 * interval '1 microsecond'
    ORDER BY body.received_at, body.id
    LIMIT $8
    FOR UPDATE OF event SKIP LOCKED
),
meant AS MATERIALIZED (
    SELECT place, id, received_at,
           -- of the whole time, what passes before it
           least(1, ($9 + row_number() OVER (ORDER BY received_at, id) - 1)::double precision / greatest($10, 1)) AS part
    FROM locked
),
replayed AS (
    UPDATE webhook_events AS event
    SET state      = 'free',
        attempts   = 0,
        changed_at = now,
        expires_at = timestamptz '9999-12-31 23:59:59+00',
        crashes    = 0,
        due_at     = now + meant.part * ($11 * interval '1 millisecond')
    FROM meant, clock
    -- where it lies: by any index, the planner might walk all of it for each
    WHERE event.ctid = meant.place
    RETURNING true
),
last AS (
    SELECT id, received_at FROM meant ORDER BY received_at DESC, id DESC LIMIT 1
)
SELECT (SELECT count(*) FROM replayed) AS replayed,
       (SELECT count(*) FROM meant)    AS meant,
       (SELECT id FROM last)           AS id,
       (SELECT (extract(epoch FROM received_at) * 1000000)::bigint FROM last) AS received_at
