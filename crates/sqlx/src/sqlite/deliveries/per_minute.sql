-- ?1 what is wanted, a JSON object  ?2 the event's id, or NULL
SELECT ended_at / 60000000 AS minute, outcome, count(*)
FROM webhook_deliveries
WHERE ended_at >= coalesce(?1 ->> 'since', -9223372036854775807)
  AND ended_at < coalesce(?1 ->> 'until', 9223372036854775807)
  AND (?1 ->> 'provider' IS NULL OR provider = ?1 ->> 'provider')
  AND (?1 ->> 'namespace' IS NULL OR namespace = ?1 ->> 'namespace')
  AND (?1 ->> 'tenant' IS NULL OR tenant = ?1 ->> 'tenant')
  AND (?1 ->> 'topic' IS NULL OR topic = ?1 ->> 'topic')
  AND (?1 ->> 'outcome' IS NULL OR outcome = ?1 ->> 'outcome')
  AND outcome NOT IN (SELECT value FROM json_each(?1, '$.without'))
  AND (?2 IS NULL OR id = ?2)
GROUP BY minute, outcome
ORDER BY minute, outcome
