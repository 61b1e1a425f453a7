-- Marks an endpoint dead as hipache does: every place of it in the list, by number, while no active checker runs.
-- KEYS: dead marks, list    ARGV: host, ttl in seconds, whether an active checker runs (1 or 0), then entry and announced URL in pairs
-- Answers how many places were found.
local host, ttl, passive = ARGV[1], ARGV[2], ARGV[3] ~= '1'
if redis.call('TYPE', KEYS[2]).ok ~= 'list' then return 0 end
local urls = {}
for i = 4, #ARGV, 2 do urls[ARGV[i]] = ARGV[i + 1] end
local entries, places = redis.call('LRANGE', KEYS[2], 1, 1024), {}
for i, entry in ipairs(entries) do
  if urls[entry] then places[#places + 1] = i end
end
for _, i in ipairs(places) do
  if passive then redis.call('SADD', KEYS[1], i - 1) end
  redis.pcall('PUBLISH', 'dead', host .. ';' .. urls[entries[i]] .. ';' .. (i - 1) .. ';' .. #entries)
end
if passive and #places > 0 then redis.call('EXPIRE', KEYS[1], ttl) end
return #places
