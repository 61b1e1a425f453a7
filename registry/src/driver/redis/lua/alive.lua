-- Takes the marks of an endpoint back as hipache's checker does: every place of it in the list, by number.
-- KEYS: dead marks, list    ARGV: entry…
-- Answers how many marks were taken back.
if redis.call('TYPE', KEYS[2]).ok ~= 'list' then return 0 end
local meant, taken = {}, 0
for _, entry in ipairs(ARGV) do meant[entry] = true end
for i, entry in ipairs(redis.call('LRANGE', KEYS[2], 1, 1024)) do
  if meant[entry] then taken = taken + redis.call('SREM', KEYS[1], i - 1) end
end
return taken
