-- For wrk: fetches every line of a list once ("path <tab> host <tab> header <tab> value"), then says how long
-- that took and stops. wrk itself only knows durations.
local ffi = require("ffi")
ffi.cdef[[
typedef struct { long seconds; long nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *time);
]]

local function now()
    local t = ffi.new("bench_time")
    ffi.C.clock_gettime(1, t)
    return tonumber(t.seconds) + tonumber(t.nanoseconds) / 1e9
end

local requests, asked, answered, refused, bytes, begun = {}, 0, 0, 0, 0, nil

function init(args)
    for line in io.lines(args[1]) do
        local path, host, header, value = line:match("^(.-)\t(.-)\t(.-)\t(.-)$")
        requests[#requests + 1] =
            "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\n" .. header .. ": " .. value .. "\r\n\r\n"
    end
end

function request()
    asked = asked + 1
    if asked == 2 then -- the first call is wrk's own look at the script
        begun = now()
    end
    return requests[asked % #requests + 1]
end

function response(status, _, body)
    answered = answered + 1
    bytes = bytes + #body
    if status ~= 200 then
        refused = refused + 1
    end
    if answered == #requests then
        io.stdout:write(string.format("raw %d %d %d %.6f\n", answered, refused, bytes, now() - begun))
        io.stdout:flush()
        wrk.thread:stop()
    end
end
