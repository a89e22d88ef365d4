-- Times are Unix milliseconds. Every transaction that changes something takes the next revision and writes it into
-- the rows that it changes, so that a reader finds what is new by an index.

CREATE TABLE revision (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO revision VALUES (1, 0);

CREATE TABLE accounts (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE CHECK (name <> ''),
    created_at   INTEGER NOT NULL,
    suspended_at INTEGER,
    revision     INTEGER NOT NULL
) STRICT;
CREATE INDEX accounts_revision ON accounts (revision);

CREATE TABLE keys (
    row          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE CHECK (id <> ''),
    digest       BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),      -- SHA-256 of the key
    account      INTEGER NOT NULL REFERENCES accounts (id),
    plan         TEXT             CHECK (plan <> ''),
    scopes       TEXT    NOT NULL CHECK (json_type(scopes) IS 'array'),
    note         TEXT             CHECK (note <> ''),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    rotated_from INTEGER REFERENCES keys (row),                            -- the key that this one replaces
    rotated_to   INTEGER REFERENCES keys (row),                            -- the key that replaces this one
    revision     INTEGER NOT NULL
) STRICT;
CREATE INDEX keys_revision ON keys (revision);
CREATE INDEX keys_account ON keys (account);
