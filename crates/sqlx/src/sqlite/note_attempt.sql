-- An attempt that failed.
-- ?1 namespace  ?2 id  ?3 number  ?4 ended_at  ?5 outcome  ?6 error  ?7 worker
INSERT INTO webhook_attempts (namespace, id, number, ended_at, outcome, error, worker)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
