-- take: what somebody holds whose lease is over; taken.sql goes on. The time is a scalar subquery,
-- as in due.sql. $1 namespace  $2 token  $3 limit  $4 lease  $5 offset
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $5 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
due AS MATERIALIZED (
    SELECT namespace, id, due_at
    FROM webhook_events
    WHERE namespace = $1
      AND (state = 'claimed' OR crashes > 0)
      AND due_at <= (SELECT now FROM clock)
    ORDER BY due_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
),
