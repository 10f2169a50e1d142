-- purge: what counts as absent, the oldest first. ?1 limit  ?2 offset
SELECT namespace, id, stored
FROM webhook_events
WHERE expires_at <= CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?2
ORDER BY expires_at
LIMIT ?1
