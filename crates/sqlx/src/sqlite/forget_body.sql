-- What was stored of an event. ?1 namespace  ?2 id
DELETE FROM webhook_bodies WHERE namespace = ?1 AND id = ?2
