-- Enters a node into the index, by the store's clock, and takes out what no node is: what stands in the future, and the oldest of too many.
-- KEYS: the index. ARGV: the node, how many there may be, how long the index is kept (ms), how far ahead a time may be (ms).
if redis.replicate_commands then redis.replicate_commands() end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + ARGV[4]), '+inf')
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[2] - 1)
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
