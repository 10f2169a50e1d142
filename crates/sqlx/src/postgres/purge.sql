-- purge: what counts as absent, the oldest first, a batch at a time; and of what was finished long
-- ago the body and the attempts. What somebody uses at this moment is left alone, and what is dead
-- stays. $1 limit  $2 for how long the bodies are kept  $3 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $3 * interval '1 millisecond' AS now
),
expired AS MATERIALIZED (
    SELECT namespace, id
    FROM webhook_events
    WHERE expires_at <= (SELECT now FROM clock)
    ORDER BY expires_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
),
purged AS (
    DELETE FROM webhook_events AS event
    USING expired
    WHERE event.namespace = expired.namespace
      AND event.id = expired.id
    RETURNING event.namespace, event.id
),
finished AS MATERIALIZED (
    SELECT namespace, id
    FROM webhook_events
    WHERE stored
      AND state IN ('handled', 'rejected')
      AND changed_at <= (SELECT now - $2 * interval '1 millisecond' FROM clock)
      AND expires_at > (SELECT now FROM clock)
    ORDER BY changed_at
    LIMIT $1 - (SELECT count(*) FROM expired)
    FOR UPDATE SKIP LOCKED
),
stripped AS (
    UPDATE webhook_events AS event
    SET stored = false,
        due_at = NULL
    FROM finished
    WHERE event.namespace = finished.namespace
      AND event.id = finished.id
    RETURNING event.namespace, event.id
),
gone AS (
    SELECT namespace, id FROM purged UNION ALL SELECT namespace, id FROM stripped
),
bodies AS (
    DELETE FROM webhook_bodies AS body
    USING gone
    WHERE body.namespace = gone.namespace
      AND body.id = gone.id
),
history AS (
    DELETE FROM webhook_attempts AS attempt
    USING gone
    WHERE attempt.namespace = gone.namespace
      AND attempt.id = gone.id
)
SELECT count(*) AS purged FROM gone
