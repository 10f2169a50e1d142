-- The failed attempts of an event. ?1 namespace  ?2 id
DELETE FROM webhook_attempts WHERE namespace = ?1 AND id = ?2
