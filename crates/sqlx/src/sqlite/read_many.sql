-- settle: as `read.sql`, of many events of a namespace, with the place of each in the array.
-- ?1 namespace  ?2 ids, as a JSON array  ?3 offset
WITH clock (now) AS (
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?3
)
SELECT told.key AS place, (SELECT now FROM clock) AS now,
       state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at, stored, due_at, crashes
FROM json_each(?2) AS told
LEFT JOIN webhook_events AS event ON event.namespace = ?1 AND event.id = told.value
ORDER BY told.key
