-- What tower-webhook remembers: one row for each event; and of deliveries that lie in an inbox
-- their bodies, and why their attempts failed. Run it by hand where the application may not create
-- tables. Another name of the table, seen: replace webhook_events by seen throughout, then
-- webhook_bodies by seen_bodies and webhook_attempts by seen_attempts.
CREATE TABLE IF NOT EXISTS webhook_events (
    -- by bytes: no collation to change under the index, and no two ids that count as one
    namespace   text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    state       text             NOT NULL CHECK (state IN ('claimed', 'free', 'handled', 'rejected', 'dead')),
    fingerprint bytea            NOT NULL, -- what makes two deliveries the same event
    token       bytea,                     -- who holds the claim
    generation  bigint           NOT NULL, -- which claim of this event it is: the fencing token
    attempts    bigint           NOT NULL, -- how many claims there were
    changed_at  timestamptz      NOT NULL, -- of what is handled, rejected or dead: when it was
    lease_until timestamptz,               -- when another may claim
    expires_at  timestamptz      NOT NULL, -- when the row counts as absent, and may be purged
    crashes     bigint           NOT NULL DEFAULT 0,     -- claims in a row, never settled
    stored      boolean          NOT NULL DEFAULT false, -- whether webhook_bodies has its delivery
    due_at      timestamptz,               -- of what is stored: when a worker may take it
    PRIMARY KEY (namespace, id),
    CHECK ((state = 'claimed') = (token IS NOT NULL AND lease_until IS NOT NULL)),
    CHECK ((stored AND state IN ('claimed', 'free')) = (due_at IS NOT NULL))
    -- A row changes two or three times: what is dead has to go soon, or each take walks it.
) WITH (autovacuum_vacuum_scale_factor = 0.01);

-- Written once for each delivery.
CREATE TABLE IF NOT EXISTS webhook_bodies (
    namespace    text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    received_at  timestamptz      NOT NULL,
    topic        text             NOT NULL,
    secret_index bigint,                    -- which secret signed it; NULL: nothing was verified
    headers      bytea            NOT NULL, -- a line for each
    body         bytea            NOT NULL,
    PRIMARY KEY (namespace, id)
);

-- Of attempts that failed alone.
CREATE TABLE IF NOT EXISTS webhook_attempts (
    namespace text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL,
    position  bigint           GENERATED ALWAYS AS IDENTITY, -- the order of an event's attempts
    number    bigint           NOT NULL,
    ended_at  timestamptz      NOT NULL,
    outcome   text             NOT NULL,
    error     text             NOT NULL,
    worker    text             NOT NULL,
    PRIMARY KEY (namespace, id, position)
);

CREATE INDEX IF NOT EXISTS webhook_events_expires_at ON webhook_events (expires_at);

-- What a worker takes; and apart from it, what a worker holds, or held when it died.
CREATE INDEX IF NOT EXISTS webhook_events_due ON webhook_events (namespace, due_at)
    WHERE state = 'free' AND crashes = 0 AND due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_events_suspects ON webhook_events (namespace, due_at)
    WHERE due_at IS NOT NULL AND (state = 'claimed' OR crashes > 0);

-- For the operator: what was given up, what is listed, and whose body may go.
CREATE INDEX IF NOT EXISTS webhook_events_dead ON webhook_events (namespace, id) WHERE state = 'dead';
CREATE INDEX IF NOT EXISTS webhook_events_received ON webhook_bodies (namespace, received_at, id);
CREATE INDEX IF NOT EXISTS webhook_events_finished ON webhook_events (changed_at)
    WHERE stored AND state IN ('handled', 'rejected');
