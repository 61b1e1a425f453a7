-- Whether what a caller has read still stands.
-- From KEYS[first] on, and from ARGV[at] on for each of them: the digest that the caller knows, and the revision ('': any will do).
-- Answers the places of the keys that say something else, or that said the same again later than the caller knows.
local function stale_of(first, at, revisions_key)
  local stale = {}
  for i = first, #KEYS do
    local known, revision = ARGV[at], ARGV[at + 1]
    at = at + 2
    local line = revision ~= '' and redis.call('HGET', revisions_key, KEYS[i])
    local later = line and tonumber(string.match(line, '^(%d+)')) > tonumber(revision)
    if later or digest(KEYS[i]) ~= known then stale[#stale + 1] = i - first + 1 end
  end
  return stale
end
