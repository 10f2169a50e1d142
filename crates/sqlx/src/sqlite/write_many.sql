-- settle: as `write.sql`, of many records of a namespace.
-- ?1 namespace  ?2 a JSON array of arrays, each with the columns from the id on; bytes in
-- hexadecimal
INSERT INTO webhook_events
    (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at, stored, due_at, crashes)
SELECT ?1, value ->> 0, value ->> 1, unhex(value ->> 2), unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6,
       value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11
FROM json_each(?2)
WHERE true
ON CONFLICT (namespace, id) DO UPDATE SET
    state       = excluded.state,
    fingerprint = excluded.fingerprint,
    token       = excluded.token,
    generation  = excluded.generation,
    attempts    = excluded.attempts,
    changed_at  = excluded.changed_at,
    lease_until = excluded.lease_until,
    expires_at  = excluded.expires_at,
    stored      = excluded.stored,
    due_at      = excluded.due_at,
    crashes     = excluded.crashes
