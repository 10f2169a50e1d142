-- What tower-webhook remembers: one row for each event. Run it by hand where the application may
-- not create tables. Another name of the table: replace webhook_events throughout.
CREATE TABLE IF NOT EXISTS webhook_events (
    -- by bytes: no collation to change under the index, and no two ids that count as one
    namespace   text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    state       text             NOT NULL CHECK (state IN ('claimed', 'free', 'handled', 'rejected')),
    fingerprint bytea            NOT NULL, -- what makes two deliveries the same event
    token       bytea,                     -- who holds the claim
    generation  bigint           NOT NULL, -- which claim of this event it is: the fencing token
    attempts    bigint           NOT NULL, -- how many claims there were
    changed_at  timestamptz      NOT NULL, -- of what is handled or rejected: when it was
    lease_until timestamptz,               -- when another may claim
    expires_at  timestamptz      NOT NULL, -- when the row counts as absent, and may be purged
    PRIMARY KEY (namespace, id),
    CHECK ((state = 'claimed') = (token IS NOT NULL AND lease_until IS NOT NULL))
);

CREATE INDEX IF NOT EXISTS webhook_events_expires_at ON webhook_events (expires_at);
