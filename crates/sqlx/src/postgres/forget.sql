-- forget: whatever its state, unless it counts as absent, and with what is stored of it. Where
-- somebody changes the row meanwhile, nothing is forgotten and `was_there` says to try once more: a
-- body that the other stores would not be seen here. $1 namespace  $2 id  $3 offset
WITH recorded AS MATERIALIZED (
    SELECT xmin AS version
    FROM webhook_events
    WHERE namespace = $1
      AND id = $2
      AND expires_at > clock_timestamp() + $3 * interval '1 millisecond'
),
forgotten AS (
    DELETE FROM webhook_events
    WHERE namespace = $1
      AND id = $2
      AND xmin = (SELECT version FROM recorded)
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
SELECT EXISTS (SELECT FROM recorded)  AS was_there,
       EXISTS (SELECT FROM forgotten) AS forgotten
