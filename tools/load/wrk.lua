-- One request, signed before by presign.py, sent as often as wrk can:
--
--     python3 tools/load/presign.py > request.json
--     wrk -t1 -c16 -d30s --latency -s tools/load/wrk.lua http://127.0.0.1:8181
--
-- wrk is a closed loop: a connection that waits sends nothing, so that a stall counts once and not for
-- all that it held up. For latencies use k6, or wrk2 with -R.

-- The few forms of JSON that presign.py writes.
local function text_of(json, name)
  local text = json:match('"' .. name .. '": "(.-[^\\])"')
  return text and text:gsub('\\"', '"'):gsub('\\\\', '\\') or nil
end

local file = assert(io.open(os.getenv("REQUEST") or "request.json"), "make request.json with presign.py")
local json = file:read("*a")
file:close()

wrk.method = "POST"
wrk.path = "/"
wrk.body = text_of(json, "body")
for _, name in ipairs({ "content-type", "host", "x-amz-date", "x-amz-target", "authorization" }) do
  wrk.headers[name] = text_of(json, name)
end

local failed = 0

function response(status)
  if status ~= 200 then
    failed = failed + 1
    if failed == 1 then print("a request was answered with status " .. status) end
  end
end
