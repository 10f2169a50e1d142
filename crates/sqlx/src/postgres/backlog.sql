-- How much waits, each counted up to a number, and for how long the oldest has been due.
-- $1 namespace  $2 up to how many  $3 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $3 * interval '1 millisecond' AS now
)
SELECT (SELECT count(*)
        FROM (SELECT
              FROM webhook_events
              WHERE namespace = $1 AND state = 'free' AND crashes = 0 AND due_at <= (SELECT now FROM clock)
              LIMIT $2) AS few) AS due,
       (SELECT count(*)
        FROM (SELECT
              FROM webhook_events
              WHERE namespace = $1 AND state = 'free' AND crashes = 0 AND due_at > (SELECT now FROM clock)
              LIMIT $2) AS few) AS scheduled,
       (SELECT count(*)
        FROM (SELECT
              FROM webhook_events
              WHERE namespace = $1 AND (state = 'claimed' OR crashes > 0) AND due_at IS NOT NULL
              LIMIT $2) AS few) AS running,
       (SELECT count(*)
        FROM (SELECT FROM webhook_events WHERE namespace = $1 AND state = 'dead' LIMIT $2) AS few) AS dead,
       (SELECT (extract(epoch FROM (SELECT now FROM clock) - min(due_at)) * 1000000)::bigint
        FROM ((SELECT due_at
               FROM webhook_events
               WHERE namespace = $1 AND state = 'free' AND crashes = 0 AND due_at <= (SELECT now FROM clock)
               ORDER BY due_at
               LIMIT 1)
              UNION ALL
              -- whose process died: due when the lease has ended
              (SELECT due_at
               FROM webhook_events
               WHERE namespace = $1 AND (state = 'claimed' OR crashes > 0) AND due_at <= (SELECT now FROM clock)
               ORDER BY due_at
               LIMIT 1)) AS firsts) AS oldest_due
