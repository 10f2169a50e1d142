-- $1 what is wanted, a JSON object  $2 the event's id, or NULL
SELECT ended_at / 60000000 AS minute, outcome, count(*)
FROM webhook_deliveries, (SELECT $1::text::jsonb AS json) AS wanted
WHERE ended_at >= coalesce((json ->> 'since')::bigint, -9223372036854775807)
  AND ended_at < coalesce((json ->> 'until')::bigint, 9223372036854775807)
  AND (json ->> 'provider' IS NULL OR provider = json ->> 'provider')
  AND (json ->> 'namespace' IS NULL OR namespace = json ->> 'namespace')
  AND (json ->> 'tenant' IS NULL OR tenant = json ->> 'tenant')
  AND (json ->> 'topic' IS NULL OR topic = json ->> 'topic')
  AND (json ->> 'outcome' IS NULL OR outcome = json ->> 'outcome')
  AND NOT (json -> 'without') ? outcome
  AND ($2::text IS NULL OR id = $2)
GROUP BY minute, outcome
ORDER BY minute, outcome
