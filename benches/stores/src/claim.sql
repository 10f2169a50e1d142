-- A claim as one statement, which decides by itself. ?1 namespace  ?2 id  ?3 token  ?4 fingerprint
-- ?5 lease  ?6 retention  ?7 offset
WITH clock (now) AS (
    SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?7
)
INSERT INTO webhook_events AS event
    (namespace, id, state, fingerprint, token, generation, attempts, changed_at, lease_until, expires_at)
SELECT ?1, ?2, 'claimed', ?4, ?3, 1, 1, now, now + ?5, now + ?5 + ?6
FROM clock
WHERE true
ON CONFLICT (namespace, id) DO UPDATE SET
    state       = excluded.state,
    fingerprint = excluded.fingerprint,
    token       = excluded.token,
    generation  = CASE
                      WHEN event.expires_at <= excluded.changed_at THEN 1
                      -- the same run asks again
                      WHEN event.token = excluded.token AND event.fingerprint = excluded.fingerprint
                                                                   THEN event.generation
                      ELSE event.generation + 1
                  END,
    attempts    = CASE
                      WHEN event.expires_at <= excluded.changed_at THEN 1
                      WHEN event.token = excluded.token AND event.fingerprint = excluded.fingerprint
                                                                   THEN event.attempts
                      ELSE event.attempts + 1
                  END,
    changed_at  = excluded.changed_at,
    lease_until = excluded.lease_until,
    expires_at  = excluded.expires_at
-- What is not finished has handled nothing that is known: other facts take it over, too.
WHERE event.expires_at <= excluded.changed_at
   OR event.state = 'free'
   OR event.state = 'claimed'
      AND (event.lease_until <= excluded.changed_at
           OR event.token = excluded.token AND event.fingerprint = excluded.fingerprint)
RETURNING generation, attempts
