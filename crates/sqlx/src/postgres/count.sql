-- How many events of a namespace are in which state.
-- $1 namespace  $2 offset
SELECT count(*) FILTER (WHERE state = 'claimed')                AS claimed,
       count(*) FILTER (WHERE state = 'free')                   AS free,
       count(*) FILTER (WHERE state IN ('handled', 'rejected')) AS done,
       count(*) FILTER (WHERE state = 'dead')                   AS dead
FROM webhook_events
WHERE namespace = $1
  AND expires_at > (SELECT clock_timestamp() + $2 * interval '1 millisecond')
