-- forget: whatever its state, unless it counts as absent, and with what is stored of it.
-- $1 namespace  $2 id  $3 offset
WITH forgotten AS (
    DELETE FROM webhook_events
    WHERE namespace = $1
      AND id = $2
      AND expires_at > clock_timestamp() + $3 * interval '1 millisecond'
    RETURNING namespace, id
),
bodies AS (
    DELETE FROM webhook_bodies AS body
    USING forgotten
    WHERE body.namespace = forgotten.namespace
      AND body.id = forgotten.id
),
history AS (
    DELETE FROM webhook_attempts AS attempt
    USING forgotten
    WHERE attempt.namespace = forgotten.namespace
      AND attempt.id = forgotten.id
)
SELECT true FROM forgotten
