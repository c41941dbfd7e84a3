"""The Lua that Redis runs for us, each piece atomic. Knows no key: they are arguments.

Redis refuses a script its first write when memory is full, and lets it go on once it has written. So what must work
then (taking back an import, a contact closed) deletes before it sets, and what must not (an import) sets first.
"""

from __future__ import annotations

__all__ = [
    "BEGIN_IMPORT", "FINISH_IMPORT", "HOLD_LEASE", "LOAD_RULES", "RELEASE_LEASE", "SWAP", "SWAP_ALL", "SWAP_TELLING",
    "WRITE_FLOOR", "WRITE_IMPORT",
]

# KEYS: state, lease prefix. ARGV: lease in seconds. Returns the new batch. Without a state the batches start at the
# clock, so that they are newer than those of contacts that outlived it.
BEGIN_IMPORT = """
local newest, pending = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+):(.*)$')
local batch
if newest then batch = string.format('%d', newest + 1)
else batch = redis.call('TIME')[1]; pending = '' end
redis.call('SET', KEYS[1], batch .. ':' .. (pending == '' and batch or pending .. ',' .. batch))
redis.call('SET', KEYS[2] .. batch, '', 'EX', ARGV[1])
return tonumber(batch)
"""

# KEYS: state, lease. ARGV: batch, 1 to finish it or 0 to end one that was taken back. Everything that the batch wrote
# becomes visible at once. Returns 1, or 0 when the batch is not pending, or is to finish without a lease: then another
# import may be taking it back. The lease is deleted first, so that this works in a full Redis.
FINISH_IMPORT = """
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local newest, pending = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+):(.*)$')
local found, kept = 0, {}
for batch in string.gmatch(pending or '', '%d+') do
  if batch == ARGV[1] then found = 1 else kept[#kept + 1] = batch end
end
redis.call('DEL', KEYS[2])
if found == 1 then
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], newest .. ':' .. table.concat(kept, ','))
end
return found
"""

# KEYS: lease, then each key. ARGV: lease in seconds, then for each key the value seen ('' for none) and the new one.
# Returns the places of the keys that somebody else changed in between, or -1 when the lease has run out.
WRITE_IMPORT = """
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local changed = {}
for i = 2, #KEYS do
  if (redis.call('GET', KEYS[i]) or '') == ARGV[2 * i - 2] then
    redis.call('SET', KEYS[i], ARGV[2 * i - 1])
  else
    changed[#changed + 1] = i - 2
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return changed
"""

# KEYS: each key. ARGV: for each the value seen ('' for none), the new one ('' for none), and its life in milliseconds
# (0 for ever). Returns the places of the keys that somebody else changed in between.
SWAP = """
local changed = {}
for i = 1, #KEYS do
  if (redis.call('GET', KEYS[i]) or '') == ARGV[3 * i - 2] then
    redis.call('DEL', KEYS[i])
    local value, life = ARGV[3 * i - 1], tonumber(ARGV[3 * i])
    if value ~= '' and life > 0 then redis.call('SET', KEYS[i], value, 'PX', life)
    elseif value ~= '' then redis.call('SET', KEYS[i], value) end
  else
    changed[#changed + 1] = i - 1
  end
end
return changed
"""

# As SWAP, of one key; the events that tell of it are in the stream then, and only then. KEYS: key, stream. ARGV:
# value before, value, life in ms, the stream's field, events. Returns 1, or 0 when somebody else changed it.
SWAP_TELLING = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local value, life = ARGV[2], tonumber(ARGV[3])
if value == '' then redis.call('DEL', KEYS[1])
elseif life > 0 then redis.call('SET', KEYS[1], value, 'PX', life)
else redis.call('SET', KEYS[1], value) end
for i = 5, #ARGV do redis.call('XADD', KEYS[2], '*', ARGV[4], ARGV[i]) end
return 1
"""

# As SWAP, but all of the keys or none of them. Returns 1, or 0 when somebody else changed one in between.
SWAP_ALL = """
for i = 1, #KEYS do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[3 * i - 2] then return 0 end
end
redis.call('DEL', unpack(KEYS))
for i = 1, #KEYS do
  local value, life = ARGV[3 * i - 1], tonumber(ARGV[3 * i])
  if value ~= '' and life > 0 then redis.call('SET', KEYS[i], value, 'PX', life)
  elseif value ~= '' then redis.call('SET', KEYS[i], value) end
end
return 1
"""

# KEYS: a sorted set. ARGV: now, a member, how many may have come within so many seconds, for how many seconds it is
# kept at least, how many members at most. Returns 1, or 0 when they have come already.
COUNT_IN = """
local now, most, within = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('ZCOUNT', KEYS[1], now - within, '+inf') >= most then return 0 end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[6]))
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[5]) then redis.call('EXPIRE', KEYS[1], ARGV[5]) end
return 1
"""

# KEYS: current, versions. ARGV: the version's blob, how many versions are kept. Returns the new version.
LOAD_RULES = """
local version = redis.call('INCR', KEYS[1])
redis.call('HSET', KEYS[2], version, ARGV[1])
redis.call('HDEL', KEYS[2], version - tonumber(ARGV[2]))
return version
"""

# KEYS: lease. ARGV: our token, its life in milliseconds, the token of a holder known to be dead ('' for none).
# Returns {1, '', 0} when the lease is ours now, else {0, the holder's token, milliseconds left}.
HOLD_LEASE = """
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]); return {1, '', 0} end
if not held or held == ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return {1, '', 0}
end
return {0, held, redis.call('PTTL', KEYS[1])}
"""

# KEYS: lease. ARGV: our token.
RELEASE_LEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

# KEYS: lease, then hashes. ARGV: our token, 1 to replace the hashes or 0 to change them, then for each hash how many
# fields are set, each with its value, and how many are removed, each by name. Returns 0, and does nothing, when the
# lease is not ours. A hash that is replaced is deleted first, so that this works in a full Redis.
WRITE_FLOOR = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local at = 3
for k = 2, #KEYS do
  if ARGV[2] == '1' then redis.call('DEL', KEYS[k]) end
  local last = at + 2 * tonumber(ARGV[at])
  for i = at + 1, last, 2 do redis.call('HSET', KEYS[k], ARGV[i], ARGV[i + 1]) end
  at = last + 1
  last = at + tonumber(ARGV[at])
  for i = at + 1, last do redis.call('HDEL', KEYS[k], ARGV[i]) end
  at = last + 1
end
return 1
"""
