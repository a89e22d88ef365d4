-- The generic cell rate algorithm, for all quotas of one request: all of them are spent, or none.
--
-- KEYS[i]  the state of quota i: when it will be whole again, in nanoseconds since 1970, as decimal digits.
-- ARGV[1]  1 to spend; 0 only to look.
-- ARGV     then four numbers a quota: the time in which its cost comes back, and its whole burst, each as whole
--          microseconds and the nanoseconds that are left. Such pairs are exact where one double would not be.
-- Returns  whether it was admitted, the time in microseconds, and each quota's state before.
--          Units and waits are worked out from these by whoever asked.
local admitted = tonumber(ARGV[1]) == 1
local before, after, expiry = {}, {}, {}

for i, key in ipairs(KEYS) do
  local cost_us, cost_ns = tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1])
  local burst_us, burst_ns = tonumber(ARGV[4 * i]), tonumber(ARGV[4 * i + 1])
  local last_us, last_ns = now + burst_us, burst_ns

  -- What is absent, past, or not a state at all (of another type, even) is a whole quota.
  local us, ns = now, 0
  local state = redis.pcall('GET', key)
  if type(state) == 'table' and not string.find(state.err, 'WRONGTYPE', 1, true) then
    return state
  end
  if type(state) == 'string' and #state > 3 and #state < 20 and not string.find(state, '%D') then
    local state_us = tonumber(string.sub(state, 1, -4))
    if state_us >= now then
      us, ns = state_us, tonumber(string.sub(state, -3))
    end
  end
  -- Nothing is further away than a whole burst: unless the clock was set back, or the quota was made smaller.
  if us > last_us or (us == last_us and ns > last_ns) then
    us, ns = last_us, last_ns
  end
  before[i] = string.format('%.0f%03d', us, ns)

  us, ns = us + cost_us, ns + cost_ns
  if ns >= 1000 then
    us, ns = us + 1, ns - 1000
  end
  if us > last_us or (us == last_us and ns > last_ns) then
    admitted = false
  end
  after[i] = string.format('%.0f%03d', us, ns)
  expiry[i] = string.format('%.0f', math.ceil((us - now) / 1000) + linger)
end

if admitted then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, after[i], 'PX', expiry[i])
  end
end
return { admitted and 1 or 0, now, unpack(before) }
