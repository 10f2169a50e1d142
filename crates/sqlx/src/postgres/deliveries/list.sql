-- The newest first.
-- $1 what is wanted, a JSON object  $2 before which number  $3 limit  $4 the event's id, or NULL
SELECT number, to_jsonb(delivery)::text
FROM webhook_deliveries AS delivery, (SELECT $1::text::jsonb AS json) AS wanted
WHERE number < $2
  AND (json ->> 'provider' IS NULL OR provider = json ->> 'provider')
  AND (json ->> 'namespace' IS NULL OR namespace = json ->> 'namespace')
  AND (json ->> 'tenant' IS NULL OR tenant = json ->> 'tenant')
  AND (json ->> 'topic' IS NULL OR topic = json ->> 'topic')
  AND (json ->> 'outcome' IS NULL OR outcome = json ->> 'outcome')
  AND NOT (json -> 'without') ? outcome
  AND (json ->> 'since' IS NULL OR ended_at >= (json ->> 'since')::bigint)
  AND (json ->> 'until' IS NULL OR ended_at < (json ->> 'until')::bigint)
  AND ($4::text IS NULL OR id = $4)
ORDER BY number DESC
LIMIT $3
