-- Callers who want to be told when a task is over.
CREATE TABLE callbacks (
    id           BLOB    PRIMARY KEY CHECK (length(id) = 16),              -- UUID, version 7
    scope        TEXT    NOT NULL,                                         -- the task's
    task         TEXT    NOT NULL,
    account      INTEGER NOT NULL REFERENCES accounts (id),
    key          TEXT    NOT NULL,                                         -- the id of the key that was used
    url          TEXT    NOT NULL,                                         -- whom to tell
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'ready', 'delivered', 'given-up')),
    attempts     INTEGER NOT NULL DEFAULT 0,                               -- in this state
    since        INTEGER NOT NULL,                                         -- when this state has begun
    due_at       INTEGER NOT NULL,                                         -- when something is tried next
    leased_until INTEGER NOT NULL DEFAULT 0,                               -- until then somebody is at it
    hinted       INTEGER NOT NULL DEFAULT 0 CHECK (hinted IN (0, 1)),      -- the provider has called meanwhile
    content_type TEXT,
    -- What is sent; while it is waiting, what the provider has said.
    body         BLOB     CHECK (CASE state WHEN 'ready' THEN body IS NOT NULL WHEN 'delivered' THEN body IS NULL ELSE true END),
    error        TEXT,                                                     -- why the last attempt has failed
    created_at   INTEGER NOT NULL,
    ended_at     INTEGER CHECK ((ended_at IS NULL) = (state IN ('waiting', 'ready')))
) STRICT, WITHOUT ROWID;
CREATE INDEX callbacks_due ON callbacks (state, due_at);
CREATE INDEX callbacks_due_of_account ON callbacks (state, account, due_at);
CREATE INDEX callbacks_ended ON callbacks (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX callbacks_created ON callbacks (created_at, id);
