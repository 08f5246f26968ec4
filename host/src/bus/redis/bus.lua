#!lua name=farrier_@ID@
-- Every operation of the bus, each one atomic step. X is the shard's suffix; all keys end in it and so share a slot.
-- A work stream's entries are deleted when acknowledged: its length is the backlog. Leases are deadlines in a sorted set
-- (member `stream|entry`) by one clock for all hosts, the server's, or the one the caller names; the pending list says whose
-- an entry is. Idle times in the pending list are not used: they cannot be stepped by tests, and a heartbeat would have to
-- XCLAIM, with which a process that has lost its lease takes the entry back.
local GROUP = 'host'
-- While the library is loaded there is no redis.call to name.
local function call(...) return redis.call(...) end

local function now(text)
  if text ~= '' then return tonumber(text) end
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function server(X, id) return 'farrier:server:' .. id .. X end
local function leases(X) return 'farrier:leases' .. X end

-- Acknowledge and delete an entry.
local function drop(X, s, id)
  redis.pcall('XACK', s .. X, GROUP, id)
  call('ZREM', leases(X), s .. '|' .. id)
  return call('XDEL', s .. X, id)
end

-- Append a command; the server remembers where its outstanding one stands.
local function publish(X, s, id, token, data)
  local entry = call('XADD', s .. X, '*', 's', id, 'q', token, 'd', data)
  local want = call('HMGET', server(X, id), 'stream', 'token')
  if want[1] == s and want[2] == token then call('HSET', server(X, id), 'entry', entry) end
end

-- End an attempt's lease, and put back what was parked behind it.
local function release(X, id)
  call('HDEL', server(X, id), 'owner', 'cur')
  local parked = 'farrier:parked:' .. id .. X
  local p = call('LRANGE', parked, 0, -1)
  call('DEL', parked)
  for i = 1, #p, 3 do publish(X, p[i], id, p[i + 1], p[i + 2]) end
end

-- Is this fence held (first answer), and is its command still wanted (second)? f: server stream token epoch owner entry
local function held(X, f, i)
  local h = call('HMGET', server(X, f[i]), 'epoch', 'owner', 'cur', 'stream', 'token')
  return h[1] == f[i + 3] and h[2] == f[i + 4] and h[3] == f[i + 1] .. '|' .. f[i + 5],
    h[4] == f[i + 1] and h[5] == f[i + 2]
end

local function read_group(X, me, s, from, count)
  local args = { 'XREADGROUP', 'GROUP', GROUP, me, 'COUNT', count, 'STREAMS', s .. X, from }
  local got = redis.pcall(unpack(args))
  if got and got.err then
    if not string.find(got.err, 'NOGROUP', 1, true) then error(got) end
    -- The key was deleted: begin at the beginning, never at the end.
    call('XGROUP', 'CREATE', s .. X, GROUP, '0', 'MKSTREAM')
    got = call(unpack(args))
  end
  return got and got[1] and got[1][2] or {}
end

-- X me now lease permits share stream... -> entries, then the last id of each stream if there are none
local function take(_, a)
  local X, me, permits, out = a[1], a[2], tonumber(a[5]), {}
  local deadline = now(a[3]) + a[4]
  for _, quota in ipairs({ tonumber(a[6]), permits }) do
    for i = 7, #a do
      local count = math.min(quota, permits - #out)
      if count > 0 then
        for _, e in ipairs(read_group(X, me, a[i], '>', count)) do
          call('ZADD', leases(X), deadline, a[i] .. '|' .. e[1])
          out[#out + 1] = { a[i], e[1], e[2] }
        end
      end
    end
  end
  local tails = {}
  if #out == 0 then
    for i = 7, #a do
      local info = call('XINFO', 'STREAM', a[i] .. X)
      for j = 1, #info, 2 do
        if info[j] == 'last-generated-id' then tails[#tails + 1] = info[j + 1] end
      end
    end
  end
  return { out, tails }
end

-- X me stream... -> all that was delivered to this process and is unfinished
local function mine(_, a)
  local out = {}
  for i = 3, #a do
    for _, e in ipairs(read_group(a[1], a[2], a[i], '0', 1000)) do
      if e[2] then out[#out + 1] = { a[i], e[1], e[2] } else drop(a[1], a[i], e[1]) end
    end
  end
  return out
end

-- X me now lease stream entry server token data owner max -> word, epoch, record, takeovers
local function begin(_, a)
  local X, s, id, srv, token = a[1], a[5], a[6], a[7], a[8]
  local member = s .. '|' .. id
  local pending = redis.pcall('XPENDING', s .. X, GROUP, id, id, 1)
  if pending.err or #pending == 0 or pending[1][2] ~= a[2] then return { 'stale' } end
  local h = call('HMGET', server(X, srv), 'stream', 'token', 'owner', 'cur', 'd', 'takeovers')
  if h[1] ~= s or h[2] ~= token then
    drop(X, s, id)
    if h[4] == member then release(X, srv) end
    return { 'stale' }
  end
  -- A lease that is not in the set has no entry that could end: nobody is to wait for it.
  if h[3] and h[4] ~= member and call('ZSCORE', leases(X), h[4]) then
    drop(X, s, id)
    call('RPUSH', 'farrier:parked:' .. srv .. X, s, token, a[9])
    return { 'parked' }
  end
  local epoch = call('HINCRBY', server(X, srv), 'epoch', 1)
  call('HSET', server(X, srv), 'owner', a[10], 'cur', member)
  call('ZADD', leases(X), now(a[3]) + a[4], member)
  local takeovers = tonumber(h[6] or '0')
  return { takeovers > tonumber(a[11]) and 'poison' or 'run', epoch, h[5], takeovers }
end

-- X now lease fence... -> 1 or 0 each
local function beat(_, a)
  local out, deadline = {}, now(a[2]) + a[3]
  for i = 4, #a, 6 do
    local holds, wanted = held(a[1], a, i)
    if holds and wanted then call('ZADD', leases(a[1]), deadline, a[i + 1] .. '|' .. a[i + 5]) end
    out[#out + 1] = holds and wanted and 1 or 0
  end
  return out
end

-- X fence data
local function hand_back(_, a)
  local holds, wanted = held(a[1], a, 2)
  if not holds then return 0 end
  drop(a[1], a[3], a[7])
  if wanted then publish(a[1], a[3], a[2], a[4], a[8]) end
  release(a[1], a[2])
  return 1
end

-- A server's own id, or that of the server whose board it is now.
local function resolve(X, id)
  local to = call('HGET', 'farrier:kv' .. X, 'alias/' .. id)
  return to and call('EXISTS', server(X, to)) == 1 and to or id
end

-- X server
local function read(_, a) return call('HGET', server(a[1], resolve(a[1], a[2])), 'd') end

-- X server ip at touch stream entry -> 0 known, 1 [record] changed
local function observe(_, a)
  local X = a[1]
  local key = server(X, resolve(X, a[2]))
  local h = call('HMGET', key, 'ip', 'at', 'interest', 'd')
  if not h[4] then return { 1 } end
  local at, moved = tonumber(a[4]), h[1] ~= a[3]
  if at >= tonumber(h[2]) and (h[3] == '2' or h[3] == '1' and moved) then return { 1, h[4] } end
  if not moved and at >= tonumber(h[2]) + a[5] then call('HSET', key, 'at', a[4]) end
  if a[7] ~= '' then drop(X, a[6], a[7]) end
  return { 0 }
end

-- X server expected version record stream token timer ip at interest journal kept days publish ack foreign-stream
-- foreign-entry [fence] -> word
local function commit(_, a)
  local X, id, key, timeline = a[1], a[2], server(a[1], a[2]), 'farrier:timeline:' .. a[2] .. a[1]
  local h = call('HMGET', key, 'version', 'at')
  local version = tonumber(h[1] or '0')
  if version >= tonumber(a[4]) and call('LINDEX', timeline, a[4] - version - 1) == a[12] then return 'already' end
  if a[19] and not held(X, a, 19) then return 'fenced' end
  if version ~= tonumber(a[3]) then return 'conflict' end
  local at = math.max(tonumber(h[2] or '0'), tonumber(a[10]))
  call('HSET', key, 'version', a[4], 'd', a[5], 'ip', a[9], 'at', at, 'interest', a[11])
  if a[6] ~= '' then call('HSET', key, 'stream', a[6], 'token', a[7]) else call('HDEL', key, 'stream', 'token', 'entry') end
  if a[8] ~= '' then call('ZADD', 'farrier:timers' .. X, a[8], id) else call('ZREM', 'farrier:timers' .. X, id) end
  call('SADD', 'farrier:servers' .. X, id)
  if a[15] ~= '' then
    call('HDEL', key, 'takeovers')
    publish(X, a[6], id, a[7], a[15])
  end
  if a[16] == '1' then
    drop(X, a[20], a[24])
    release(X, id)
  end
  if a[18] ~= '' then drop(X, a[17], a[18]) end
  call('RPUSH', timeline, a[12])
  call('LTRIM', timeline, -a[13], -1)
  call('XADD', 'farrier:journal' .. X, 'MINID', '~', now('') - a[14], '*', 't', id .. ':' .. a[4], 's', id, 'd', a[12])
  return 'done'
end

-- X me now lease permits -> entries
local function reap(_, a)
  local X, me, time = a[1], a[2], now(a[3])
  local fresh, suspects = {}, {}
  for _, m in ipairs(call('ZRANGEBYSCORE', leases(X), '-inf', time, 'LIMIT', 0, 1000)) do
    local s, id = string.match(m, '^(.*)|(.*)$')
    local e = call('XRANGE', s .. X, id, id)[1]
    local f = e and e[2]
    local h = f and #f == 6 and f[1] == 's' and f[3] == 'q' and
      call('HMGET', server(X, f[2]), 'version', 'stream', 'token', 'takeovers', 'cur')
    if not e then
      drop(X, s, id)
    elseif h and h[1] and (h[2] ~= s or h[3] ~= f[4]) then
      drop(X, s, id)
      if h[5] == m then release(X, f[2]) end
    else
      local list = (not h or (h[4] or '0') == '0') and fresh or suspects
      list[#list + 1] = { s, id, f, m, h and h[5] == m and f[2], h and tonumber(h[4] or '0') or 0 }
    end
  end
  if #fresh == 0 then
    -- The least suspect goes first: what really brings workers down comes last, and does not take the others with it.
    local least = suspects[1]
    for _, one in ipairs(suspects) do
      if one[6] < least[6] then least = one end
    end
    fresh = { least }
  end
  local out = {}
  for i = 1, math.min(#fresh, tonumber(a[5])) do
    local s, id, f, m, began = unpack(fresh[i], 1, 5)
    local claimed = redis.pcall('XCLAIM', s .. X, GROUP, me, 0, id, 'JUSTID')
    if claimed.err or #claimed == 0 then
      call('ZREM', leases(X), m) -- Not delivered to anyone, so it will be.
    else
      call('ZADD', leases(X), time + a[4], m)
      -- Only an attempt that had begun can have brought its worker down.
      if began then
        call('HINCRBY', server(X, began), 'takeovers', 1)
        call('HDEL', server(X, began), 'owner', 'cur')
      end
      out[#out + 1] = { s, id, f }
    end
  end
  return out
end

local function register(functions)
  for i = 1, #functions, 2 do redis.register_function('farrier_@ID@_' .. functions[i], functions[i + 1]) end
end
register({ 'take', take, 'mine', mine, 'begin', begin, 'beat', beat, 'hand_back', hand_back, 'read', read,
  'observe', observe, 'commit', commit, 'reap', reap })
