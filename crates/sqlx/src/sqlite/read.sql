-- The store's time and the row, if there is one, of each event that is asked for, with its place in
-- the array.
-- ?1 namespaces and ids, as a JSON array of arrays  ?2 offset (milliseconds; 0, but in tests)
WITH clock (now) AS (
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?2
),
asked AS MATERIALIZED (
    SELECT key AS place, value ->> 0 AS namespace, value ->> 1 AS id
    FROM json_each(?1)
)
SELECT place, (SELECT now FROM clock) AS now,
       state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at, stored, due_at, crashes
FROM asked
LEFT JOIN webhook_events AS event ON event.namespace = asked.namespace AND event.id = asked.id
ORDER BY place
