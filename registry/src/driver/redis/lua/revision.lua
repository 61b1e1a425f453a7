-- Revisions: whole numbers in a counter, written as plain digits.
local function digits(number)
  -- Whole numbers are quick to write; on servers of 32 bit only small ones are.
  return string.format(number < 2147483648 and '%d' or '%.0f', number)
end

-- Where the counter stands. One that was lost (the store restarted empty, was flushed, or is an older copy) goes on above the
-- highest revision that the history or the caller knows, and that is a step of its own: no revision ever means two things.
-- An older copy (a replica that lagged and was promoted) has lost the revisions in between: noted for nodes that come later.
-- All books are asked here, before anything is written: one that holds another type ends the script while nothing is lost.
local function resume(counter_key, revisions_key, history_key, floor)
  redis.call('HGET', revisions_key, counter_key)
  local counter = tonumber(redis.call('GET', counter_key) or '0') or 0
  local top = redis.call('XREVRANGE', history_key, '+', '-', 'COUNT', 1)[1]
  local last = top and tonumber(string.match(top[1], '^(%d+)')) or 0
  local known = math.max(floor, last)
  if counter >= known then return counter end
  redis.call('SET', counter_key, digits(known + 1))
  redis.pcall('SET', counter_key .. ':lost', digits(counter) .. ' ' .. digits(known + 1))
  return known + 1
end

-- One line of the history; its ID is its revision. `keep`: how many lines are left then; false: all.
local function record(history_key, keep, revision, key, at, who, before, after)
  local id = digits(revision) .. '-0'
  if not keep then
    redis.call('XADD', history_key, id, 'key', key, 'at', at, 'who', who, 'before', before, 'after', after)
    return
  end
  redis.call('XADD', history_key, 'MAXLEN', '=', keep, id,
    'key', key, 'at', at, 'who', who, 'before', before, 'after', after)
end

-- Tells the other nodes; the one that is named knows it already. A user without the right to publish still writes: the others follow the keys.
local function announce(channel, revision, who, keys, node)
  redis.pcall('PUBLISH', channel, cjson.encode({ revision = revision, who = who, keys = keys, node = node }))
end
