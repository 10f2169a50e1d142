-- bury, by an operator: dead, whoever holds it, unless it is finished. The reason is the last line
-- of its history. $1 namespace  $2 id  $3 reason  $4 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $4 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
buried AS (
    UPDATE webhook_events AS event
    SET state       = 'dead',
        token       = NULL,
        changed_at  = now,
        lease_until = NULL,
        crashes     = 0,
        due_at      = NULL
    FROM clock
    WHERE event.namespace = $1
      AND event.id = $2
      AND event.stored
      AND event.state IN ('claimed', 'free')
      AND event.expires_at > now
    RETURNING event.namespace, event.id, event.attempts
),
history AS (
    INSERT INTO webhook_attempts (namespace, id, number, ended_at, outcome, error, worker)
    SELECT namespace, id, attempts, now, 'buried', $3, 'operator'
    FROM buried, clock
)
SELECT true FROM buried
