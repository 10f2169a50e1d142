-- deposit: the delivery, after `write.sql` and in one with it. An older one is of an event that has
-- expired.
-- ?1 namespace  ?2 id  ?14 received_at  ?15 topic  ?16 secret_index  ?17 headers  ?18 body
INSERT OR REPLACE INTO webhook_bodies (namespace, id, received_at, topic, secret_index, headers, body)
VALUES (?1, ?2, ?14, ?15, ?16, ?17, ?18)
