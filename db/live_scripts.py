"""What must be atomic in Redis: the Lua scripts of `db.live`, which names their keys."""

from typing import Final

# KEYS: stream, seqs. ARGV: field, seq, gateway, batch, STREAM_MAX, SEQS_EXPIRE_S.
APPEND: Final = """
local last = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if tonumber(ARGV[2]) <= last then return 0 end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], '*', 'g', ARGV[3], 'b', ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return 1
"""
# KEYS: messages, released. ARGV: member, now_us, from_us, expire_s, caps, then member and us of
# each send that SQL knows.
# A member is JSON: [id, campaign, visit, zone, store, channel, [categories]].
# caps is JSON: a list of [since_us, most, [[field, values], ...]]; a member counts that has in each
# field named, by its number, one of the values.
# Answers 1 when reserved.
RESERVE: Final = """
for i = 6, #ARGV, 2 do
  if redis.call('SISMEMBER', KEYS[2], ARGV[i]) == 0 then
    redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i])
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
local sends = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local known = {}
for i = 1, #sends, 2 do
  known[#known + 1] = {cjson.decode(sends[i]), tonumber(sends[i + 1])}
end
local function has(fields, wanted)
  for _, pair in ipairs(wanted) do
    local is, found = fields[pair[1]], false
    for _, value in ipairs(pair[2]) do
      if type(is) == 'table' then
        for _, one in ipairs(is) do found = found or one == value end
      else
        found = found or is == value
      end
    end
    if not found then return false end
  end
  return true
end
for _, cap in ipairs(cjson.decode(ARGV[5])) do
  local count = 0
  for _, one in ipairs(known) do
    if one[2] >= cap[1] and has(one[1], cap[3]) then count = count + 1 end
  end
  if count >= cap[2] then return 0 end
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
# KEYS: owner. ARGV: who, lease_ms. Takes or renews the lease; 1 when it is ours.
LEASE: Final = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
# KEYS: owner, presence. ARGV: who, checkpoint, CHECKPOINT_EXPIRE_S. 1 when the store is ours.
KEEP_CHECKPOINT: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
"""
# KEYS: owner. ARGV: who.
RELEASE_LEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
# Generic cell rate. KEYS: rate. ARGV: now_ms, interval_ms, burst. Answers the wait in ms; 0 = go.
RATE: Final = """
local now, interval = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = full - now - interval * (tonumber(ARGV[3]) - 1)
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], full + interval, 'PX', math.ceil(full + interval - now + 1))
return 0
"""
