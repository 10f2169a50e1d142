-- complete, in the transaction of the effect: for who holds the claim alone, and if no row changes
-- the transaction has to be rolled back.
-- ?1 namespace  ?2 id  ?3 token  ?4 fingerprint  ?5 retention  ?6 offset
WITH clock (now) AS (
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?6
)
UPDATE webhook_events AS event
SET state       = 'handled',
    token       = NULL,
    lease_until = NULL,
    changed_at  = now,
    expires_at  = now + ?5,
    due_at      = NULL,
    crashes     = 0
FROM clock
WHERE event.namespace = ?1
  AND event.id = ?2
  AND event.state = 'claimed'
  AND event.token = ?3
  AND event.fingerprint = ?4
  AND event.expires_at > now
