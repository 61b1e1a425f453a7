-- Numbers what foreign writers changed, once: whichever node comes first moves the counter, the others read what it said.
-- KEYS: counter, revisions, history, key…    ARGV: start of lists, floor, now, keep, channel, node, then for each key: before, after
-- Answers the counter before and after, then for each key its digest and its revision ('0': nothing was ever known of it).
local counter_key, revisions_key, history_key = KEYS[1], KEYS[2], KEYS[3]
local floor, now, keep, channel = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local counter = resume(counter_key, revisions_key, history_key, floor)
-- Without keys, the question is whether this store takes writes from us at all.
if #KEYS == 3 then redis.call('SET', counter_key, digits(counter)) end
local first, numbered = counter, {}
local answer = { digits(counter), '' }
for i = 4, #KEYS do
  local key, now_digest = KEYS[i], digest(KEYS[i])
  local known = redis.call('HGET', revisions_key, key)
  local revision, known_digest = '0', ''
  if known then revision, known_digest = string.match(known, '^(%d+) (.*)$') end
  if known_digest ~= now_digest then
    counter = counter + 1
    revision = digits(counter)
    redis.call('SET', counter_key, revision)
    if now_digest == '' then
      redis.call('HDEL', revisions_key, key)
    else
      redis.call('HSET', revisions_key, key, revision .. ' ' .. now_digest)
    end
    local before, after = ARGV[7 + (i - 4) * 2], ARGV[8 + (i - 4) * 2]
    record(history_key, keep, counter, key, now, 'redis', before, after)
    numbered[#numbered + 1] = key
  end
  answer[#answer + 1] = now_digest
  answer[#answer + 1] = revision
end
if counter > first then announce(channel, counter, 'redis', numbered, ARGV[6]) end
answer[2] = digits(counter)
return answer
