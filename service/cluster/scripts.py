"""What the engine does in one step, as Lua."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Script:
    """A script, and the name by which the engine knows it once it has run."""

    name: str
    text: str

    @cached_property
    def sha(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


# A result that is there; or the lease of the flight, for us; or how long the holder has it.
CLAIM = Script(
    "claim",
    """
local found = redis.call('GETRANGE', KEYS[1], 0, ARGV[3])
if found ~= '' then return {1, found, redis.call('PTTL', KEYS[1])} end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {0} end
return {2, '', redis.call('PTTL', KEYS[2])}
""",
)

# The lease for longer, where it is still ours or has run out.
RENEW = Script(
    "renew",
    """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""",
)

# The end of a flight. Its result, if any, is stored: where the lease was lost not over another's, unless that
# is asked for. The lease is given up, and those who wait are told, also by an engine that is full.
FINISH = Script(
    "finish",
    """
local ours = redis.call('GET', KEYS[2]) == ARGV[1]
local stored = 0
if ARGV[2] ~= '' then
  local set = {'SET', KEYS[1], ARGV[2], 'PX', ARGV[3]}
  if not ours and ARGV[6] == '0' then set[#set + 1] = 'NX' end
  local reply = redis.pcall(unpack(set))
  if type(reply) == 'table' and reply.ok then stored = 1 end
end
if ours then redis.call('DEL', KEYS[2]) end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return stored
""",
)

# GCRA by the engine's clock, for several clients: each gets its cost added to its theoretical arrival time,
# up to so much ahead; the reply tells how far each is ahead now. All in microseconds.
SPEND = Script(
    "limits",
    """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local reply = {}
for i, key in ipairs(KEYS) do
  local arrival = tonumber(redis.pcall('GET', key))
  if not (arrival and arrival > now) then arrival = now end
  local ahead = math.min(arrival - now + tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i]))
  redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000) + 1)
  reply[i] = ahead
end
return reply
""",
)

# A heartbeat: this instance's time and words are noted, the dead are forgotten, and the living are told: the
# words of each, and the milliseconds since.
BEAT = Script(
    "heartbeat",
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2] .. ARGV[1], ARGV[2], 'PX', ARGV[3])
local reply = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, ARGV[4] - 1)) do
  local words = redis.call('GETRANGE', KEYS[2] .. id, 0, ARGV[5])
  if words ~= '' then reply[#reply + 1] = {words, now - redis.call('ZSCORE', KEYS[1], id)} end
end
return reply
""",
)

# A message of a journal: it is kept among the newest, for a time, and told, also by an engine that is full.
WRITE = Script(
    "journal",
    """
local function keep() return redis.pcall('XADD', KEYS[1], 'MAXLEN', ARGV[2], '*', 'm', ARGV[1]) end
local kept = keep()
if type(kept) == 'table' and kept.err and not string.find(kept.err, 'OOM') then
  redis.call('DEL', KEYS[1])
  keep()
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('PUBLISH', KEYS[1], ARGV[1])
""",
)

# What is kept of a journal and not too old or too long, the newest first, and the milliseconds since.
READ = Script(
    "journal",
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local since = string.format('%.0f', now - ARGV[1])
local kept = redis.pcall('XREVRANGE', KEYS[1], '+', since, 'COUNT', ARGV[2])
local reply, bytes = {}, 0
for _, entry in ipairs(kept.err and {} or kept) do
  local text = entry[2][2] or ''
  bytes = bytes + #text
  if bytes > tonumber(ARGV[4]) then break end
  if #text <= tonumber(ARGV[3]) then
    reply[#reply + 1] = {text, math.max(now - tonumber(string.match(entry[1], '^%d+')), 0)}
  end
end
return reply
""",
)

# An order: it is told to all, and what lasts is kept by site; one for all of them takes the place of the
# others. The empty field says that nothing was forgotten. An engine that is full still tells.
ORDER = Script(
    "order",
    """
local action, subject = ARGV[1], ARGV[2]
if action ~= '' then
  if redis.call('TYPE', KEYS[1]).ok ~= 'hash' or subject == ARGV[5] then redis.call('DEL', KEYS[1]) end
  if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[6]) then redis.call('DEL', KEYS[1]) end
  if action == 'open' or action == 'disable' then
    redis.pcall('HSET', KEYS[1], subject, action)
  else
    redis.call('HDEL', KEYS[1], subject)
  end
  redis.pcall('HSET', KEYS[1], '', '1')
end
return redis.call('PUBLISH', ARGV[3], ARGV[4])
""",
)

# The lasting orders; where the engine has forgotten them, or has too many, those that the caller knows.
KNOWN_MODES = Script(
    "modes",
    """
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' or redis.call('HLEN', KEYS[1]) > tonumber(ARGV[1]) + 1 then
  redis.call('DEL', KEYS[1])
end
if redis.call('HEXISTS', KEYS[1], '') == 0 then
  for i = 2, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
  if #ARGV > 1 then redis.call('HSET', KEYS[1], '', '1') end
end
local kept, reply = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #kept, 2 do
  if #kept[i] <= 300 and #kept[i + 1] <= 20 then
    reply[#reply + 1] = kept[i]
    reply[#reply + 1] = kept[i + 1]
  end
end
return reply
""",
)

# An order about a release of yt-dlp: it is kept by what it decides, and told.
RELEASE_ORDER = Script(
    "order",
    """
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' or redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  redis.call('DEL', KEYS[1])
end
redis.pcall('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return redis.call('PUBLISH', ARGV[5], ARGV[2])
""",
)

# All of those; the engine may have forgotten what the caller knows.
KNOWN_RELEASES = Script(
    "releases",
    """
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' or redis.call('HLEN', KEYS[1]) > tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
end
for i = 3, #ARGV, 2 do redis.pcall('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local reply = {}
for _, order in ipairs(redis.call('HVALS', KEYS[1])) do
  if #order <= 4000 then reply[#reply + 1] = order end
end
return reply
""",
)

# Votes: the caller asks each place, and votes for so long. The reply tells for how long each instance votes
# that has asked the place lately, the caller included; others are forgotten. All in milliseconds.
VOTE = Script(
    "votes",
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lately, longest = tonumber(ARGV[2]), tonumber(ARGV[3])
local reply = {}
for i, key in ipairs(KEYS) do
  if redis.call('TYPE', key).ok ~= 'hash' then redis.call('DEL', key) end
  local word = string.format('%.0f %.0f', now + lately, now + tonumber(ARGV[3 + i]))
  redis.call('HSET', key, ARGV[1], word)
  redis.call('PEXPIRE', key, longest)
  local kept, votes = redis.call('HGETALL', key), {}
  for j = 2, #kept, 2 do
    local asks, open = string.match(kept[j], '^(%d+) (%d+)$')
    asks, open = (tonumber(asks) or 0) - now, (tonumber(open) or 0) - now
    if math.max(asks, open) <= 0 or math.max(asks, open) > longest then
      redis.call('HDEL', key, kept[j - 1])
    else
      votes[#votes + 1] = math.max(open, 0)
    end
  end
  reply[i] = votes
end
return reply
""",
)
