-- replay: due now, with its attempts counted from 0. `written` is true if it was written here.
-- Otherwise the row says why not, as for a claim. $1 namespace  $2 id  $3 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $3 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
recorded AS MATERIALIZED (
    SELECT * FROM webhook_events WHERE namespace = $1 AND id = $2
),
replayed AS (
    UPDATE webhook_events AS event
    SET state       = 'free',
        token       = NULL,
        attempts    = 0,
        changed_at  = now,
        lease_until = NULL,
        expires_at  = timestamptz '9999-12-31 23:59:59+00',
        crashes     = 0,
        due_at      = now
    FROM clock
    WHERE event.namespace = $1
      AND event.id = $2
      AND event.stored
      AND (event.state <> 'claimed' OR event.lease_until <= now)
      AND event.expires_at > now
    RETURNING true AS written
)
SELECT (extract(epoch FROM now) * 1000000)::bigint AS now,
       coalesce(written, false) AS written,
       state, fingerprint, token, recorded.generation, recorded.attempts,
       (extract(epoch FROM changed_at) * 1000000)::bigint  AS changed_at,
       (extract(epoch FROM lease_until) * 1000000)::bigint AS lease_until,
       (extract(epoch FROM expires_at) * 1000000)::bigint  AS expires_at,
       recorded.crashes, recorded.stored,
       (extract(epoch FROM recorded.due_at) * 1000000)::bigint AS due_at
FROM clock
LEFT JOIN replayed ON true
LEFT JOIN recorded ON true
