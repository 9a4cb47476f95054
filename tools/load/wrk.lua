-- One request, or several in turn, signed before by presign.py, sent as often as wrk can:
--
--     python3 tools/load/presign.py > request.json
--     wrk -t1 -c16 -d30s --latency -s tools/load/wrk.lua http://127.0.0.1:8181
--
-- wrk is a closed loop: a connection that waits sends nothing, so that a stall counts once and not for
-- all that it held up. For latencies use `keymill bench`. Answers other than 2xx are counted by wrk itself.

-- The few forms of JSON that presign.py writes.
local function text_of(json, name)
  local text = assert(json:match('"' .. name:gsub("%-", "%%-") .. '": "(.-[^\\])"'), name .. " is missing")
  return (text:gsub('\\"', '"'):gsub('\\\\', '\\'))
end

-- Names of headers as wrk is to spell them: it sends a Host of its own unless it is spelt so.
local names = { host = "Host" }
for _, name in ipairs({ "amz-sdk-invocation-id", "authorization", "content-type", "x-amz-date", "x-amz-target" }) do
  names[name] = name
end

local function request_of(json)
  local headers = {}
  for name, spelt in pairs(names) do
    if json:find('"' .. name .. '": "', 1, true) then
      headers[spelt] = text_of(json, name)
    end
  end
  return wrk.format("POST", "/", headers, text_of(json, "body"))
end

local file = assert(io.open(os.getenv("REQUEST") or "request.json"), "make request.json with presign.py")
local lines = {}
for line in file:lines() do
  lines[#lines + 1] = line
end
file:close()

local requests, last = {}, 0

function init()
  for number, line in ipairs(lines) do
    requests[number] = request_of(line)
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end
