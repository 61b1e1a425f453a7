-- The nodes of the index that said something, those that spoke last first. Names too long for a node, and those of which nothing is kept
-- any more, are taken out, where this server may be written to.
-- KEYS: the index. ARGV: how far ahead a time may be (ms), how many, the longest name, what stands before the name in a report's key.
if redis.replicate_commands then redis.replicate_commands() end
local time = redis.call('TIME')
local last = string.format('%.0f', time[1] * 1000 + ARGV[1])
local names = {}
for _, name in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[1], last, '-inf', 'LIMIT', 0, ARGV[2])) do
  if #name <= tonumber(ARGV[3]) and redis.call('EXISTS', ARGV[4] .. name) == 1 then
    names[#names + 1] = name
  else
    redis.pcall('ZREM', KEYS[1], name)
  end
end
return names
