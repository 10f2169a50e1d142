-- What was claimed and neither finished nor renewed in time, the longest expired first: its process
-- died, or its provider gave up. ?1 namespace  ?2 limit  ?3 offset
SELECT event.id
FROM webhook_events AS event,
     (SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?3 AS now) AS clock
WHERE event.namespace = ?1
  AND event.state = 'claimed'
  AND event.lease_until <= now
  AND event.expires_at > now
ORDER BY event.lease_until, event.id
LIMIT ?2
