//! What one would write by hand.

pub const SQLITE_BARE: &str = "CREATE TABLE IF NOT EXISTS bare (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID";
pub const POSTGRES_BARE: &str =
    "CREATE TABLE IF NOT EXISTS bare (id text COLLATE \"C\" PRIMARY KEY, body bytea NOT NULL)";
pub const INSERT: &str = "INSERT INTO bare (id, body) VALUES ($1, $2)";

/// Many deliveries at once. $1 namespace, $2 the number before the first, $3 how many, $4 a body
/// with $5 in place of its id, $6 milliseconds from now until they are due.
pub const SQLITE_LOAD: [&str; 2] = [
    "WITH RECURSIVE n (i) AS (SELECT $2 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2 + $3) \
     INSERT INTO webhook_events (namespace, id, state, fingerprint, generation, attempts, changed_at, expires_at, stored, due_at) \
     SELECT $1, printf('%08x-0000-4000-8000-%012x', (i * 2654435769) & 4294967295, i), 'free', x'00112233445566778899aabbccddeeff', 0, 0, \
            unixepoch() * 1000, 253402300799000, 1, unixepoch() * 1000 + $6 FROM n",
    "WITH RECURSIVE n (i) AS (SELECT $2 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2 + $3) \
     INSERT INTO webhook_bodies (namespace, id, received_at, topic, secret_index, headers, body) \
     SELECT $1, id, unixepoch() * 1000, 'customer_created', 0, x'', CAST(replace($4, $5, id) AS BLOB) \
     FROM (SELECT printf('%08x-0000-4000-8000-%012x', (i * 2654435769) & 4294967295, i) AS id FROM n)",
];
pub const POSTGRES_LOAD: [&str; 2] = [
    "INSERT INTO webhook_events (namespace, id, state, fingerprint, generation, attempts, changed_at, expires_at, stored, due_at) \
     SELECT $1, lpad(to_hex((i * 2654435769) & 4294967295), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(i), 12, '0'), 'free', \
            '\\x00112233445566778899aabbccddeeff', 0, 0, now(), timestamptz '9999-12-31 23:59:59+00', true, \
            now() + $4 * interval '1 millisecond' - interval '2 seconds' + (i - $2) * interval '1 microsecond' \
     FROM generate_series($2 + 1, $2 + $3) AS i",
    "INSERT INTO webhook_bodies (namespace, id, received_at, topic, secret_index, headers, body) \
     SELECT $1, id, now(), 'customer_created', 0, '', convert_to(replace($4, $5, id), 'UTF8') \
     FROM (SELECT lpad(to_hex((i * 2654435769) & 4294967295), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(i), 12, '0') AS id \
           FROM generate_series($2 + 1, $2 + $3) AS i) AS ids",
];

/// Takes what is due. SQLite: in a transaction, with its update.
pub const SQLITE_DUE: &str = "SELECT event.id, body.body FROM webhook_events AS event \
     JOIN webhook_bodies AS body ON body.namespace = event.namespace AND body.id = event.id \
     WHERE event.namespace = $1 AND state = 'free' AND crashes = 0 AND due_at IS NOT NULL \
       AND due_at <= (SELECT unixepoch('subsec') * 1000) ORDER BY due_at LIMIT $2";
pub const SQLITE_TAKE: &str = "UPDATE webhook_events SET state = 'claimed', token = $2, generation = generation + 1, attempts = attempts + 1, \
     lease_until = unixepoch() * 1000 + 60000, due_at = unixepoch() * 1000 + 60000 \
     WHERE namespace = $1 AND id IN (SELECT value FROM json_each($3))";
pub const SQLITE_DONE: &str = "UPDATE webhook_events SET state = 'handled', token = NULL, lease_until = NULL, due_at = NULL, \
     changed_at = unixepoch() * 1000, expires_at = unixepoch() * 1000 + 3024000000 \
     WHERE namespace = $1 AND token = $2 AND id IN (SELECT value FROM json_each($3))";
pub const POSTGRES_TAKE: &str = "WITH due AS MATERIALIZED ( \
         SELECT namespace, id FROM webhook_events \
         WHERE namespace = $1 AND state = 'free' AND crashes = 0 AND due_at <= now() ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED), \
     taken AS ( \
         UPDATE webhook_events AS event SET state = 'claimed', token = $2, generation = generation + 1, attempts = attempts + 1, \
             lease_until = now() + interval '1 minute', due_at = now() + interval '1 minute' \
         FROM due WHERE event.namespace = due.namespace AND event.id = due.id RETURNING event.namespace, event.id) \
     SELECT id, body FROM taken JOIN webhook_bodies USING (namespace, id)";
pub const POSTGRES_DONE: &str = "UPDATE webhook_events SET state = 'handled', token = NULL, lease_until = NULL, due_at = NULL, \
     changed_at = now(), expires_at = now() + interval '35 days' WHERE namespace = $1 AND token = $2 AND id = ANY($3)";
