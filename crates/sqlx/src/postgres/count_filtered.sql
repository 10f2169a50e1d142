-- How many stored deliveries a filter lets through that nobody runs. $1 namespace  $2 states
-- $3 topic, or null for any  $4 and $5 behind which time and id  $6 before (times in
-- microseconds since 1970)  $7 what the ids begin with, or null for any  $8 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $8 * interval '1 millisecond' AS now
)
SELECT count(*) AS matching
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
