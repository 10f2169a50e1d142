-- The delivery log: a row for each delivery, and for each run of a worker. Run it by hand where the
-- application may not create tables. Times are microseconds since 1970; to read them:
-- to_timestamp(ended_at / 1e6).
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    number       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ended_at     bigint  NOT NULL,
    provider     text    NOT NULL,
    namespace    text    NOT NULL,
    tenant       text,
    source       text    NOT NULL, -- delivered, fetched, or stored: run by a worker
    id           text COLLATE "C", -- the event's, as it is in the store's key
    topic        text,
    attempt      bigint,
    outcome      text    NOT NULL,
    reason       text    NOT NULL,
    status       integer,          -- what the provider got
    duration     bigint  NOT NULL, -- in microseconds
    size         bigint,           -- of the body, in bytes
    secret_index bigint,           -- which secret matched
    signed_at    bigint,
    captured     bigint,           -- its number among the captured requests of its process
    left_out     bigint  NOT NULL  -- unauthenticated requests before it that have no row
);

CREATE INDEX IF NOT EXISTS webhook_deliveries_ended_at ON webhook_deliveries (ended_at);
CREATE INDEX IF NOT EXISTS webhook_deliveries_id ON webhook_deliveries (id, number) WHERE id IS NOT NULL;
