-- Numbers what foreign writers changed, once: whichever node comes first moves the counter, the others read what it said.
-- KEYS: counter, revisions, history, key…
-- ARGV: start of lists, floor, now, keep, channel, node, sum, then for each key what the node read there: digest, before, after
-- The sum: SHA-1 over what the node read under all keys, if all are lists (else ''). Where they still say so, they say it with the
-- digests given, and nothing is digested key by key.
-- Answers the counter before and after, then for each key its digest and its revision ('0': nothing was ever known of it); the
-- counters alone where all keys say what the node read and were numbered now, in their order.
local counter_key, revisions_key, history_key = KEYS[1], KEYS[2], KEYS[3]
local floor, now, keep, channel, node, sum = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local counter = resume(counter_key, revisions_key, history_key, floor)
-- Without keys, the question is whether this store takes writes from us at all.
if #KEYS == 3 then
  redis.call('SET', counter_key, digits(counter))
  return { digits(counter), digits(counter) }
end

-- What one call digests at most, as number.rs weighs it: what is heavier grew since it was read.
local MAX_WEIGHT, EACH = 524288, 64

-- Of what is too heavy, there is none: adding up ends with the list that is too much, so that one list at most is copied for nothing.
local function sum_of_lists()
  local parts, at, weight = {}, 0, 0
  for i = 4, #KEYS do
    local entries = redis.pcall('LRANGE', KEYS[i], 0, MAX_ENTRIES)
    -- Of an error, the length is 0, which no node sums.
    parts[at + 1] = length(#entries)
    weight = weight + EACH + EACH * #entries
    for j = 1, #entries do
      local octets = #entries[j]
      weight = weight + octets
      parts[at + 2 * j], parts[at + 2 * j + 1] = length(octets), entries[j]
    end
    if weight > MAX_WEIGHT then return '' end
    at = at + 2 * #entries + 1
  end
  return redis.sha1hex(table.concat(parts))
end

local is_as_read = sum ~= '' and sum_of_lists() == sum
local books = redis.call('HMGET', revisions_key, unpack(KEYS, 4))
local first, changed, said, gone, answer = counter, {}, {}, {}, { digits(counter), '' }
-- What this very call says of keys, as the books will: a key that was given twice is numbered once.
local lines = {}
for i = 4, #KEYS do
  local now_digest = is_as_read and ARGV[3 * i - 4] or digest(KEYS[i])
  local revision, known_digest = '0', ''
  local line = lines[KEYS[i]] or books[i - 3]
  if line then revision, known_digest = string.match(line, '^(%d+) (.*)$') end
  if known_digest ~= now_digest then
    counter = counter + 1
    revision = digits(counter)
    changed[#changed + 1] = i
    lines[KEYS[i]] = revision .. ' ' .. now_digest
    if now_digest == '' then
      gone[#gone + 1] = KEYS[i]
    else
      said[#said + 1] = KEYS[i]
      said[#said + 1] = lines[KEYS[i]]
    end
  end
  answer[#answer + 1] = now_digest
  answer[#answer + 1] = revision
end

if counter > first then
  -- The counter first: a full store refuses here, before anything is noted.
  redis.call('SET', counter_key, digits(counter))
  local numbered = {}
  for n, i in ipairs(changed) do
    -- Cut once, after the last: cutting costs more than writing.
    local kept = n == #changed and keep
    record(history_key, kept, first + n, KEYS[i], now, 'redis', ARGV[3 * i - 3], ARGV[3 * i - 2])
    numbered[n] = KEYS[i]
  end
  if #said > 0 then redis.call('HSET', revisions_key, unpack(said)) end
  if #gone > 0 then redis.call('HDEL', revisions_key, unpack(gone)) end
  announce(channel, counter, 'redis', numbered, node)
end
answer[2] = digits(counter)
if is_as_read and #changed == #KEYS - 3 then return { answer[1], answer[2] } end
return answer
