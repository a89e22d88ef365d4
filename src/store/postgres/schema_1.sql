-- Times are Unix milliseconds. Every transaction that changes something locks the one row of `revision`, takes the next
-- one and writes it into the rows that it changes: revisions are committed in their order, and a reader finds what is
-- new by an index. Texts are compared byte by byte, as in SQLite.

CREATE TABLE tollgate.revision (
    id    smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    value bigint   NOT NULL,
    store uuid     NOT NULL DEFAULT gen_random_uuid()        -- no other store has it
);
INSERT INTO tollgate.revision (value) VALUES (0);

CREATE TABLE tollgate.accounts (
    id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name         text   COLLATE "C" NOT NULL UNIQUE CHECK (name <> ''),
    created_at   bigint NOT NULL,
    suspended_at bigint,
    revision     bigint NOT NULL
);
CREATE INDEX accounts_revision ON tollgate.accounts (revision, id);

CREATE TABLE tollgate.keys (
    number       bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id           text   COLLATE "C" NOT NULL UNIQUE CHECK (id <> ''),
    digest       bytea  NOT NULL UNIQUE CHECK (length(digest) = 32),        -- SHA-256 of the key
    account      bigint NOT NULL REFERENCES tollgate.accounts (id),
    plan         text            CHECK (plan <> ''),
    scopes       jsonb  NOT NULL CHECK (jsonb_typeof(scopes) = 'array'),
    note         text            CHECK (note <> ''),
    created_at   bigint NOT NULL,
    expires_at   bigint,
    revoked_at   bigint,
    rotated_from bigint REFERENCES tollgate.keys (number),                  -- the key that this one replaces
    rotated_to   bigint REFERENCES tollgate.keys (number),                  -- the key that replaces this one
    revision     bigint NOT NULL
);
CREATE INDEX keys_revision ON tollgate.keys (revision, number);
CREATE INDEX keys_account ON tollgate.keys (account, number);
