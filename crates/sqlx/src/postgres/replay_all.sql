-- replay_all: what a filter lets through and nobody runs, with due times that are spread evenly,
-- the oldest first. $1 namespace  $2 states  $3 topic, or null for any  $4 since  $5 before (in
-- microseconds since 1970)  $6 over how long  $7 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $7 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
meant AS MATERIALIZED (
    SELECT body.namespace, body.id,
           -- of the whole time, what passes before it
           (row_number() OVER (ORDER BY body.received_at, body.id) - 1)::double precision / count(*) OVER () AS part
    FROM webhook_bodies AS body
    JOIN webhook_events AS event USING (namespace, id)
    WHERE body.namespace = $1
      AND event.stored
      AND event.state = ANY ($2)
      AND event.state <> 'claimed'
      AND event.expires_at > (SELECT now FROM clock)
      AND ($3::text IS NULL OR body.topic = $3)
      AND body.received_at >= timestamptz '1970-01-01 00:00:00+00' + $4 * interval '1 microsecond'
      AND body.received_at < timestamptz '1970-01-01 00:00:00+00' + $5 * interval '1 microsecond'
),
replayed AS (
    UPDATE webhook_events AS event
    SET state      = 'free',
        attempts   = 0,
        changed_at = now,
        expires_at = timestamptz '9999-12-31 23:59:59+00',
        crashes    = 0,
        due_at     = now + meant.part * ($6 * interval '1 millisecond')
    FROM meant, clock
    WHERE event.namespace = meant.namespace
      AND event.id = meant.id
      -- still, where somebody came first
      AND event.stored
      AND event.state = ANY ($2)
      AND event.state <> 'claimed'
      AND event.expires_at > now
    RETURNING true
)
SELECT count(*) AS replayed FROM replayed
