-- A record, as the transition table has decided it from what `read.sql` gave, in the same
-- transaction. ?1 namespace  ?2 id  ?3 state  ?4 fingerprint  ?5 token  ?6 generation  ?7 attempts
-- ?8 changed_at  ?9 lease_until  ?10 expires_at  ?11 stored  ?12 due_at  ?13 crashes
INSERT INTO webhook_events
    (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at, stored, due_at, crashes)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
ON CONFLICT (namespace, id) DO UPDATE SET
    state       = excluded.state,
    fingerprint = excluded.fingerprint,
    token       = excluded.token,
    generation  = excluded.generation,
    attempts    = excluded.attempts,
    changed_at  = excluded.changed_at,
    lease_until = excluded.lease_until,
    expires_at  = excluded.expires_at,
    stored      = excluded.stored,
    due_at      = excluded.due_at,
    crashes     = excluded.crashes
