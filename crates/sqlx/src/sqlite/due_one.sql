-- take: one event, if it is due. ?4 id
-- ?1 namespace  ?2 offset  ?3 limit
WITH clock (now) AS (
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?2
)
SELECT (SELECT now FROM clock) AS now,
       event.id, event.fingerprint, event.state, event.generation, event.attempts, event.crashes,
       body.received_at, body.topic, body.secret_index, body.headers, body.body
FROM webhook_events AS event
JOIN webhook_bodies AS body ON body.namespace = event.namespace AND body.id = event.id
WHERE event.namespace = ?1
  AND event.id = ?4
  AND event.due_at IS NOT NULL
  -- a scalar, so that the index ends the search
  AND event.due_at <= (SELECT now FROM clock)
ORDER BY event.due_at
LIMIT ?3
