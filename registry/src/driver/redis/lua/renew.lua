-- Has a lease hold for its whole time from now on, if what the caller has read of its fact still stands.
-- KEYS: revisions, the key with the lease, key…
-- ARGV: start of lists, the lease in milliseconds, then for each key from the third on its digest and revision, as stands.lua reads them
-- Answers 'stale' and the places of the keys that do not stand, or 'ok' and whether a lease is there (1 or 0).
local stale = stale_of(3, 3, KEYS[1])
if #stale > 0 then return { 'stale', unpack(stale) } end
return { 'ok', redis.call('PEXPIRE', KEYS[2], ARGV[2]) }
