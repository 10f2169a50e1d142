-- The store's time, and the row, if there is one.
-- ?1 namespace  ?2 id  ?3 offset (milliseconds; 0, but in tests)
WITH clock (now) AS (
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?3
)
SELECT now, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at, stored, due_at, crashes
FROM clock
LEFT JOIN webhook_events AS event ON event.namespace = ?1 AND event.id = ?2
