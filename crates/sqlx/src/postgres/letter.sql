-- One stored delivery, with what became of its failed attempts, the first one first. Each text of
-- theirs has a point before it: written out as an array, the text NULL is no other than none.
-- $1 namespace  $2 id  $3 offset
SELECT id, topic, state, attempts, crashes,
       (extract(epoch FROM received_at) * 1000000)::bigint AS received_at,
       (extract(epoch FROM due_at) * 1000000)::bigint      AS due_at,
       secret_index, headers, body,
       ARRAY(SELECT number FROM webhook_attempts WHERE namespace = $1 AND id = $2 ORDER BY position) AS numbers,
       ARRAY(SELECT (extract(epoch FROM ended_at) * 1000000)::bigint
             FROM webhook_attempts WHERE namespace = $1 AND id = $2 ORDER BY position) AS ends,
       ARRAY(SELECT '.' || outcome FROM webhook_attempts WHERE namespace = $1 AND id = $2 ORDER BY position) AS outcomes,
       ARRAY(SELECT '.' || error FROM webhook_attempts WHERE namespace = $1 AND id = $2 ORDER BY position) AS errors,
       ARRAY(SELECT '.' || worker FROM webhook_attempts WHERE namespace = $1 AND id = $2 ORDER BY position) AS workers
FROM webhook_events
JOIN webhook_bodies USING (namespace, id)
WHERE namespace = $1
  AND id = $2
  AND stored
  AND expires_at > clock_timestamp() + $3 * interval '1 millisecond'
