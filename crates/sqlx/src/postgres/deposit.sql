-- deposit: `deposited` is true if, and only if, the delivery is now stored. Otherwise the row says
-- why not, as for a claim. $1 namespace  $2 id  $3 fingerprint  $4 topic  $5 secret's index
-- $6 headers  $7 body  $8 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $8 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
recorded AS MATERIALIZED (
    SELECT * FROM webhook_events WHERE namespace = $1 AND id = $2
),
deposited AS (
    INSERT INTO webhook_events AS event
        (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at,
         crashes, stored, due_at)
    SELECT $1, $2, 'free', $3, NULL, 0, 0, now, NULL, timestamptz '9999-12-31 23:59:59+00', 0, true, now
    FROM clock
    -- A copy is only read: no lock, nothing written, nothing to flush.
    WHERE NOT EXISTS (
        SELECT
        FROM recorded
        WHERE expires_at > now
          AND (stored
               OR state IN ('handled', 'rejected', 'dead')
               OR state = 'claimed' AND lease_until > now)
    )
    ON CONFLICT (namespace, id) DO UPDATE SET
        state       = excluded.state,
        fingerprint = excluded.fingerprint,
        token       = NULL,
        generation  = CASE WHEN event.expires_at <= excluded.changed_at THEN 0 ELSE event.generation END,
        attempts    = 0,
        changed_at  = excluded.changed_at,
        lease_until = NULL,
        expires_at  = excluded.expires_at,
        crashes     = 0,
        stored      = true,
        due_at      = excluded.due_at
    -- What a layer left that handles before it responds is adopted.
    WHERE event.expires_at <= excluded.changed_at
       OR NOT event.stored
          AND (event.state = 'free' OR event.state = 'claimed' AND event.lease_until <= excluded.changed_at)
    RETURNING true AS deposited
),
bodies AS (
    INSERT INTO webhook_bodies (namespace, id, received_at, topic, secret_index, headers, body)
    SELECT $1, $2, now, $4, $5, $6, $7
    FROM deposited, clock
    -- of an event that has expired and was not purged
    ON CONFLICT (namespace, id) DO UPDATE SET
        received_at  = excluded.received_at,
        topic        = excluded.topic,
        secret_index = excluded.secret_index,
        headers      = excluded.headers,
        body         = excluded.body
),
history AS (
    DELETE FROM webhook_attempts
    WHERE namespace = $1
      AND id = $2
      AND EXISTS (SELECT FROM recorded)
      AND EXISTS (SELECT FROM deposited)
)
SELECT (extract(epoch FROM now) * 1000000)::bigint AS now,
       coalesce(deposited, false) AS deposited,
       state, fingerprint, token, recorded.generation, recorded.attempts,
       (extract(epoch FROM changed_at) * 1000000)::bigint  AS changed_at,
       (extract(epoch FROM lease_until) * 1000000)::bigint AS lease_until,
       (extract(epoch FROM expires_at) * 1000000)::bigint  AS expires_at,
       recorded.crashes, recorded.stored,
       (extract(epoch FROM recorded.due_at) * 1000000)::bigint AS due_at
FROM clock
LEFT JOIN deposited ON true
LEFT JOIN recorded ON true
