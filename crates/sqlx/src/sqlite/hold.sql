-- take: what `due_….sql` has found is claimed, in the same transaction.
-- ?1 namespace  ?2 token  ?3 lease  ?4 now  ?5 the ids, as a JSON array
UPDATE webhook_events
SET crashes     = crashes + (state = 'claimed'),
    state       = 'claimed',
    token       = ?2,
    generation  = generation + 1,
    attempts    = attempts + 1,
    changed_at  = ?4,
    lease_until = ?4 + ?3,
    due_at      = ?4 + ?3
WHERE namespace = ?1
  AND id IN (SELECT value FROM json_each(?5))
