-- forget: whatever its state. ?1 namespace  ?2 id
DELETE FROM webhook_events WHERE namespace = ?1 AND id = ?2
