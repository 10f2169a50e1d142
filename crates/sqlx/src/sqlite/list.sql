-- Stored deliveries, the oldest first. What is NULL excludes nothing.
-- ?1 namespace  ?2 states, as a JSON array, or NULL  ?3 topic, or NULL  ?4 and ?5 behind which time
-- and id  ?6 before  ?7 limit  ?8 offset  ?9 what the ids begin with, or NULL
SELECT event.id, event.state, event.attempts, event.crashes, event.due_at, body.topic, body.received_at
FROM webhook_bodies AS body
JOIN webhook_events AS event ON event.namespace = body.namespace AND event.id = body.id
WHERE body.namespace = ?1
  AND event.stored = 1
  AND event.expires_at > CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?8
  AND (?2 IS NULL OR event.state IN (SELECT value FROM json_each(?2)))
  AND (?3 IS NULL OR body.topic = ?3)
  AND (?9 IS NULL OR substr(body.id, 1, length(?9)) = ?9)
  AND (body.received_at, body.id) > (?4, ?5)
  AND body.received_at < ?6
ORDER BY body.received_at, body.id
LIMIT ?7
