-- What operations have decided from what `read.sql` gave, in the same transaction and in one trip
-- to the connection's thread: records, deliveries, and attempts that failed. Each is a JSON array
-- of arrays; bytes, and texts that may hold anything, are parts of $1, by their place and length.
-- $1 bytes  $2 new records  $3 changed ones  $4 deliveries  $5 attempts
INSERT INTO webhook_events
    (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at, stored, due_at, crashes)
SELECT value ->> 0, value ->> 1, value ->> 2, substr($1, value ->> 3, 16), substr($1, value ->> 4, 16), value ->> 5, value ->> 6,
       value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12
FROM json_each($2);

UPDATE webhook_events
SET state       = value ->> 2,
    fingerprint = substr($1, value ->> 3, 16),
    token       = substr($1, value ->> 4, 16),
    generation  = value ->> 5,
    attempts    = value ->> 6,
    changed_at  = value ->> 7,
    lease_until = value ->> 8,
    expires_at  = value ->> 9,
    stored      = value ->> 10,
    due_at      = value ->> 11,
    crashes     = value ->> 12
FROM json_each($3)
WHERE namespace = value ->> 0
  AND webhook_events.id = value ->> 1;

-- An older delivery is of an event that has expired.
INSERT OR REPLACE INTO webhook_bodies (namespace, id, received_at, topic, secret_index, headers, body)
SELECT value ->> 0, value ->> 1, value ->> 2, CAST(substr($1, value ->> 3, value ->> 4) AS TEXT), value ->> 5,
       substr($1, value ->> 6, value ->> 7), substr($1, value ->> 8, value ->> 9)
FROM json_each($4);

INSERT INTO webhook_attempts (namespace, id, number, ended_at, outcome, error, worker)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, CAST(substr($1, value ->> 4, value ->> 5) AS TEXT),
       CAST(substr($1, value ->> 6, value ->> 7) AS TEXT), CAST(substr($1, value ->> 8, value ->> 9) AS TEXT)
FROM json_each($5)
