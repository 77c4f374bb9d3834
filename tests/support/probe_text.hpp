// What the probe's script prints, written by hand: a guest whose first process is a Jupyter server, with a
// shell of Curfew's own below it.
#pragma once

#include "curfew/core/probe.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace curfew::test {

constexpr std::int64_t probe_server = 1;
constexpr std::int64_t probe_self = 50;

struct ProcessLine {
    std::int64_t pid = 100;
    std::int64_t parent = probe_server;
    std::int64_t ticks = 0;
    std::int64_t child_ticks = 0;
    std::string name = "python3";
    std::int64_t terminal = 0;
    std::int64_t group = 100;
    std::int64_t foreground = -1;
    std::int64_t started = 500;
    std::int64_t disk = 0;
    std::int64_t written = 0;
    std::int64_t flags = 0x400000;
};

inline std::string line_of(const ProcessLine& p) {
    const auto n = [](std::int64_t value) { return std::to_string(value) + " "; };
    return "p " + n(p.pid) + n(p.parent) + n(p.group) + n(p.terminal) + n(p.foreground) + n(p.flags) +
           n(p.ticks) + n(0) + n(p.child_ticks) + n(0) + n(p.started) + n(p.disk) + n(0) + n(p.written) +
           p.name + "\r\n";
}

struct ProbeLines {
    Duration uptime = hours{1};  // of the first sample; the second is 3 s later
    std::vector<ProcessLine> first;
    std::vector<ProcessLine> second;
    std::int64_t network = 1000;
    std::int64_t server_child_ticks = 0;
    std::string more;  // lines after the second sample
};

inline std::string probe_text(const ProbeScript& script, const ProbeLines& lines) {
    const std::string nonce = script.end.substr(script.end.rfind(' ') + 1);
    const auto sample = [&](Duration uptime, const std::vector<ProcessLine>& processes) {
        std::string text = "u " + std::to_string(uptime.count() / 1000) + "." +
                           std::to_string(uptime.count() % 1000 / 10 + 100).substr(1) + "\r\n";
        text += line_of({.pid = probe_server,
                         .parent = 0,
                         .ticks = 4000,
                         .child_ticks = lines.server_child_ticks,
                         .name = "jupyter-server",
                         .group = 1,
                         .started = 10});
        text += line_of({.pid = probe_self,
                         .name = "sh",
                         .terminal = 34816,
                         .group = 50,
                         .foreground = 50,
                         .started = uptime.count() / 10});
        for (const ProcessLine& p : processes) {
            text += line_of(p);
        }
        return text + "n eth0: " + std::to_string(lines.network) +
               " 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0\r\nn    lo: 99999999999 0 0 0 0 0 0 0 9 0\r\ne\r\n";
    };
    return "root@guest:/notebooks# exec sh\r\nCURFEW-BEGIN " + nonce + "\r\no " + std::to_string(probe_self) +
           " 1\r\nc 100\r\nd 1790000000\r\nv\r\n" + sample(lines.uptime, lines.first) +
           sample(lines.uptime + seconds{3}, lines.second) + lines.more + script.end + "\r\n";
}

}  // namespace curfew::test
