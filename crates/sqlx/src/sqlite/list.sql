-- Stored deliveries, the oldest first. The bound limits exclude nothing where they are NULL.
-- ?1 namespace  ?2 states, as a JSON array, or NULL  ?3 topic  ?4 since  ?5 before
-- ?6 and ?7 the last entry's received_at and id  ?8 limit  ?9 offset
SELECT event.id, event.state, event.attempts, event.crashes, event.due_at, body.topic, body.received_at
FROM webhook_bodies AS body
JOIN webhook_events AS event ON event.namespace = body.namespace AND event.id = body.id
WHERE body.namespace = ?1
  AND event.stored = 1
  AND event.expires_at > CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?9
  AND (?2 IS NULL OR event.state IN (SELECT value FROM json_each(?2)))
  AND (?3 IS NULL OR body.topic = ?3)
  AND (?4 IS NULL OR body.received_at >= ?4)
  AND (?5 IS NULL OR body.received_at < ?5)
  AND (?6 IS NULL OR (body.received_at, body.id) > (?6, ?7))
ORDER BY body.received_at, body.id
LIMIT ?8
