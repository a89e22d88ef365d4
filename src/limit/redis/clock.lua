-- The server's clock, in microseconds since 1970: below 2^53, so that a double holds it exactly.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- How long a state outlives its use, in milliseconds: clocks are set back a little now and then.
local linger = 1000
