-- renew: the lease begins anew, for who holds the claim.
-- $1 namespace  $2 id  $3 token  $4 fingerprint  $5 lease  $6 retention  $7 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $7 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
)
UPDATE webhook_events AS event
SET changed_at  = now,
    lease_until = now + $5 * interval '1 millisecond',
    expires_at  = CASE
                      WHEN event.stored THEN event.expires_at
                      ELSE now + $5 * interval '1 millisecond' + $6 * interval '1 millisecond'
                  END,
    due_at      = CASE WHEN event.stored THEN now + $5 * interval '1 millisecond' END
FROM clock
WHERE event.namespace = $1
  AND event.id = $2
  AND event.state = 'claimed'
  AND event.token = $3
  AND event.fingerprint = $4
  AND event.expires_at > now
RETURNING true
