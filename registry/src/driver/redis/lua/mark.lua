-- Marks an endpoint dead as hipache and its checkers do: every place of it in the list, by number; but never so that all places that can
-- be used are marked: each of several nodes spares the last one that it knows, and only here is seen what they mark together.
-- KEYS: dead marks, list
-- ARGV: host, ttl in seconds, whether a foreign active checker runs (1 or 0), how, then in pairs: entry and announced URL of each spelling
-- of the endpoint; entry and '' of what is no endpoint at all.
-- How: passive (a request failed: told to all, marked while no foreign checker runs), failed (a check of ours failed: marked and told),
-- again (the same, not told again), announced (a request of another proxy failed and it leaves marking to us).
-- Answers how many places were found.
local host, ttl, foreign, how = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4]
if redis.call('TYPE', KEYS[2]).ok ~= 'list' then return 0 end
local urls = {}
for i = 5, #ARGV, 2 do urls[ARGV[i]] = ARGV[i + 1] end
local entries, places, is_another_live = redis.call('LRANGE', KEYS[2], 1, 1024), {}, false
for i, entry in ipairs(entries) do
  if urls[entry] and urls[entry] ~= '' then
    places[#places + 1] = i
  elseif not urls[entry] and not is_another_live then
    is_another_live = redis.call('SISMEMBER', KEYS[1], i - 1) == 0
  end
end
local ours = is_another_live and (how == 'failed' or how == 'again' or not foreign)
local marked = false
for _, i in ipairs(places) do
  local is_new = how ~= 'announced' or redis.call('SISMEMBER', KEYS[1], i - 1) == 0
  if ours and is_new then
    redis.call('SADD', KEYS[1], i - 1)
    marked = true
  end
  if how == 'passive' or how == 'failed' then
    redis.pcall('PUBLISH', 'dead', host .. ';' .. urls[entries[i]] .. ';' .. (i - 1) .. ';' .. #entries)
  end
end
if marked then redis.call('EXPIRE', KEYS[1], ttl) end
return #places
