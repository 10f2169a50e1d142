-- $1 a JSON array of objects
INSERT INTO webhook_deliveries
    (ended_at, provider, namespace, tenant, source, id, topic, attempt, outcome, reason, status, duration, size,
     secret_index, signed_at, captured, left_out)
SELECT ended_at, provider, namespace, tenant, source, id, topic, attempt, outcome, reason, status, duration, size,
       secret_index, signed_at, captured, left_out
FROM ROWS FROM (jsonb_to_recordset($1::text::jsonb) AS (
         ended_at bigint, provider text, namespace text, tenant text, source text, id text, topic text,
         attempt bigint, outcome text, reason text, status integer, duration bigint, size bigint,
         secret_index bigint, signed_at bigint, captured bigint, left_out bigint))
     WITH ORDINALITY AS given
ORDER BY given.ordinality
