-- Money. Amounts are whole millionths of the unit, times Unix milliseconds.
--
-- What an account can spend is its balance, and that is the sum of its entries: a hold takes its amount away, a release gives it
-- back, and a settlement changes nothing any more.

ALTER TABLE accounts ADD COLUMN balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0);

CREATE TABLE holds (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16),                -- UUID, version 7
    account    INTEGER NOT NULL REFERENCES accounts (id),
    key        TEXT    NOT NULL,                                           -- the id of the key that was used
    amount     INTEGER NOT NULL CHECK (amount > 0),
    item       TEXT,                                                       -- the row of the price table
    request    TEXT,                                                       -- the id of the request
    turn       BLOB    CHECK (length(turn) = 16),                          -- that of the request's idempotency key
    state      TEXT    NOT NULL CHECK (state IN ('open', 'pending', 'settled', 'released')),
    created_at INTEGER NOT NULL,
    limit_at   INTEGER NOT NULL,                                           -- when it ends whatever is known of it
    at_limit   TEXT    NOT NULL CHECK (at_limit IN ('settle', 'release')),
    ended_at   INTEGER CHECK ((ended_at IS NULL) = (state IN ('open', 'pending')))
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_due ON holds (limit_at) WHERE state IN ('open', 'pending');
CREATE INDEX holds_turn ON holds (turn) WHERE turn IS NOT NULL;
CREATE INDEX holds_request ON holds (request) WHERE request IS NOT NULL;
CREATE INDEX holds_account ON holds (account, created_at);

CREATE TABLE entries (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    INTEGER NOT NULL REFERENCES accounts (id),
    kind       TEXT    NOT NULL CHECK (kind IN ('credit', 'debit', 'hold', 'settle', 'release')),
    amount     INTEGER NOT NULL,
    hold       BLOB    REFERENCES holds (id) CHECK ((hold IS NULL) = (kind IN ('credit', 'debit'))),
    at         INTEGER NOT NULL,
    note       TEXT    CHECK (note <> ''),
    CHECK (CASE kind WHEN 'settle' THEN amount = 0 WHEN 'credit' THEN amount > 0 WHEN 'release' THEN amount > 0 ELSE amount < 0 END)
) STRICT;
CREATE INDEX entries_account ON entries (account, id);
CREATE UNIQUE INDEX entries_hold ON entries (hold, kind = 'hold') WHERE hold IS NOT NULL;  -- one beginning, one end

CREATE TRIGGER entries_stay_as_they_are BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are only ever added'); END;
CREATE TRIGGER entries_stay BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are only ever added'); END;

-- What may be spent within a time, besides the balance; of one key, or with an empty one of the account.
CREATE TABLE spend_limits (
    account    INTEGER NOT NULL REFERENCES accounts (id),
    key        TEXT    NOT NULL,
    period     TEXT    NOT NULL CHECK (period IN ('day', 'month', 'total')),
    amount     INTEGER NOT NULL CHECK (amount >= 0),
    start      INTEGER NOT NULL,                                           -- of the period that was counted last
    spent      INTEGER NOT NULL CHECK (spent >= 0),                        -- held or settled since then
    carried    INTEGER NOT NULL DEFAULT 0 CHECK (carried BETWEEN 0 AND spent), -- of that, by the key that this one replaces
    PRIMARY KEY (account, key, period)
) STRICT, WITHOUT ROWID;

-- Work that goes on behind an answer: whose it is, and where.
CREATE TABLE tasks (
    scope      TEXT    NOT NULL,                                           -- within what the id is one of a kind: the upstream
    id         TEXT    NOT NULL CHECK (id <> ''),                          -- the provider's
    account    INTEGER NOT NULL REFERENCES accounts (id),
    key        TEXT    NOT NULL,                                           -- the id of the key that was used
    endpoint   TEXT    NOT NULL,
    hold       BLOB    REFERENCES holds (id),
    item       TEXT,
    amount     INTEGER NOT NULL CHECK (amount >= 0),
    state      TEXT    NOT NULL CHECK (state IN ('running', 'succeeded', 'failed')),
    created_at INTEGER NOT NULL,
    ended_at   INTEGER CHECK ((ended_at IS NULL) = (state = 'running')),
    forget_at  INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_account ON tasks (account, created_at);
CREATE INDEX tasks_forget ON tasks (forget_at);

-- Requests that came with an Idempotency-Key, and how they were answered.
CREATE TABLE idempotency_keys (
    account     TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    turn        BLOB    NOT NULL CHECK (length(turn) = 16),                -- whose turn it is: another one for each request that takes the key
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),         -- SHA-256 of what it asks for
    state       TEXT    NOT NULL CHECK (state IN ('working', 'answered', 'spent')),
    status      INTEGER CHECK ((status IS NULL) = (state <> 'answered')),
    fields      BLOB,                                                      -- `name: value` lines
    body        BLOB,
    lease_until INTEGER NOT NULL,
    forget_at   INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT;
CREATE INDEX idempotency_keys_forget ON idempotency_keys (forget_at);
