-- complete, of a handled event: the effect happened, whoever holds the claim by now. What is
-- finished stays as it was finished. A row comes back if it was written here. `read.sql` tells the
-- others why not. ?1 namespace  ?2 id  ?3 fingerprint  ?4 retention  ?5 offset
WITH clock (now) AS (
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?5
)
INSERT INTO webhook_events AS event
    (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at)
SELECT ?1, ?2, 'handled', ?3, NULL, 0, 0, now, NULL, now + ?4
FROM clock
WHERE true
ON CONFLICT (namespace, id) DO UPDATE SET
    state       = excluded.state,
    fingerprint = excluded.fingerprint,
    token       = NULL,
    lease_until = NULL,
    changed_at  = excluded.changed_at,
    expires_at  = excluded.expires_at
WHERE event.expires_at <= excluded.changed_at
   OR event.fingerprint = excluded.fingerprint AND event.state IN ('claimed', 'free')
RETURNING state
