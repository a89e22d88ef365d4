-- Money. Amounts are whole millionths of the unit, times Unix milliseconds.
--
-- What an account can spend is its balance, and that is the sum of its entries: a hold takes its amount away, a release gives it
-- back, and a settlement changes nothing any more.
--
-- Whoever changes a balance, or what is counted of a limit, locks the row of the account first. Rows are locked in the order
-- accounts, holds, limits; several accounts in the order of their ids.

ALTER TABLE tollgate.accounts ADD COLUMN balance bigint NOT NULL DEFAULT 0 CHECK (balance >= 0);
ALTER TABLE tollgate.accounts SET (fillfactor = 80);         -- a balance changes with every hold: the next version has room beside it

CREATE TABLE tollgate.holds (
    id         uuid   PRIMARY KEY,                                         -- version 7
    account    bigint NOT NULL REFERENCES tollgate.accounts (id),
    key        text   COLLATE "C" NOT NULL,                                -- the id of the key that was used
    amount     bigint NOT NULL CHECK (amount > 0),
    item       text,                                                       -- the row of the price table
    request    text,                                                       -- the id of the request
    turn       uuid,                                                       -- that of the request's idempotency key
    state      text   NOT NULL CHECK (state IN ('open', 'pending', 'settled', 'released')),
    created_at bigint NOT NULL,
    limit_at   bigint NOT NULL,                                            -- when it ends whatever is known of it
    at_limit   text   NOT NULL CHECK (at_limit IN ('settle', 'release')),
    ended_at   bigint CHECK ((ended_at IS NULL) = (state IN ('open', 'pending')))
);
CREATE INDEX holds_due ON tollgate.holds (limit_at) WHERE state IN ('open', 'pending');
CREATE INDEX holds_turn ON tollgate.holds (turn) WHERE turn IS NOT NULL;
CREATE INDEX holds_request ON tollgate.holds (request) WHERE request IS NOT NULL;
CREATE INDEX holds_account ON tollgate.holds (account, created_at);

CREATE TABLE tollgate.entries (
    id         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account    bigint NOT NULL REFERENCES tollgate.accounts (id),
    kind       text   NOT NULL CHECK (kind IN ('credit', 'debit', 'hold', 'settle', 'release')),
    amount     bigint NOT NULL,
    hold       uuid   REFERENCES tollgate.holds (id) CHECK ((hold IS NULL) = (kind IN ('credit', 'debit'))),
    at         bigint NOT NULL,
    note       text   CHECK (note <> ''),
    CHECK (CASE kind WHEN 'settle' THEN amount = 0 WHEN 'credit' THEN amount > 0 WHEN 'release' THEN amount > 0 ELSE amount < 0 END)
);
CREATE INDEX entries_account ON tollgate.entries (account, id);
CREATE UNIQUE INDEX entries_hold ON tollgate.entries (hold, (kind = 'hold')) WHERE hold IS NOT NULL;  -- one beginning, one end

CREATE FUNCTION tollgate.entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries are only ever added' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON tollgate.entries
    FOR EACH STATEMENT EXECUTE FUNCTION tollgate.entries_stay();

-- What may be spent within a time, besides the balance; of one key, or with an empty one of the account.
CREATE TABLE tollgate.spend_limits (
    account    bigint NOT NULL REFERENCES tollgate.accounts (id),
    key        text   COLLATE "C" NOT NULL,
    period     text   COLLATE "C" NOT NULL CHECK (period IN ('day', 'month', 'total')),
    amount     bigint NOT NULL CHECK (amount >= 0),
    start      bigint NOT NULL,                                            -- of the period that was counted last
    spent      bigint NOT NULL CHECK (spent >= 0),                         -- held or settled since then
    carried    bigint NOT NULL DEFAULT 0 CHECK (carried BETWEEN 0 AND spent),  -- of that, by the key that this one replaces
    PRIMARY KEY (account, key, period)
);

-- Work that goes on behind an answer: whose it is, and where.
CREATE TABLE tollgate.tasks (
    scope      text   NOT NULL,                                            -- within what the id is one of a kind: the upstream
    id         text   NOT NULL CHECK (id <> ''),                           -- the provider's
    account    bigint NOT NULL REFERENCES tollgate.accounts (id),
    key        text   NOT NULL,                                            -- the id of the key that was used
    endpoint   text   NOT NULL,
    hold       uuid   REFERENCES tollgate.holds (id),
    item       text,
    amount     bigint NOT NULL CHECK (amount >= 0),
    state      text   NOT NULL CHECK (state IN ('running', 'succeeded', 'failed')),
    created_at bigint NOT NULL,
    ended_at   bigint CHECK ((ended_at IS NULL) = (state = 'running')),
    forget_at  bigint NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE INDEX tasks_account ON tollgate.tasks (account, created_at);
CREATE INDEX tasks_forget ON tollgate.tasks (forget_at);

-- Requests that came with an Idempotency-Key, and how they were answered.
CREATE TABLE tollgate.idempotency_keys (
    account     text     NOT NULL,
    key         text     NOT NULL,
    turn        uuid     NOT NULL,                                         -- whose turn it is: another one for each request that takes the key
    fingerprint bytea    NOT NULL CHECK (length(fingerprint) = 32),        -- SHA-256 of what it asks for
    state       text     NOT NULL CHECK (state IN ('working', 'answered', 'spent')),
    status      smallint CHECK ((status IS NULL) = (state <> 'answered')),
    fields      bytea,                                                     -- `name: value` lines
    body        bytea,
    lease_until bigint   NOT NULL,
    forget_at   bigint   NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE INDEX idempotency_keys_forget ON tollgate.idempotency_keys (forget_at);
