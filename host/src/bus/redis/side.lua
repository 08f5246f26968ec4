-- The second half of the library: small values, roles, and what is done at start-up and at the end.

-- X stream entry code reason at fields
local function bury(_, a)
  if drop(a[1], a[2], a[3]) == 0 then return 0 end
  call('XADD', 'farrier:dead' .. a[1], '*', 'stream', a[2], 'code', a[4], 'reason', a[5], 'at', a[6], 'fields', a[7])
  return 1
end

-- X stream entry
local function discard(_, a) return drop(a[1], a[2], a[3]) end

-- X letter
local function redrive(_, a)
  local e = call('XRANGE', 'farrier:dead' .. a[1], a[2], a[2])[1]
  if not e then return 0 end
  local flat = {}
  for _, pair in ipairs(cjson.decode(e[2][10])) do
    flat[#flat + 1], flat[#flat + 2] = pair[1], pair[2]
  end
  call('XADD', e[2][2] .. a[1], '*', unpack(flat))
  return call('XDEL', 'farrier:dead' .. a[1], a[2])
end

-- X server... -> records, false for those not known
local function records(_, a)
  local out = {}
  for i = 2, #a do out[#out + 1] = call('HGET', server(a[1], a[i]), 'd') end
  return out
end

local function values(X) return 'farrier:kv' .. X, 'farrier:kv:expires' .. X end

local function alive(X, key, time)
  local _, expires = values(X)
  local at = call('ZSCORE', expires, key)
  return not at or tonumber(at) > time
end

-- X key now
local function get(_, a)
  return alive(a[1], a[2], now(a[3])) and call('HGET', (values(a[1])), a[2])
end

-- X key now ttl value?
local function set(_, a)
  local kv, expires = values(a[1])
  local time = now(a[3])
  for _, key in ipairs(call('ZRANGEBYSCORE', expires, '-inf', time, 'LIMIT', 0, 100)) do
    call('HDEL', kv, key)
    call('ZREM', expires, key)
  end
  call('HDEL', kv, a[2])
  call('ZREM', expires, a[2])
  if a[5] then call('HSET', kv, a[2], a[5]) end
  if a[5] and a[4] ~= '' then call('ZADD', expires, time + a[4], a[2]) end
  return 1
end

-- X key now ttl swaps-in value has-expected expected?: set, if the value is as expected
local function swap(f, a)
  local is = get(f, a) or nil
  if is ~= (a[7] == '1' and a[8] or nil) then return 0 end
  set(f, { a[1], a[2], a[3], a[4], a[5] == '1' and a[6] or nil })
  return 1
end

-- X kept entry
local function audit(_, a)
  return call('XADD', 'farrier:audit' .. a[1], 'MINID', '~', now('') - a[2], '*', 'd', a[3])
end

-- X prefix now -> key, size ...
local function keys_of(_, a)
  local out, time = {}, now(a[3])
  for _, key in ipairs(call('HKEYS', (values(a[1])))) do
    if string.sub(key, 1, #a[2]) == a[2] and alive(a[1], key, time) then
      out[#out + 1] = key
      out[#out + 1] = call('HSTRLEN', (values(a[1])), key)
    end
  end
  return out
end

-- X role owner now ttl
local function elect(_, a)
  local roles, time = 'farrier:roles' .. a[1], now(a[4])
  local held_until, owner = string.match(call('HGET', roles, a[2]) or '0|', '^(%d+)|(.*)$')
  if owner ~= a[3] and tonumber(held_until) > time then return 0 end
  call('HSET', roles, a[2], string.format('%.0f|%s', time + a[5], a[3]))
  return 1
end

-- key: a list where a stream belongs is set aside, its oldest element at the right
local function set_aside(_, a)
  local legacy = a[1] .. ':legacy'
  if call('TYPE', a[1]).ok ~= 'list' then return 0 end
  if call('EXISTS', legacy) == 0 then
    call('RENAME', a[1], legacy)
  else
    while call('LMOVE', a[1], legacy, 'RIGHT', 'LEFT') do end
  end
  return 1
end

-- target stream, then for each list its key and the end where its oldest element is
local function import(_, a)
  local moved = 0
  for i = 2, #a, 2 do
    if call('TYPE', a[i]).ok == 'list' then
      for _ = 1, 100 do
        local raw = call(a[i + 1] == 'right' and 'RPOP' or 'LPOP', a[i])
        if not raw then break end
        call('XADD', a[1], '*', 'd', raw)
        moved = moved + 1
      end
    end
  end
  return moved
end

-- X now lease stream...: groups exist, every delivered entry has a lease, consumers of processes long gone are dropped
local function adopt(_, a)
  local X, adopted = a[1], 0
  for i = 4, #a do
    read_group(X, 'farrier-check', a[i], '0', 1)
    for _, p in ipairs(call('XPENDING', a[i] .. X, GROUP, '-', '+', 10000)) do
      adopted = adopted + call('ZADD', leases(X), 'NX', now(a[2]) + a[3], a[i] .. '|' .. p[1])
    end
    for _, c in ipairs(call('XINFO', 'CONSUMERS', a[i] .. X, GROUP)) do
      local f = {}
      for j = 1, #c, 2 do f[c[j]] = c[j + 1] end
      -- With pending entries it must stay: deleting it would delete them.
      if f.pending == 0 and (f.idle > 3600000 or f.name == 'farrier-check') then
        call('XGROUP', 'DELCONSUMER', a[i] .. X, GROUP, f.name)
      end
    end
  end
  return adopted
end

-- X server stream token data: a command that is outstanding and stands nowhere is published again
local function sweep(_, a)
  local X, id = a[1], a[2]
  local h = call('HMGET', server(X, id), 'stream', 'token', 'entry', 'cur')
  -- What was outstanding when the caller looked is done by now.
  if h[1] ~= a[3] or h[2] ~= a[4] then return 0 end
  if call('LLEN', 'farrier:parked:' .. id .. X) > 0 then
    -- An attempt without a lease has no entry that could end: what is parked behind it would wait for ever.
    if not h[4] or call('ZSCORE', leases(X), h[4]) then return 0 end
    release(X, id)
    return 1
  end
  if h[3] and #call('XRANGE', h[1] .. X, h[3], h[3]) > 0 then return 0 end
  publish(X, h[1], id, h[2], a[5])
  return 1
end

-- What a consumer took and did not begin goes back on its stream; what it began is for `ended`.
local function empty(X, me, s, ended)
  local kept = 0
  for _, e in ipairs(read_group(X, me, s, '0', 1000)) do
    local f, member = e[2], s .. '|' .. e[1]
    local command = f and #f == 6 and f[1] == 's' and f[3] == 'q'
    if command and call('HGET', server(X, f[2]), 'cur') == member then
      kept = kept + 1
      ended(member)
    else
      drop(X, s, e[1])
      if command then publish(X, s, f[2], f[4], f[6]) elseif f then call('XADD', s .. X, '*', unpack(f)) end
    end
  end
  if kept == 0 then call('XGROUP', 'DELCONSUMER', s .. X, GROUP, me) end
  return kept
end

-- Roles whose owner is gone are free
local function free_roles(X, is_gone)
  local roles = call('HGETALL', 'farrier:roles' .. X)
  for i = 1, #roles, 2 do
    if is_gone(string.match(roles[i + 1], '|(.*)$') or '') then call('HDEL', 'farrier:roles' .. X, roles[i]) end
  end
end

-- X host me stream...: earlier processes of this host are gone; their leases and roles end now
local function take_back(_, a)
  local X, taken = a[1], 0
  local function earlier(name) return name ~= a[3] and string.sub(name, 1, #a[2] + 1) == a[2] .. '.' end
  free_roles(X, earlier)
  for i = 4, #a do
    for _, c in ipairs(call('XINFO', 'CONSUMERS', a[i] .. X, GROUP)) do
      local name = c[2]
      if earlier(name) then
        taken = taken + empty(X, name, a[i], function(m) call('ZADD', leases(X), 0, m) end)
      end
    end
  end
  return taken
end

-- X me stream...: what was taken and not begun goes back, and so do the roles
local function leave(_, a)
  local X, me = a[1], a[2]
  for i = 3, #a do empty(X, me, a[i], function() end) end
  free_roles(X, function(owner) return owner == me end)
  return 1
end

-- X stream... -> length and pending of each, then timers, dead letters, journal entries, servers
local function status(_, a)
  local X, out = a[1], {}
  for i = 2, #a do
    local pending = redis.pcall('XPENDING', a[i] .. X, GROUP)
    out[#out + 1] = call('XLEN', a[i] .. X)
    out[#out + 1] = pending.err and 0 or pending[1]
  end
  out[#out + 1] = call('ZCARD', 'farrier:timers' .. X)
  out[#out + 1] = call('XLEN', 'farrier:dead' .. X)
  out[#out + 1] = call('XLEN', 'farrier:journal' .. X)
  out[#out + 1] = call('SCARD', 'farrier:servers' .. X)
  return out
end

register({ 'bury', bury, 'discard', discard, 'redrive', redrive, 'records', records, 'status', status, 'get', get, 'set', set, 'swap', swap, 'audit', audit, 'keys', keys_of, 'elect', elect, 'set_aside', set_aside, 'import', import,
  'adopt', adopt, 'sweep', sweep, 'take_back', take_back, 'leave', leave })
