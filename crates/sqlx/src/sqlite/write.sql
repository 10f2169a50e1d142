-- What operations have decided from what `read.sql` gave, in the same transaction and in one trip
-- to the connection's thread: records, deliveries, and attempts that failed. Each is a JSON array
-- of arrays; bytes are parts of $1, by their place and length.
-- $1 bytes  $2 new records  $3 changed ones  $4 deliveries  $5 attempts
-- `value` of json_each is text that is made anew each time it is named: MATERIALIZED, once.
WITH new AS MATERIALIZED (SELECT value AS row FROM json_each($2))
INSERT INTO webhook_events
    (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at, stored, due_at, crashes)
SELECT row ->> 0, row ->> 1, row ->> 2, substr($1, row ->> 3, 16), substr($1, row ->> 4, 16), row ->> 5, row ->> 6,
       row ->> 7, row ->> 8, row ->> 9, row ->> 10, row ->> 11, row ->> 12
FROM new;

WITH changed AS MATERIALIZED (SELECT value AS row FROM json_each($3))
UPDATE webhook_events
SET state       = row ->> 2,
    fingerprint = substr($1, row ->> 3, 16),
    token       = substr($1, row ->> 4, 16),
    generation  = row ->> 5,
    attempts    = row ->> 6,
    changed_at  = row ->> 7,
    lease_until = row ->> 8,
    expires_at  = row ->> 9,
    stored      = row ->> 10,
    due_at      = row ->> 11,
    crashes     = row ->> 12
FROM changed
WHERE namespace = row ->> 0
  AND id = row ->> 1;

-- An older delivery is of an event that has expired.
WITH new AS MATERIALIZED (SELECT value AS row FROM json_each($4))
INSERT OR REPLACE INTO webhook_bodies (namespace, id, received_at, topic, secret_index, headers, body)
SELECT row ->> 0, row ->> 1, row ->> 2, row ->> 3, row ->> 4,
       substr($1, row ->> 5, row ->> 6), substr($1, row ->> 7, row ->> 8)
FROM new;

INSERT INTO webhook_attempts (namespace, id, number, ended_at, outcome, error, worker)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM json_each($5)
