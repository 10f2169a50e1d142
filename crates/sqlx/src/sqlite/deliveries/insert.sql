-- ?1 a JSON array of objects
INSERT INTO webhook_deliveries
    (ended_at, provider, namespace, tenant, source, id, topic, attempt, outcome, reason, status, duration, size,
     secret_index, signed_at, captured, left_out)
SELECT value ->> 'ended_at', value ->> 'provider', value ->> 'namespace', value ->> 'tenant', value ->> 'source',
       value ->> 'id', value ->> 'topic', value ->> 'attempt', value ->> 'outcome', value ->> 'reason',
       value ->> 'status', value ->> 'duration', value ->> 'size', value ->> 'secret_index', value ->> 'signed_at',
       value ->> 'captured', value ->> 'left_out'
FROM json_each(?1)
ORDER BY key
