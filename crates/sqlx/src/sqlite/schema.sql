-- What tower-webhook remembers: one row for each event. Run it by hand where the application may
-- not create tables. Another name of the table: replace `webhook_events` throughout. Times are
-- milliseconds since 1970; to read them: datetime(lease_until / 1000, 'unixepoch').
CREATE TABLE IF NOT EXISTS webhook_events (
    namespace   TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('claimed', 'free', 'handled', 'rejected')),
    fingerprint BLOB    NOT NULL, -- what makes two deliveries the same event
    token       BLOB,             -- who holds the claim
    generation  INTEGER NOT NULL, -- which claim of this event it is: the fencing token
    attempts    INTEGER NOT NULL, -- how many claims there were
    changed_at  INTEGER NOT NULL, -- of what is handled or rejected: when it was
    lease_until INTEGER,          -- when another may claim
    expires_at  INTEGER NOT NULL, -- when the row counts as absent, and may be purged
    PRIMARY KEY (namespace, id),
    CHECK ((state = 'claimed') = (token IS NOT NULL AND lease_until IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS webhook_events_expires_at ON webhook_events (expires_at);
