-- renew: the lease begins anew, for who holds the claim.
-- ?1 namespace  ?2 id  ?3 token  ?4 fingerprint  ?5 lease  ?6 retention  ?7 offset
WITH clock (now) AS (
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?7
)
UPDATE webhook_events AS event
SET changed_at  = now,
    lease_until = now + ?5,
    expires_at  = now + ?5 + ?6
FROM clock
WHERE event.namespace = ?1
  AND event.id = ?2
  AND event.state = 'claimed'
  AND event.token = ?3
  AND event.fingerprint = ?4
  AND event.expires_at > now
