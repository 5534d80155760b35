-- Posts the lines of a file, one after the other, as urlencoded forms. For wrk:
--   wrk … -s post.lua http://127.0.0.1:PORT/api/1.2/ -- FILE [count [THREADS]]
-- With `count`, answers are read and successes counted. That costs wrk more than a fast answer costs the server, so only
-- the slow calls are counted. With THREADS too, each line is sent by one of the threads only, and once unless they run
-- out.

local threads = {}

function setup(thread)
  thread:set("id", #threads)
  table.insert(threads, thread)
end

function init(args)
  successes = 0
  requests = {}
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  for body in io.lines(args[1]) do
    -- Formatted once: making the text of each request anew would slow wrk down, and with it what it measures.
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
  step = tonumber(args[3]) or 1
  -- Threads begin at different places, so that they do not send the same lines at the same time.
  at = args[3] and id or id * 97
  if args[2] == "count" then
    response = function(_, _, body)
      if body:find('"success":true', 1, true) then successes = successes + 1 end
    end
  end
end

function request()
  local this = requests[at % #requests + 1]
  at = at + step
  return this
end

function done(summary, latency, _)
  local counted = 0
  for _, thread in ipairs(threads) do counted = counted + thread:get("successes") end
  local e = summary.errors
  local seconds = summary.duration / 1e6
  io.write(string.format("RESULT %.1f %.1f %d %d %d\n", summary.requests / seconds, counted / seconds,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
