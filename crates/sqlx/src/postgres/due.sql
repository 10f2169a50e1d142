-- take: what is due and no suspect; taken.sql goes on. The time is a scalar subquery: as a join it
-- would be no condition of the index, and each idle poll would read all that waits.
-- $1 namespace  $2 token  $3 limit  $4 lease  $5 offset  $6 the floor under the due times, in
-- microseconds since 1970
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $5 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
due AS MATERIALIZED (
    SELECT namespace, id, due_at
    FROM webhook_events
    WHERE namespace = $1
      AND state = 'free'
      AND crashes = 0
      AND due_at <= (SELECT now FROM clock)
      AND due_at >= timestamptz '1970-01-01 00:00:00+00' + $6 * interval '1 microsecond'
    ORDER BY due_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
),
