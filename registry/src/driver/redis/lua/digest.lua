-- The digest of what stands under a key, as content.rs computes it; '' where nothing is there.
-- The limits are constants on purpose: all nodes must compute the same digest, whatever their settings.
local MAX_ENTRIES, MAX_OCTETS, MAX_MEMORY = 1025, 1048576, 5242880

-- ARGV[1]: what the keys of hipache's lists begin with. planb's checks are hashes; all other keys are to hold strings.
local lists = ARGV[1]
local checks = string.sub(lists, 1, #lists - #'frontend:') .. 'healthcheck:'

local function wanted(key)
  if string.sub(key, 1, #lists) == lists then return 'list' end
  return string.sub(key, 1, #checks) == checks and 'hash' or 'string'
end

local function digest(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return '' end
  if kind ~= wanted(key) then return kind end
  if kind == 'string' then
    if redis.call('STRLEN', key) > MAX_OCTETS then return 'large' end
    return redis.sha1hex('string\n' .. redis.call('GET', key))
  end
  if kind == 'hash' then
    local said = 'hash\n'
    for _, field in ipairs({ 'path', 'body', 'status' }) do
      if redis.call('HSTRLEN', key, field) > MAX_OCTETS then return 'large' end
      local value = redis.call('HGET', key, field)
      said = said .. (value and #value .. ':' .. value or '-')
    end
    return redis.sha1hex(said)
  end
  if redis.call('LLEN', key) > MAX_ENTRIES then return 'many' end
  -- One huge entry must not be copied to be digested. Servers and users without MEMORY do without this guard.
  local memory = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', '0')
  if type(memory) == 'number' and memory > MAX_MEMORY then return 'large' end
  local parts, octets = { 'list\n' }, 0
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    octets = octets + #entry
    parts[#parts + 1] = #entry .. ':' .. entry
  end
  if octets > MAX_OCTETS then return 'large' end
  return redis.sha1hex(table.concat(parts))
end
