-- The newest first.
-- ?1 what is wanted, a JSON object  ?2 before which number  ?3 limit
SELECT number, json_object(
           'ended_at', ended_at, 'provider', provider, 'namespace', namespace, 'tenant', tenant, 'source', source,
           'id', id, 'topic', topic, 'attempt', attempt, 'outcome', outcome, 'reason', reason, 'status', status,
           'duration', duration, 'size', size, 'secret_index', secret_index, 'signed_at', signed_at,
           'captured', captured, 'left_out', left_out)
FROM webhook_deliveries
WHERE number < ?2
  AND (?1 ->> 'provider' IS NULL OR provider = ?1 ->> 'provider')
  AND (?1 ->> 'namespace' IS NULL OR namespace = ?1 ->> 'namespace')
  AND (?1 ->> 'tenant' IS NULL OR tenant = ?1 ->> 'tenant')
  AND (?1 ->> 'topic' IS NULL OR topic = ?1 ->> 'topic')
  AND (?1 ->> 'outcome' IS NULL OR outcome = ?1 ->> 'outcome')
  AND outcome NOT IN (SELECT value FROM json_each(?1, '$.without'))
  AND (?1 ->> 'since' IS NULL OR ended_at >= ?1 ->> 'since')
  AND (?1 ->> 'until' IS NULL OR ended_at < ?1 ->> 'until')
  AND (?4 IS NULL OR id = ?4)
ORDER BY number DESC
LIMIT ?3
