-- take: one event, if it is due, whether a suspect or not; taken.sql goes on. Who asks for it by
-- its name waits for whoever changes it at this moment.
-- $1 namespace  $2 token  $3 limit  $4 lease  $5 offset  $6 id
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() + $5 * interval '1 millisecond' AS now,
           -- what is acknowledged is on the disk, also over a connection that would not wait for it
           CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
),
due AS MATERIALIZED (
    SELECT namespace, id, due_at
    FROM webhook_events
    WHERE namespace = $1
      AND id = $6
      AND due_at <= (SELECT now FROM clock)
    LIMIT $3
    FOR UPDATE
),
