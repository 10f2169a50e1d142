-- deposit: several deliveries, each of another event. A row for each: `deposited` is true if, and
-- only if, the delivery is now stored. Otherwise the row says why not, as for a claim.
-- $1 its number  $2 namespace  $3 id  $4 fingerprint  $5 topic  $6 secret's index  $7 headers
-- $8 body; each an array  $9 offset  $10 how many they are  $11 whether to wait for who locks an
-- event (1), or to be refused after a while (0)
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $9 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END,
           -- a transaction of the application's that deposits this event, and stays open, does not
           -- hold up the others
           CASE WHEN $11 = 0 THEN set_config('lock_timeout', '100ms', true) END
),
given AS MATERIALIZED (
    SELECT *
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::bytea[], $8::bytea[])
        AS given (number, namespace, id, fingerprint, topic, secret_index, headers, body)
    -- All of them; that they are few is for the planner, as in settle.sql.
    LIMIT $10
),
recorded AS MATERIALIZED (
    SELECT given.number, event.*
    FROM given
    JOIN webhook_events AS event USING (namespace, id)
),
deposited AS (
    INSERT INTO webhook_events AS event
        (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at,
         crashes, stored, due_at)
    SELECT namespace, id, 'free', fingerprint, NULL, 0, 0, now, NULL, timestamptz '9999-12-31 23:59:59+00',
           0, true, now
    FROM clock, given
    -- A copy is only read: no lock, nothing written, nothing to flush.
    WHERE NOT EXISTS (
        SELECT
        FROM recorded
        WHERE recorded.number = given.number
          AND expires_at > now
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
    RETURNING event.namespace, event.id
),
bodies AS (
    INSERT INTO webhook_bodies (namespace, id, received_at, topic, secret_index, headers, body)
    SELECT namespace, id, now, topic, secret_index, headers, body
    FROM clock, deposited
    JOIN given USING (namespace, id)
    -- of an event that has expired and was not purged
    ON CONFLICT (namespace, id) DO UPDATE SET
        received_at  = excluded.received_at,
        topic        = excluded.topic,
        secret_index = excluded.secret_index,
        headers      = excluded.headers,
        body         = excluded.body
),
history AS (
    DELETE FROM webhook_attempts AS attempt
    USING recorded
    JOIN deposited USING (namespace, id)
    WHERE attempt.namespace = recorded.namespace
      AND attempt.id = recorded.id
)
SELECT given.number,
       (extract(epoch FROM now) * 1000000)::bigint AS now,
       deposited.id IS NOT NULL AS deposited,
       state, recorded.fingerprint, token, recorded.generation, recorded.attempts,
       (extract(epoch FROM changed_at) * 1000000)::bigint  AS changed_at,
       (extract(epoch FROM lease_until) * 1000000)::bigint AS lease_until,
       (extract(epoch FROM expires_at) * 1000000)::bigint  AS expires_at,
       recorded.crashes, recorded.stored,
       (extract(epoch FROM recorded.due_at) * 1000000)::bigint AS due_at
FROM clock, given
LEFT JOIN deposited USING (namespace, id)
LEFT JOIN recorded ON recorded.number = given.number
