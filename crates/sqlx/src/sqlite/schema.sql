-- What tower-webhook remembers: one row for each event, and for those that are stored first and
-- handled later, what was delivered and why attempts failed. Run it by hand where the application
-- may not create tables. Another name of the table: replace `webhook_events`, `webhook_bodies` and
-- `webhook_attempts` throughout. Times are milliseconds since 1970; to read them:
-- datetime(due_at / 1000, 'unixepoch').
CREATE TABLE IF NOT EXISTS webhook_events (
    namespace   TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('claimed', 'free', 'handled', 'rejected', 'dead')),
    fingerprint BLOB    NOT NULL, -- what makes two deliveries the same event
    token       BLOB,             -- who holds the claim
    generation  INTEGER NOT NULL, -- which claim of this event it is: the fencing token
    attempts    INTEGER NOT NULL, -- how many claims there were
    changed_at  INTEGER NOT NULL, -- of what is handled, rejected or dead: when it was
    lease_until INTEGER,          -- when another may claim
    expires_at  INTEGER NOT NULL, -- when the row counts as absent, and may be purged
    stored      INTEGER NOT NULL DEFAULT 0, -- 1: its delivery is in webhook_bodies
    due_at      INTEGER,          -- when a worker may take it; not of what is finished or dead
    crashes     INTEGER NOT NULL DEFAULT 0, -- claims in a row, never settled
    PRIMARY KEY (namespace, id),
    CHECK (stored IN (0, 1)),
    CHECK ((state = 'claimed') = (token IS NOT NULL AND lease_until IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS webhook_events_expires_at ON webhook_events (expires_at);

-- What a worker takes next, and those whose process died.
CREATE INDEX IF NOT EXISTS webhook_events_due ON webhook_events (namespace, due_at)
    WHERE state = 'free' AND crashes = 0 AND due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_events_suspects ON webhook_events (namespace, due_at)
    WHERE due_at IS NOT NULL AND (state = 'claimed' OR crashes > 0);

-- What waits for an operator, and whose bodies may go.
CREATE INDEX IF NOT EXISTS webhook_events_dead ON webhook_events (namespace) WHERE state = 'dead';
CREATE INDEX IF NOT EXISTS webhook_events_finished ON webhook_events (changed_at)
    WHERE stored = 1 AND state IN ('handled', 'rejected');

-- Deliveries. A row is written once.
CREATE TABLE IF NOT EXISTS webhook_bodies (
    namespace    TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    topic        TEXT    NOT NULL,
    secret_index INTEGER,          -- which secret signed it; NULL where nothing was verified
    headers      BLOB    NOT NULL, -- a line for each, without signatures and credentials
    body         BLOB    NOT NULL,
    PRIMARY KEY (namespace, id)
) STRICT;

CREATE INDEX IF NOT EXISTS webhook_events_received ON webhook_bodies (namespace, received_at, id);

-- Attempts that failed.
CREATE TABLE IF NOT EXISTS webhook_attempts (
    namespace TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    number    INTEGER NOT NULL,
    ended_at  INTEGER NOT NULL,
    outcome   TEXT    NOT NULL,
    error     TEXT    NOT NULL,
    worker    TEXT    NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS webhook_events_history ON webhook_attempts (namespace, id);
