-- The second half of a take: claims what is due. A claim whose lease was over is a crash.
taken AS (
    UPDATE webhook_events AS event
    SET state       = 'claimed',
        token       = $2,
        generation  = event.generation + 1,
        attempts    = event.attempts + 1,
        crashes     = event.crashes + (event.state = 'claimed')::int,
        changed_at  = now,
        lease_until = now + $4 * interval '1 millisecond',
        due_at      = now + $4 * interval '1 millisecond'
    FROM due, clock
    WHERE event.namespace = due.namespace
      AND event.id = due.id
    RETURNING event.namespace, event.id, event.fingerprint, event.generation, event.attempts, event.crashes,
              due.due_at AS was_due
)
-- Where nothing was due, one row, with the time alone.
SELECT (extract(epoch FROM now) * 1000000)::bigint         AS now,
       id, fingerprint, generation, attempts, crashes,
       (extract(epoch FROM was_due) * 1000000)::bigint     AS was_due,
       (extract(epoch FROM received_at) * 1000000)::bigint AS received_at,
       topic, secret_index, headers, body
FROM clock
LEFT JOIN (taken JOIN webhook_bodies USING (namespace, id)) ON true
ORDER BY was_due, id
