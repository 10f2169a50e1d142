-- What all scripts of tower-webhook begin with: one record, the hash at KEYS[1], and the time.
--
--   state        CLAIMED, FREE or DONE
--   fingerprint  what makes two deliveries the same event
--   expires      when the record counts as absent; the server forgets it then (PEXPIREAT)
--   token        while CLAIMED: who holds it
--   lease_until  while CLAIMED: when another may claim
--   generation   while CLAIMED or FREE: raised by every claim
--   attempts     while CLAIMED or FREE: how many claims there were
--   completion   when DONE: handled or rejected
--   at           when DONE: since when
--
-- Times are milliseconds since 1970 by this server's clock: they and all sums of them stay below
-- 2^53, the last whole number that Lua can tell from the next. ARGV, the same for every script:
--
--   1 what tests add to the clock (0)   2 token   3 fingerprint   4 lease (ms)   5 retention (ms)
--   6 completion
--
-- By hand: redis-cli --eval <(cat record.lua get.lua) 'webhook:dwolla:bb6531a2' , 0

local key = KEYS[1]
local offset = tonumber(ARGV[1])
local token, fingerprint = ARGV[2], ARGV[3]
local lease, retention = tonumber(ARGV[4]), tonumber(ARGV[5])

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000) + offset

-- Whole numbers as text: Lua's own way writes large ones as 1.7e+12.
local function text(number)
  return string.format('%.0f', number)
end

-- The record; nil if there is none, or none that still counts.
local found = redis.call('HMGET', key, 'state', 'fingerprint', 'expires', 'token', 'lease_until', 'generation', 'attempts', 'completion', 'at')
local record = nil
if found[1] and tonumber(found[3]) > now then
  record = {
    state = found[1],
    fingerprint = found[2],
    token = found[4],
    lease_until = tonumber(found[5]),
    generation = tonumber(found[6]),
    attempts = tonumber(found[7]),
    completion = found[8],
  }
end

local function is_held()
  return record and record.state == 'CLAIMED' and record.token == token and record.fingerprint == fingerprint
end

-- Writes the record anew, to live until `expires`.
--
-- What was there goes first, so that nothing of it stays. That also decides what a server does
-- whose memory is full (maxmemory with noeviction): it refuses a script's first write if that needs
-- room, and none after it. DEL needs none. So only the claim of an event that is not recorded,
-- which begins with HSET, can be refused; whatever follows a claim is always recorded.
local function write(expires, ...)
  if found[1] or ARGV[6] then
    redis.call('DEL', key)
  end
  redis.call('HSET', key, 'fingerprint', fingerprint, 'expires', text(expires), ...)
  redis.call('PEXPIREAT', key, text(expires - offset))
end

local function write_claim(generation, attempts)
  local lease_until = now + lease
  -- An expired claim lives one retention: the attempts of a process that died are remembered.
  write(lease_until + retention, 'state', 'CLAIMED', 'token', token, 'lease_until', text(lease_until),
    'generation', text(generation), 'attempts', text(attempts))
end

