-- A write of portico's: all edits or none.
-- KEYS: counter, revisions, history, key…
-- ARGV: start of lists, floor, now, keep, channel, who, then for each key what the writer knows of it, as stands.lua reads it,
--   then the edits: list|json|remove, number of its keys, their places among the keys (the one to write first), before, after,
--   number of values, value…
-- Answers 'stale' and the places of the keys that say something else by now, or 'ok', the counter before and after.
local counter_key, revisions_key, history_key = KEYS[1], KEYS[2], KEYS[3]
local floor, now, keep, channel, who = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local stale = stale_of(4, 7, revisions_key)
if #stale > 0 then return { 'stale', unpack(stale) } end

local at = 6 + 2 * (#KEYS - 3)
local function take()
  at = at + 1
  return ARGV[at]
end

local counter = resume(counter_key, revisions_key, history_key, floor)
local first, touched = counter, {}
while at < #ARGV do
  local form, keys, values = take(), {}, {}
  for i = 1, tonumber(take()) do keys[i] = KEYS[3 + tonumber(take())] end
  local before, after = take(), take()
  for i = 1, tonumber(take()) do values[i] = take() end
  counter = counter + 1
  -- The counter first: a full store refuses here, before anything is lost.
  redis.call('SET', counter_key, digits(counter))
  record(history_key, keep, counter, keys[1], now, who, before, after)
  for _, key in ipairs(keys) do
    if redis.call('DEL', key) == 1 then touched[#touched + 1] = key end
    redis.call('HDEL', revisions_key, key)
  end
  if form == 'list' then
    redis.call('RPUSH', keys[1], unpack(values))
  elseif form == 'json' then
    -- A second value is a lease, in milliseconds.
    if values[2] then
      redis.call('SET', keys[1], values[1], 'PX', values[2])
    else
      redis.call('SET', keys[1], values[1])
    end
  end
  if form ~= 'remove' then
    redis.call('HSET', revisions_key, keys[1], digits(counter) .. ' ' .. digest(keys[1]))
    touched[#touched + 1] = keys[1]
  end
end
if counter > first then announce(channel, counter, who, touched) end
return { 'ok', digits(first), digits(counter) }
