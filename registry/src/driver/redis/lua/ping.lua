-- Says that an active checker lives, as hipache-hchecker says it, unless a foreign one says so itself.
-- KEYS: active checker, active checker as portico wrote it
-- ARGV: now in seconds, the foreign word that was looked at and is not believed ('': there was none)
-- Answers 1 where it was said.
local ping, ours = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if ping and ping ~= ours and ping ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[1])
return 1
