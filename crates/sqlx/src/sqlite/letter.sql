-- A stored delivery. ?1 namespace  ?2 id  ?3 offset
SELECT event.id, event.state, event.attempts, event.crashes, event.due_at,
       body.topic, body.received_at, body.secret_index, body.headers, body.body
FROM webhook_events AS event
JOIN webhook_bodies AS body ON body.namespace = event.namespace AND body.id = event.id
WHERE event.namespace = ?1
  AND event.id = ?2
  AND event.stored = 1
  AND event.expires_at > CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?3
