-- Callers who want to be told when a task is over.
CREATE TABLE tollgate.callbacks (
    id           uuid     PRIMARY KEY,                                     -- version 7
    scope        text     NOT NULL,                                        -- the task's
    task         text     NOT NULL,
    account      bigint   NOT NULL REFERENCES tollgate.accounts (id),
    key          text     NOT NULL,                                        -- the id of the key that was used
    url          text     NOT NULL,                                        -- whom to tell
    state        text     NOT NULL CHECK (state IN ('waiting', 'ready', 'delivered', 'given-up')),
    attempts     integer  NOT NULL DEFAULT 0,                              -- in this state
    since        bigint   NOT NULL,                                        -- when this state has begun
    due_at       bigint   NOT NULL,                                        -- when something is tried next
    leased_until bigint   NOT NULL DEFAULT 0,                              -- until then somebody is at it
    hinted       boolean  NOT NULL DEFAULT false,                          -- the provider has called meanwhile
    content_type text,
    -- What is sent; while it is waiting, what the provider has said.
    body         bytea    CHECK (CASE state WHEN 'ready' THEN body IS NOT NULL WHEN 'delivered' THEN body IS NULL ELSE true END),
    error        text,                                                     -- why the last attempt has failed
    created_at   bigint   NOT NULL,
    ended_at     bigint   CHECK ((ended_at IS NULL) = (state IN ('waiting', 'ready')))
);
CREATE INDEX callbacks_due_of_account ON tollgate.callbacks (state, account, due_at);
CREATE INDEX callbacks_ended ON tollgate.callbacks (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX callbacks_created ON tollgate.callbacks (created_at, id);

-- Remembers a task, and whom to tell when it is over: also where the same account has it from another request, for that has another
-- receiver.
CREATE FUNCTION tollgate.record_task_to_tell(
    of_scope text, new_id text, of_account text, of_key text, at_endpoint text, of_hold uuid, of_item text, units bigint,
    now bigint, until bigint, callback uuid, to_url text, first_look bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    recorded text := tollgate.record_task(
        of_scope, new_id, of_account, of_key, at_endpoint, of_hold, of_item, units, now, until);
BEGIN
    IF recorded <> 'taken' THEN
        INSERT INTO tollgate.callbacks (id, scope, task, account, key, url, state, since, due_at, created_at)
        SELECT callback, of_scope, new_id, a.id, of_key, to_url, 'waiting', now, first_look, now
        FROM tollgate.accounts a WHERE a.name = of_account
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN recorded;
END $$;
