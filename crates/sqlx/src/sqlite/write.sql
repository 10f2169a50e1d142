-- What operations have decided from what `read.sql` gave, in the same transaction and in one trip
-- to the connection's thread: records, deliveries, and attempts that failed. Each is a JSON array
-- of arrays; bytes, and texts that may hold anything, are parts of ?1, by their place and length.
-- ?1 bytes  ?2 records  ?3 deliveries  ?4 attempts
INSERT INTO webhook_events
    (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at, stored, due_at, crashes)
SELECT value ->> 0, value ->> 1, value ->> 2, substr(?1, value ->> 3, 16), substr(?1, value ->> 4, 16), value ->> 5, value ->> 6,
       value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12
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
    crashes     = excluded.crashes;

-- An older delivery is of an event that has expired.
INSERT OR REPLACE INTO webhook_bodies (namespace, id, received_at, topic, secret_index, headers, body)
SELECT value ->> 0, value ->> 1, value ->> 2, CAST(substr(?1, value ->> 3, value ->> 4) AS TEXT), value ->> 5,
       substr(?1, value ->> 6, value ->> 7), substr(?1, value ->> 8, value ->> 9)
FROM json_each(?3);

INSERT INTO webhook_attempts (namespace, id, number, ended_at, outcome, error, worker)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, CAST(substr(?1, value ->> 4, value ->> 5) AS TEXT),
       CAST(substr(?1, value ->> 6, value ->> 7) AS TEXT), CAST(substr(?1, value ->> 8, value ->> 9) AS TEXT)
FROM json_each(?4)
