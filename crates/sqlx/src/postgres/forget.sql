-- forget: whatever its state, unless it counts as absent, and with what is stored of it.
-- $1 namespace  $2 id  $3 offset
WITH forgotten AS (
    DELETE FROM webhook_events
    WHERE namespace = $1
      AND id = $2
      AND expires_at > clock_timestamp() + $3 * interval '1 millisecond'
    RETURNING true
),
bodies AS (
    DELETE FROM webhook_bodies
    WHERE namespace = $1
      AND id = $2
      AND EXISTS (SELECT FROM forgotten)
),
history AS (
    DELETE FROM webhook_attempts
    WHERE namespace = $1
      AND id = $2
      AND EXISTS (SELECT FROM forgotten)
)
SELECT true FROM forgotten
