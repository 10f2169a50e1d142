-- The delivery log: a row for each delivery, and for each run of a worker. Run it by hand where the
-- application may not create tables. Times are microseconds since 1970; to read them:
-- datetime(ended_at / 1000000, 'unixepoch').
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    ended_at     INTEGER NOT NULL,
    provider     TEXT    NOT NULL,
    namespace    TEXT    NOT NULL,
    tenant       TEXT,
    source       TEXT    NOT NULL, -- delivered, fetched, or stored: run by a worker
    id           TEXT,             -- the event's, as it is in the store's key
    topic        TEXT,
    attempt      INTEGER,
    outcome      TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    status       INTEGER,          -- what the provider got
    duration     INTEGER NOT NULL, -- in microseconds
    size         INTEGER,          -- of the body, in bytes
    secret_index INTEGER,          -- which secret matched
    signed_at    INTEGER,
    captured     INTEGER,          -- its number among the captured requests of its process
    left_out     INTEGER NOT NULL  -- unauthenticated requests before it that have no row
) STRICT;

CREATE INDEX IF NOT EXISTS webhook_deliveries_ended_at ON webhook_deliveries (ended_at);
CREATE INDEX IF NOT EXISTS webhook_deliveries_id ON webhook_deliveries (id, number) WHERE id IS NOT NULL;
