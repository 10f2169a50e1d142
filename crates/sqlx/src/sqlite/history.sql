-- The failed attempts of an event, the first one first. ?1 namespace  ?2 id
SELECT number, ended_at, outcome, error, worker
FROM webhook_attempts
WHERE namespace = ?1 AND id = ?2
ORDER BY ended_at, number
