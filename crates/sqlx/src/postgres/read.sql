-- The store's time, and the row, if there is one.
-- $1 namespace  $2 id  $3 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $3 * interval '1 millisecond' AS now
)
SELECT (extract(epoch FROM now) * 1000000)::bigint AS now,
       state, fingerprint, token, recorded.generation, recorded.attempts,
       (extract(epoch FROM changed_at) * 1000000)::bigint  AS changed_at,
       (extract(epoch FROM lease_until) * 1000000)::bigint AS lease_until,
       (extract(epoch FROM expires_at) * 1000000)::bigint  AS expires_at,
       recorded.crashes, recorded.stored,
       (extract(epoch FROM recorded.due_at) * 1000000)::bigint AS due_at
FROM clock
LEFT JOIN webhook_events AS recorded ON namespace = $1 AND id = $2
