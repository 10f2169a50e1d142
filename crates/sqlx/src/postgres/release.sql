-- release: free again, attempts kept, for who holds the claim.
-- $1 namespace  $2 id  $3 token  $4 fingerprint  $5 retention  $6 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $6 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
)
UPDATE webhook_events AS event
SET state       = 'free',
    token       = NULL,
    lease_until = NULL,
    changed_at  = now,
    -- What is stored never expires, and is a worker's again at once.
    expires_at  = CASE WHEN event.stored THEN event.expires_at ELSE now + $5 * interval '1 millisecond' END,
    crashes     = 0,
    due_at      = CASE WHEN event.stored THEN now END
FROM clock
WHERE event.namespace = $1
  AND event.id = $2
  AND event.state = 'claimed'
  AND event.token = $3
  AND event.fingerprint = $4
  AND event.expires_at > now
RETURNING true
