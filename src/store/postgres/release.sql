-- release: free again, attempts kept, for who holds the claim.
-- $1 namespace  $2 id  $3 token  $4 fingerprint  $5 retention  $6 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $6 * interval '1 millisecond' AS now
)
UPDATE webhook_events AS event
SET state       = 'free',
    token       = NULL,
    lease_until = NULL,
    changed_at  = now,
    expires_at  = now + $5 * interval '1 millisecond'
FROM clock
WHERE event.namespace = $1
  AND event.id = $2
  AND event.state = 'claimed'
  AND event.token = $3
  AND event.fingerprint = $4
  AND event.expires_at > now
RETURNING true
