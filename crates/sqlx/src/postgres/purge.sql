-- purge: what counts as absent, the oldest first, a batch at a time; what somebody claims at this
-- moment is left alone. $1 limit  $2 offset
WITH expired AS MATERIALIZED (
    SELECT namespace, id
    FROM webhook_events
    WHERE expires_at <= (SELECT clock_timestamp() + $2 * interval '1 millisecond')
    ORDER BY expires_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
),
purged AS (
    DELETE FROM webhook_events AS event
    USING expired
    WHERE event.namespace = expired.namespace
      AND event.id = expired.id
    RETURNING true
)
SELECT count(*) AS purged FROM purged
