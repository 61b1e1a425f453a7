-- The digest of what stands under a key, as content.rs computes it; '' where nothing is there.
-- The limits are constants on purpose: all nodes must compute the same digest, whatever their settings.
local MAX_ENTRIES, MAX_OCTETS, MAX_MEMORY = 1025, 1048576, 5242880

-- ARGV[1]: what the keys of hipache's lists begin with. planb's checks are hashes; all other keys are to hold strings.
local lists = ARGV[1]
local checks = string.sub(lists, 1, #lists - #'frontend:') .. 'healthcheck:'

-- A length as it stands before what it is the length of. Remembered, since making text of a number costs more than all the rest.
local lengths = {}
local function length(octets)
  local text = lengths[octets]
  if not text then
    text = octets .. ':'
    lengths[octets] = text
  end
  return text
end

-- Of a key that is no list: its type instead.
local function digest_of_list(key)
  local entries = redis.pcall('LLEN', key)
  if type(entries) ~= 'number' then
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'list' then return kind end
    entries = redis.call('LLEN', key)
  end
  if entries == 0 then return '' end
  if entries > MAX_ENTRIES then return 'many' end
  -- One huge entry must not be copied to be digested. Servers and users without MEMORY do without this guard.
  local memory = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', '0')
  if type(memory) == 'number' and memory > MAX_MEMORY then return 'large' end
  local parts, octets = { 'list\n' }, 0
  for i, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    octets = octets + #entry
    parts[2 * i], parts[2 * i + 1] = length(#entry), entry
  end
  if octets > MAX_OCTETS then return 'large' end
  return redis.sha1hex(table.concat(parts))
end

local function digest(key)
  if string.sub(key, 1, #lists) == lists then return digest_of_list(key) end
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return '' end
  if kind ~= (string.sub(key, 1, #checks) == checks and 'hash' or 'string') then return kind end
  if kind == 'string' then
    if redis.call('STRLEN', key) > MAX_OCTETS then return 'large' end
    return redis.sha1hex('string\n' .. redis.call('GET', key))
  end
  local said = 'hash\n'
  for _, field in ipairs({ 'path', 'body', 'status' }) do
    if redis.call('HSTRLEN', key, field) > MAX_OCTETS then return 'large' end
    local value = redis.call('HGET', key, field)
    said = said .. (value and length(#value) .. value or '-')
  end
  return redis.sha1hex(said)
end
