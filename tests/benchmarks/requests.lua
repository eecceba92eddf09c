-- wrk's side of a measure:  wrk -s requests.lua URL -- KIND PREFIX KEYS PAYLOAD_BYTES
-- KIND: commit (Rainer's POST), document (the same of JSON, with a token after PAYLOAD_BYTES where one is needed), get
-- (its GET of a head), put and range (etcd's JSON gateway).
-- Requests are put together by hand: wrk.format would take a share of the machine that belongs to the servers.

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  local encoded = text:gsub("..?.?", function(three)
    local a, b, c = three:byte(1, 3)
    local number = a * 65536 + (b or 0) * 256 + (c or 0)
    local function digit(weight)
      local at = math.floor(number / weight) % 64 + 1
      return DIGITS:sub(at, at)
    end
    return digit(262144) .. digit(4096) .. (b and digit(64) or "=") .. (c and digit(1) or "=")
  end)
  return encoded
end

local function http(method, path, headers, body)
  local length = body and "Content-Length: " .. #body .. "\r\n" or ""
  local host = "Host: " .. wrk.host .. ":" .. wrk.port .. "\r\n"
  return method .. " " .. path .. " HTTP/1.1\r\n" .. host .. headers .. length .. "\r\n" .. (body or "")
end

-- Each kind: from a key and the payload to the two parts of a request between which the key's next version stands,
-- or to one part where the request is always the same.
local kinds = {}

function kinds.commit(key, payload, more)
  local headers = "X-Rainer-Author: bench\r\nX-Rainer-Comment: measured\r\n" .. (more or "")
  local whole = http("POST", "/diary/" .. key .. "/\0", headers, payload)
  local at = whole:find("\0", 1, true)
  return whole:sub(1, at - 1), whole:sub(at + 1)
end

function kinds.document(key, payload, token)
  local frame = '{"retries": 3, "hosts": ["a", "b"], "ratio": 0.5, "text": ""}'
  local document = frame:sub(1, -3) .. payload:sub(#frame + 1) .. '"}'
  return kinds.commit(key .. ".json", document, token and "Authorization: Bearer " .. token .. "\r\n")
end

function kinds.get(key)
  return http("GET", "/diary/" .. key, "")
end

function kinds.put(key, payload)
  local body = '{"key":"' .. base64(key) .. '","value":"' .. base64(payload) .. '"}'
  return http("POST", "/v3/kv/put", "Content-Type: application/json\r\n", body)
end

function kinds.range(key)
  return http("POST", "/v3/kv/range", "Content-Type: application/json\r\n", '{"key":"' .. base64(key) .. '"}')
end

local heads, tails, keys = {}, {}, 0

function init(args)
  local kind, prefix, payload = kinds[args[1]], args[2], string.rep("x", tonumber(args[4]))
  keys = tonumber(args[3])
  for i = 1, keys do
    heads[i], tails[i] = kind(prefix .. (i - 1), payload, args[5])
  end
end

-- Key after key, then all of them again with the next version; far fewer requests are under way than there are keys, so
-- a version is never asked for before the one below it was answered. wrk's first question is only to look at a request.
local asked = -1

function request()
  local n = math.max(asked, 0)
  asked = asked + 1
  local i = n % keys + 1
  if not tails[i] then return heads[i] end
  return heads[i] .. (n - i + 1) / keys + 1 .. tails[i]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
