-- A delivery. An older one is of an event that has expired.
-- ?1 namespace  ?2 id  ?3 received_at  ?4 topic  ?5 secret_index  ?6 headers  ?7 body
INSERT OR REPLACE INTO webhook_bodies (namespace, id, received_at, topic, secret_index, headers, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
