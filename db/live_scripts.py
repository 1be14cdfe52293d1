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
# KEYS: sends. ARGV: member, now_ms, visit, per_visit, per_week, cool_down_ms, week_ms, expire_s,
# then member and ms of each send that SQL knows. Answers 1 when reserved.
RESERVE: Final = """
for i = 9, #ARGV, 2 do redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i]) end
local now = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - tonumber(ARGV[7])))
local sends = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local visit, week, answer = 0, 0, 1
for i = 1, #sends, 2 do
  if sends[i] == ARGV[1] then return 1 end
  week = week + 1
  local at = string.match(sends[i], '|([^|]*)$')
  if at == ARGV[3] then visit = visit + 1 end
  if now < tonumber(sends[i + 1]) + tonumber(ARGV[6]) then answer = 0 end
end
if visit >= tonumber(ARGV[4]) or week >= tonumber(ARGV[5]) then answer = 0 end
if answer == 1 then redis.call('ZADD', KEYS[1], now, ARGV[1]) end
redis.call('EXPIRE', KEYS[1], ARGV[8])
return answer
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
