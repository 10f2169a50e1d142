-- purge: the event stays, what was stored of it goes. ?1 namespace  ?2 id
UPDATE webhook_events SET stored = 0, due_at = NULL, crashes = 0 WHERE namespace = ?1 AND id = ?2
