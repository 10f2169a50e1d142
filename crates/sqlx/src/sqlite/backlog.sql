-- How much waits in the inbox, each kind counted up to a limit.
-- ?1 namespace  ?2 offset  ?3 limit
WITH clock (now) AS (
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?2
)
SELECT (SELECT now FROM clock) AS now,
       (SELECT count(*) FROM (
           SELECT 1 FROM webhook_events
           WHERE namespace = ?1 AND state = 'free' AND crashes = 0
             AND due_at IS NOT NULL AND due_at <= (SELECT now FROM clock)
           LIMIT ?3)) AS due,
       (SELECT count(*) FROM (
           SELECT 1 FROM webhook_events
           WHERE namespace = ?1 AND state = 'free' AND crashes = 0
             AND due_at IS NOT NULL AND due_at > (SELECT now FROM clock)
           LIMIT ?3)) AS scheduled,
       (SELECT count(*) FROM (
           SELECT 1 FROM webhook_events
           WHERE namespace = ?1 AND due_at IS NOT NULL AND (state = 'claimed' OR crashes > 0)
           LIMIT ?3)) AS running,
       (SELECT count(*) FROM (
           SELECT 1 FROM webhook_events WHERE namespace = ?1 AND state = 'dead' LIMIT ?3)) AS dead,
       -- of what is due first, and of that whose process died: due when the lease has ended
       (SELECT min(due_at) FROM (
           SELECT min(due_at) AS due_at FROM webhook_events
           WHERE namespace = ?1 AND state = 'free' AND crashes = 0 AND due_at IS NOT NULL
           UNION ALL
           SELECT min(due_at) FROM webhook_events
           WHERE namespace = ?1 AND due_at IS NOT NULL AND (state = 'claimed' OR crashes > 0))) AS first_due
