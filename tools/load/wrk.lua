-- One request, signed before by presign.py, sent as often as wrk can:
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

local file = assert(io.open(os.getenv("REQUEST") or "request.json"), "make request.json with presign.py")
local json = file:read("*a")
file:close()

wrk.method = "POST"
wrk.path = "/"
wrk.body = text_of(json, "body")
-- wrk sends a Host of its own unless it is spelt so.
wrk.headers["Host"] = text_of(json, "host")
for _, name in ipairs({ "content-type", "x-amz-date", "x-amz-target", "authorization" }) do
  wrk.headers[name] = text_of(json, name)
end
