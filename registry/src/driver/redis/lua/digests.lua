-- The counter, then the digest of each key. Reads only, so replicas run it too.
-- KEYS: counter, key…    ARGV: start of lists
local counter = redis.pcall('GET', KEYS[1])
local answer = { type(counter) == 'string' and counter or '0' }
for i = 2, #KEYS do answer[i] = digest(KEYS[i]) end
return answer
