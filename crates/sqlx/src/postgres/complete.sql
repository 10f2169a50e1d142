-- complete, of a handled event: the effect happened, whoever holds the claim by now. What is
-- finished stays as it was finished. `written` is true if it was written here. Otherwise the row
-- says why not, as for a claim. $1 namespace  $2 id  $3 fingerprint  $4 retention  $5 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $5 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
recorded AS MATERIALIZED (
    SELECT * FROM webhook_events WHERE namespace = $1 AND id = $2
),
completed AS (
    INSERT INTO webhook_events AS event
        (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at)
    SELECT $1, $2, 'handled', $3, NULL, 0, 0, now, NULL, now + $4 * interval '1 millisecond'
    FROM clock
    ON CONFLICT (namespace, id) DO UPDATE SET
        state       = excluded.state,
        fingerprint = excluded.fingerprint,
        token       = NULL,
        lease_until = NULL,
        changed_at  = excluded.changed_at,
        expires_at  = excluded.expires_at,
        crashes     = 0,
        stored      = event.stored AND event.expires_at > excluded.changed_at,
        due_at      = NULL
    WHERE event.expires_at <= excluded.changed_at
       OR event.fingerprint = excluded.fingerprint AND event.state IN ('claimed', 'free', 'dead')
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
LEFT JOIN completed ON true
LEFT JOIN recorded ON true
