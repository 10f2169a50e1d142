-- claim: `claimed_generation` is there if, and only if, the token now holds the event. Otherwise
-- the row says why not; if it does not, it changed while it was looked at, and the statement has to
-- be run again. $1 namespace  $2 id  $3 token  $4 fingerprint  $5 lease  $6 retention  $7 offset
-- (durations in milliseconds; the offset is 0, but in tests)
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $7 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
recorded AS MATERIALIZED (
    SELECT * FROM webhook_events WHERE namespace = $1 AND id = $2
),
claimed AS (
    INSERT INTO webhook_events AS event
        (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at)
    SELECT $1, $2, 'claimed', $4, $3, 1, 1, now,
           now + $5 * interval '1 millisecond',
           now + $5 * interval '1 millisecond' + $6 * interval '1 millisecond'
    FROM clock
    -- A duplicate is only read: no lock, nothing written, nothing to flush.
    WHERE NOT EXISTS (
        SELECT
        FROM recorded
        WHERE expires_at > now
          AND (state IN ('handled', 'rejected', 'dead')
               OR state = 'claimed' AND lease_until > now AND (token <> $3 OR fingerprint <> $4)
               -- other facts under the id of what was acknowledged
               OR stored AND fingerprint <> $4)
    )
    ON CONFLICT (namespace, id) DO UPDATE SET
        state       = excluded.state,
        fingerprint = excluded.fingerprint,
        token       = excluded.token,
        generation  = CASE
                          WHEN event.expires_at <= excluded.changed_at THEN 1
                          -- the same run asks again
                          WHEN event.token = excluded.token AND event.fingerprint = excluded.fingerprint
                                                                       THEN event.generation
                          ELSE event.generation + 1
                      END,
        attempts    = CASE
                          WHEN event.expires_at <= excluded.changed_at THEN 1
                          WHEN event.token = excluded.token AND event.fingerprint = excluded.fingerprint
                                                                       THEN event.attempts
                          ELSE event.attempts + 1
                      END,
        changed_at  = excluded.changed_at,
        lease_until = excluded.lease_until,
        expires_at  = CASE
                          WHEN event.expires_at <= excluded.changed_at OR NOT event.stored
                                                                       THEN excluded.expires_at
                          ELSE event.expires_at
                      END,
        crashes     = CASE
                          WHEN event.expires_at <= excluded.changed_at OR NOT event.stored THEN 0
                          WHEN event.token = excluded.token AND event.fingerprint = excluded.fingerprint
                                                                       THEN event.crashes
                          -- whoever held it has not said how it ended
                          WHEN event.state = 'claimed'                 THEN event.crashes + 1
                          ELSE event.crashes
                      END,
        stored      = event.stored AND event.expires_at > excluded.changed_at,
        due_at      = CASE
                          WHEN event.stored AND event.expires_at > excluded.changed_at
                                                                       THEN excluded.lease_until
                      END
    -- What is not finished has handled nothing that is known: other facts take it over, too, unless
    -- it lies in an inbox.
    WHERE event.expires_at <= excluded.changed_at
       OR (event.state = 'free'
           OR event.state = 'claimed'
              AND (event.lease_until <= excluded.changed_at
                   OR event.token = excluded.token AND event.fingerprint = excluded.fingerprint))
          AND (NOT event.stored OR event.fingerprint = excluded.fingerprint)
    RETURNING event.generation, event.attempts
)
SELECT (extract(epoch FROM now) * 1000000)::bigint AS now,
       claimed.generation AS claimed_generation, claimed.attempts AS claimed_attempts,
       state, fingerprint, token, recorded.generation, recorded.attempts,
       (extract(epoch FROM changed_at) * 1000000)::bigint  AS changed_at,
       (extract(epoch FROM lease_until) * 1000000)::bigint AS lease_until,
       (extract(epoch FROM expires_at) * 1000000)::bigint  AS expires_at,
       recorded.crashes, recorded.stored,
       (extract(epoch FROM recorded.due_at) * 1000000)::bigint AS due_at
FROM clock
LEFT JOIN claimed ON true
LEFT JOIN recorded ON true
