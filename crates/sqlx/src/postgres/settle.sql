-- settle: how several runs ended, each of another event. A row for each that was told; what has
-- none was not the caller's to tell, or is not there. $1 its number  $2 namespace  $3 id  $4 token
-- $5 fingerprint  $6 the new state  $7 for how long it waits  $8 whether the attempt counts
-- $9 retention; of an attempt to remember $10 number  $11 outcome  $12 error  $13 worker; each an
-- array  $14 offset  $15 how many they are
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $14 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
told AS MATERIALIZED (
    SELECT *
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::bigint[],
                $8::boolean[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[])
        AS told (settlement, namespace, id, token, fingerprint, becomes, pause, counts, retention,
                 number, outcome, error, worker)
    -- All of them. That they are few is for the planner: for the ten that it assumes it would read
    -- a table that is new from end to end, and keep that plan while the table grows.
    LIMIT $15
),
settled AS (
    UPDATE webhook_events AS event
    SET state       = told.becomes,
        token       = NULL,
        attempts    = CASE
                          WHEN told.becomes = 'free' AND NOT told.counts THEN greatest(event.attempts - 1, 0)
                          ELSE event.attempts
                      END,
        changed_at  = now,
        lease_until = NULL,
        expires_at  = CASE
                          WHEN told.becomes IN ('free', 'dead') THEN event.expires_at
                          ELSE now + told.retention * interval '1 millisecond'
                      END,
        crashes     = 0,
        due_at      = CASE WHEN told.becomes = 'free' THEN now + told.pause * interval '1 millisecond' END
    FROM told, clock
    WHERE event.namespace = told.namespace
      AND event.id = told.id
      AND event.fingerprint = told.fingerprint
      AND event.expires_at > now
      AND (event.state = 'claimed' AND event.token = told.token
               AND (event.stored OR told.becomes IN ('handled', 'rejected'))
           -- Its effect happened, whoever holds it by now.
           OR told.becomes = 'handled' AND event.state IN ('claimed', 'free', 'dead'))
    RETURNING told.*, event.stored
),
history AS (
    INSERT INTO webhook_attempts (namespace, id, number, ended_at, outcome, error, worker)
    SELECT namespace, id, number, now, outcome, error, worker
    FROM settled, clock
    WHERE stored
      AND outcome IS NOT NULL
)
SELECT settlement FROM settled
