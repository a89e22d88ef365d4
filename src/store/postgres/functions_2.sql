
-- What a gateway does. As functions, each is one message and one answer, and the server keeps their plans by itself: no statement
-- is prepared, so that a pool of connections can be in between. Each statement within one of them sees what was committed before
-- it. All of them may be called again with the same hold, task or turn, and change nothing then.

-- When the day or month (in UTC) began that a moment is in.
CREATE FUNCTION tollgate.period_start(period text, moment bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE period
        WHEN 'day' THEN moment - mod(mod(moment, 86400000) + 86400000, 86400000)
        WHEN 'month' THEN (extract(epoch FROM
            date_trunc('month', timestamp 'epoch' + moment * interval '1 millisecond')) * 1000)::bigint
        ELSE 0
    END
$$;

-- When it ends; never, for that of a total.
CREATE FUNCTION tollgate.period_end(period text, start bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE period
        WHEN 'day' THEN start + 86400000
        WHEN 'month' THEN (extract(epoch FROM
            timestamp 'epoch' + start * interval '1 millisecond' + interval '1 month') * 1000)::bigint
        ELSE 9223372036854775807
    END
$$;

-- What was held or settled in the period that begins then; with an empty key, by all of them.
CREATE FUNCTION tollgate.spent_in(of_account bigint, of_key text, of_period text, since bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(amount), 0)::bigint FROM tollgate.holds
    WHERE account = of_account AND created_at >= since AND created_at < tollgate.period_end(of_period, since)
      AND state <> 'released' AND of_key IN ('', key)
$$;

-- Counts an amount against every limit on what the account and the key may spend, unless one would be passed. Where the period is
-- another one than was counted last, the holds know: there may be some already, as clocks differ.
CREATE FUNCTION tollgate.spend(of_account bigint, of_key text, units bigint, now bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM tollgate.spend_limits WHERE account = of_account AND key IN ('', of_key);
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    UPDATE tollgate.spend_limits
    SET start = tollgate.period_start(period, now), carried = 0,
        spent = tollgate.spent_in(account, key, period, tollgate.period_start(period, now))
    WHERE account = of_account AND key IN ('', of_key) AND start <> tollgate.period_start(period, now);
    PERFORM FROM tollgate.spend_limits
    WHERE account = of_account AND key IN ('', of_key) AND spent > amount - units;
    IF FOUND THEN
        RETURN false;
    END IF;
    UPDATE tollgate.spend_limits SET spent = spent + units WHERE account = of_account AND key IN ('', of_key);
    RETURN true;
END $$;

-- Reserves money, if there is as much: 'held', or why not.
CREATE FUNCTION tollgate.hold(
    new_id uuid, of_account text, of_key text, units bigint, of_item text, of_request text, of_turn uuid,
    now bigint, until bigint, then_do text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
    available bigint;
    there text;
BEGIN
    SELECT id, balance INTO owner, available FROM tollgate.accounts WHERE name = of_account FOR NO KEY UPDATE;
    -- Asked for once more, by somebody who has not heard the answer.
    SELECT state INTO there FROM tollgate.holds WHERE id = new_id;
    IF there IN ('open', 'pending') THEN
        RETURN 'held';
    ELSIF there IS NOT NULL THEN
        RETURN 'ended';
    ELSIF owner IS NULL OR available < units THEN
        RETURN 'insufficient';
    ELSIF NOT tollgate.spend(owner, of_key, units, now) THEN
        RETURN 'limited';
    END IF;
    WITH taken AS (
        UPDATE tollgate.accounts SET balance = balance - units WHERE id = owner AND balance >= units RETURNING id
    ), held AS (
        INSERT INTO tollgate.holds
               (id, account, key, amount, item, request, turn, state, created_at, limit_at, at_limit)
        SELECT new_id, taken.id, of_key, units, of_item, of_request, of_turn, 'open', now, until, then_do FROM taken
    )
    INSERT INTO tollgate.entries (account, kind, amount, hold, at)
    SELECT taken.id, 'hold', -units, new_id, now FROM taken;
    RETURN 'held';
END $$;

-- Ends a hold that has not ended yet, or says that its end is not known; with `overdue`, only if its time limit has come. The state
-- that it is in then; null if there is none.
CREATE FUNCTION tollgate.end_hold(of_hold uuid, new_state text, now bigint, why text, overdue boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    held tollgate.holds;
    there text;
BEGIN
    IF new_state = 'released' THEN
        PERFORM FROM tollgate.accounts WHERE id = (SELECT account FROM tollgate.holds WHERE id = of_hold)
        FOR NO KEY UPDATE;
    END IF;
    UPDATE tollgate.holds SET state = new_state, ended_at = CASE new_state WHEN 'pending' THEN NULL ELSE now END
    WHERE id = of_hold AND state IN ('open', 'pending') AND state <> new_state AND (NOT overdue OR limit_at <= now)
    RETURNING * INTO held;
    IF NOT FOUND THEN
        SELECT state INTO there FROM tollgate.holds WHERE id = of_hold;
        RETURN there;
    ELSIF new_state = 'settled' THEN
        INSERT INTO tollgate.entries (account, kind, amount, hold, at, note)
        VALUES (held.account, 'settle', 0, of_hold, now, why);
    ELSIF new_state = 'released' THEN
        INSERT INTO tollgate.entries (account, kind, amount, hold, at, note)
        VALUES (held.account, 'release', held.amount, of_hold, now, why);
        UPDATE tollgate.accounts SET balance = balance + held.amount WHERE id = held.account;
        UPDATE tollgate.spend_limits SET spent = greatest(spent - held.amount, carried)
        WHERE account = held.account AND key IN ('', held.key)
          AND start = tollgate.period_start(period, held.created_at);
    END IF;
    RETURN new_state;
END $$;

-- Remembers a task, and lets its hold live as long. Whether it is 'recorded', is 'known' from another request, or is 'taken': another one
-- has its id. The account is opened if there is none: that of a key in a
-- configuration is in no store.
CREATE FUNCTION tollgate.record_task(
    of_scope text, new_id text, of_account text, of_key text, at_endpoint text, of_hold uuid, of_item text, units bigint,
    now bigint, until bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
    there tollgate.tasks;
BEGIN
    SELECT id INTO owner FROM tollgate.accounts WHERE name = of_account;
    IF NOT FOUND THEN
        WITH next AS (UPDATE tollgate.revision SET value = value + 1 RETURNING value)
        INSERT INTO tollgate.accounts (name, created_at, revision) SELECT of_account, now, next.value FROM next
        ON CONFLICT DO NOTHING;
        SELECT id INTO owner FROM tollgate.accounts WHERE name = of_account;
    END IF;
    INSERT INTO tollgate.tasks (scope, id, account, key, endpoint, hold, item, amount, state, created_at, forget_at)
    VALUES (of_scope, new_id, owner, of_key, at_endpoint, of_hold, of_item, units, 'running', now, until)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        UPDATE tollgate.holds SET limit_at = until WHERE id = of_hold AND state IN ('open', 'pending');
        RETURN 'recorded';
    END IF;
    -- Recorded once more, or another one.
    SELECT * INTO there FROM tollgate.tasks WHERE scope = of_scope AND id = new_id;
    IF there.account IS DISTINCT FROM owner OR there.endpoint IS DISTINCT FROM at_endpoint THEN
        RETURN 'taken';
    ELSIF there.hold IS DISTINCT FROM of_hold THEN
        RETURN 'known';
    END IF;
    RETURN 'recorded';
END $$;

-- Says how a task has ended, if nobody has said it before, and ends its hold. What that has come to, now or before: null if the task
-- has none, 'unknown' if there is no such task or hold.
CREATE FUNCTION tollgate.end_task(of_scope text, of_id text, new_state text, end_of_hold text, now bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    of_hold uuid;
    there text;
BEGIN
    UPDATE tollgate.tasks SET state = new_state, ended_at = now
    WHERE scope = of_scope AND id = of_id AND state = 'running' RETURNING hold INTO of_hold;
    IF FOUND THEN
        IF of_hold IS NULL THEN
            RETURN NULL;
        END IF;
        RETURN coalesce(tollgate.end_hold(of_hold, end_of_hold, now, NULL, false), 'unknown');
    END IF;
    -- What was said first counts.
    SELECT hold INTO of_hold FROM tollgate.tasks WHERE scope = of_scope AND id = of_id;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF of_hold IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT state INTO there FROM tollgate.holds WHERE id = of_hold;
    RETURN coalesce(there, 'unknown');
END $$;

-- Takes an idempotency key, if nobody has it: no row. Else what is known of who has it.
CREATE FUNCTION tollgate.take_key(
    of_account text, of_key text, new_turn uuid, of_fingerprint bytea, now bigint, leased_until bigint, until bigint
) RETURNS SETOF tollgate.idempotency_keys LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        INSERT INTO tollgate.idempotency_keys AS k
               (account, key, turn, fingerprint, state, lease_until, forget_at)
        VALUES (of_account, of_key, new_turn, of_fingerprint, 'working', leased_until, until)
        ON CONFLICT (account, key) DO UPDATE
        SET turn = EXCLUDED.turn, fingerprint = EXCLUDED.fingerprint, state = EXCLUDED.state, status = NULL,
            fields = NULL, body = NULL, lease_until = EXCLUDED.lease_until, forget_at = EXCLUDED.forget_at
        WHERE k.forget_at <= now OR k.state = 'working' AND (k.turn = EXCLUDED.turn OR k.lease_until <= now
            AND NOT EXISTS (SELECT FROM tollgate.holds h WHERE h.turn = k.turn AND h.state <> 'released'));
        IF FOUND THEN
            RETURN;
        END IF;
        RETURN QUERY SELECT * FROM tollgate.idempotency_keys WHERE account = of_account AND key = of_key;
        -- Somebody may have given it back meanwhile.
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
END $$;
