// The probe's text and what two of them say; the script itself runs in tests/integration/probe.
#include "curfew/core/probe.hpp"
#include "support/probe_text.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace curfew;
using namespace curfew::test;

namespace {

const ProbeScript script = probe_script("00112233aabbccdd", {"outputs", "it's"});

Probe probe(const ProbeLines& lines) {
    auto read = parse_probe(probe_text(script, lines), script);
    INFO((read ? std::string{} : to_string(read.error())));
    REQUIRE(read);
    return *read;
}

Probe still(const std::vector<ProcessLine>& processes, Duration uptime = hours{1}) {
    return probe({.uptime = uptime, .first = processes, .second = processes});
}

ProbeReading reading(const std::vector<ProbeReading>& all, Signal source) {
    const auto found = std::ranges::find(all, source, &ProbeReading::source);
    REQUIRE(found != all.end());
    return *found;
}

ProbeReading processes(const Probe& now, const Probe* before = nullptr) {
    return reading(read_probe(now, before), Signal::processes);
}

Result<Probe> bad(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return parse_probe(text.replace(at, from.size(), to), script);
}

}  // namespace

TEST_CASE("the script's text holds its end only in parts, and quotes what it watches") {
    CHECK(script.text.find(script.end) == std::string::npos);
    CHECK(script.text.find("w 0 'outputs'") != std::string::npos);
    CHECK(script.text.find("w 1 'it'\\''s'") != std::string::npos);
    CHECK(script.text.size() < 4000);
    CHECK(probe_script("00112233aabbccdd", std::vector<std::string>(100, "x")).watched.size() == watched_max);
}

TEST_CASE("a quiet guest: the server, our own shell and a sleeping kernel") {
    const Probe now = still({{.ticks = 700}});
    const auto readings = read_probe(now, nullptr);
    CHECK(reading(readings, Signal::processes).verdict == Verdict::quiet);
    CHECK(reading(readings, Signal::session).verdict == Verdict::quiet);
    CHECK(readings.size() == 2);  // disk and network need a probe before
    CHECK(now.network_bytes == 1000);
    CHECK(now.self == probe_self);
}

TEST_CASE("0.2 core is work: within a probe, and averaged between two") {
    // 3 s apart, 100 ticks a second: 60 ticks are 0.2 core.
    CHECK(processes(probe({.first = {{.ticks = 100}}, .second = {{.ticks = 159}}})).verdict ==
          Verdict::quiet);
    CHECK(processes(probe({.first = {{.ticks = 100}}, .second = {{.ticks = 160}}})).verdict ==
          Verdict::active);
    const Probe before = still({{.ticks = 100}});
    const Duration later = hours{1} + minutes{10};
    // From the second sample of the one to the second of the other: 10 min.
    CHECK(processes(still({{.ticks = 100 + 11'999}}, later), &before).verdict == Verdict::quiet);
    CHECK(processes(still({{.ticks = 100 + 12'000}}, later), &before).verdict == Verdict::active);
    CHECK(processes(still({{.ticks = 100 + 12'000}}, later), &before).evidence ==
          "python3 (100) used 0.20 core over 10m");
}

TEST_CASE("a tree counts as one, with children that ended and were reaped, and none twice") {
    const Probe before = still({{.pid = 100, .ticks = 50}, {.pid = 101, .parent = 100, .ticks = 5000}});
    const Duration later = hours{1} + minutes{1};  // 1,200 ticks are 0.2 core
    // The child ended; its 5,000 old ticks are now its parent's, and 100 new ones.
    CHECK(processes(still({{.pid = 100, .ticks = 50, .child_ticks = 5100}}, later), &before).verdict ==
          Verdict::quiet);
    CHECK(processes(still({{.pid = 100, .ticks = 50, .child_ticks = 6200}}, later), &before).verdict ==
          Verdict::active);
    // Workers of 0.1 core each below one parent.
    std::vector<ProcessLine> workers{{.pid = 100, .ticks = 50},
                                     {.pid = 101, .parent = 100, .ticks = 5600},
                                     {.pid = 102, .parent = 100, .ticks = 600, .started = 9000}};
    CHECK(processes(still(workers, later), &before).verdict == Verdict::active);
}

TEST_CASE("work that began and ended between two probes was reaped by the server; our own was too") {
    ProbeLines lines{.uptime = hours{1}, .first = {}, .second = {}};
    const Probe before = probe(lines);
    lines.uptime += minutes{1};
    lines.server_child_ticks = 1300;
    CHECK(processes(probe(lines), &before).verdict == Verdict::active);
    lines.server_child_ticks = 900;
    CHECK(processes(probe(lines), &before).verdict == Verdict::quiet);
    // What the earlier probe itself used is not the user's.
    Probe costly = before;
    for (ProbeProcess& p : costly.second.processes) {
        p.ticks += p.pid == probe_self ? 600 : 0;
    }
    lines.server_child_ticks = 1300;
    CHECK(processes(probe(lines), &costly).verdict == Verdict::quiet);
}

TEST_CASE("what the server and our own shell use is no work, children of our shell's neither") {
    auto now = probe({});
    for (ProbeProcess& p : now.second.processes) {
        p.ticks += 300;  // a whole core in both
    }
    now.second.processes.push_back(
        {.pid = 60, .parent = probe_self, .started = 1, .ticks = 300, .name = "ls"});
    CHECK(processes(now).verdict == Verdict::quiet);
    // In a kernel of our own the parent is ours as well, and its parent is the server.
    now.second.processes.push_back({.pid = 70, .parent = 1, .started = 1, .ticks = 300, .name = "python3"});
    CHECK(processes(now).verdict == Verdict::active);
    for (ProbeProcess& p : now.second.processes) {
        p.parent = p.pid == probe_self ? 70 : p.parent;
    }
    now.parent_is_ours = true;
    CHECK(processes(now).verdict == Verdict::quiet);
}

TEST_CASE("a pid that is used anew is another process; a counter that runs backwards is a lie") {
    const Probe before = still({{.ticks = 9000, .started = 500}});
    CHECK(processes(still({{.ticks = 30, .started = 7000}}, hours{1} + minutes{1}), &before).verdict ==
          Verdict::quiet);
    CHECK(processes(still({{.ticks = 30, .started = 500}}, hours{1} + minutes{1}), &before).verdict ==
          Verdict::unknown);
    // Another boot: nothing can be subtracted, and the probe stands for itself.
    CHECK(processes(still({{.ticks = 30}}, minutes{2}), &before).verdict == Verdict::quiet);
}

TEST_CASE("a foreground job works if it prints or computes at all; a shell and a sleeper do not") {
    const auto in_terminal = [](std::string name, std::int64_t written, std::int64_t ticks = 0) {
        return std::vector<ProcessLine>{
            {.pid = 90, .name = "bash", .terminal = 34817, .group = 90, .foreground = 100},
            {.pid = 100,
             .parent = 90,
             .ticks = ticks,
             .name = std::move(name),
             .terminal = 34817,
             .group = 100,
             .foreground = 100,
             .written = written}};
    };
    const Probe before = still(in_terminal("wget", 500));
    const Duration later = hours{1} + minutes{1};
    CHECK(processes(still(in_terminal("wget", 501), later), &before).verdict == Verdict::active);
    CHECK(processes(still(in_terminal("wget", 500), later), &before).verdict == Verdict::quiet);
    CHECK(processes(still(in_terminal("wget", 500, 60), later), &before).verdict == Verdict::active);
    CHECK(processes(still(in_terminal("wget", 500, 59), later), &before).verdict == Verdict::quiet);
    const Probe shell = still(in_terminal("bash", 500));
    CHECK(processes(still(in_terminal("bash", 900), later), &shell).verdict == Verdict::quiet);
}

TEST_CASE("disk and network: 1 MB/s for two minutes, and not what Curfew itself fetched") {
    const auto traffic = [](std::int64_t disk, std::int64_t network, Duration apart, std::int64_t own = 0) {
        ProbeLines lines{.first = {{.disk = 0}}, .second = {{.disk = 0}}};
        const Probe before = probe(lines);
        lines.uptime += apart;
        lines.first = lines.second = {{.disk = disk}};
        lines.network += network;
        Probe now = probe(lines);
        now.own_bytes = own;
        return reading(read_probe(now, &before), Signal::disk_network).verdict;
    };
    CHECK(traffic(119'000'000, 0, minutes{10}) == Verdict::quiet);
    CHECK(traffic(120'000'000, 0, minutes{10}) == Verdict::active);
    CHECK(traffic(59'000'000, 0, minutes{1}) == Verdict::quiet);
    CHECK(traffic(60'000'000, 0, minutes{1}) == Verdict::active);
    CHECK(traffic(0, 121'000'000, minutes{10}) == Verdict::active);
    CHECK(traffic(0, 1'100'000'000, minutes{10}, 1'000'000'000) == Verdict::quiet);  // our own pack
    CHECK(traffic(0, 1'400'000'000, minutes{10}, 1'000'000'000) == Verdict::active);
    CHECK(traffic(0, -500, minutes{10}) == Verdict::unknown);
}

TEST_CASE("sessions: input at a terminal that others sit at; an SSH session is weak") {
    const std::vector<ProcessLine> shell{{.pid = 90, .name = "bash", .terminal = 34817, .group = 90}};
    const auto session = [&](const std::string& more, std::vector<ProcessLine> lines) {
        return reading(read_probe(probe({.first = lines, .second = lines, .more = more}), nullptr),
                       Signal::session);
    };
    // 88:1 is device 34817, 88:0 our own terminal. The guest's clock says 1790000000.
    CHECK(session("y 88 1 1789999200\n", shell).verdict == Verdict::active);
    CHECK(session("y 88 1 1789999099\n", shell).verdict == Verdict::quiet);
    CHECK(session("y 88 0 1789999999\n", shell).verdict == Verdict::quiet);
    CHECK(session("y 88 7 1789999999\n", shell).verdict == Verdict::quiet);  // nobody's, or another guest's
    const ProbeReading ssh = session(
        {}, {{.pid = 80, .name = "sshd"}, {.pid = 81, .parent = 80, .name = "sshd"}});
    CHECK(ssh.verdict == Verdict::active);
    CHECK(ssh.strength == Strength::weak);
}

TEST_CASE("kernel threads do not count, hidden processes make it unknown") {
    const Probe threads = probe({.first = {{.pid = 2, .parent = 0, .ticks = 0, .flags = 0x208040}},
                                 .second = {{.pid = 2, .parent = 0, .ticks = 300, .flags = 0x208040}}});
    CHECK(processes(threads).verdict == Verdict::quiet);
    const auto hidden = bad(probe_text(script, {}), "\nv\r\n", "\n");
    REQUIRE(hidden);
    CHECK(processes(*hidden).verdict == Verdict::unknown);
}

TEST_CASE("GPUs that do not say how busy they are, any number of them, are never quiet") {
    const auto with = [](const std::string& lines) {
        return reading(read_probe(probe({.first = {{}}, .second = {{}}, .more = lines}), nullptr),
                       Signal::gpu);
    };
    const std::string split = "g 0, [N/A], 512, 61.20, Enabled\r\n";
    const std::string split_too = "g 1, [N/A], 256, 60.00, Enabled\r\n";
    const std::string idle = "g 2, 0, 128, 30.00, Disabled\r\n";
    const std::string busy = "g 3, 97, 4096, 300.00, Disabled\r\n";
    const ProbeReading one = with(split);
    CHECK(one.verdict == Verdict::unknown);
    CHECK(one.evidence == "GPU 0 is split (MIG) and does not say how busy it is (512 MiB, 61 W)");
    for (const std::string& rest : {split_too, idle, split_too + idle, idle + split_too}) {
        const ProbeReading more = with(split + rest);
        CHECK(more.verdict == Verdict::unknown);
        CHECK(more.evidence == one.evidence);
    }
    CHECK(with(idle + split).evidence == one.evidence);
    CHECK(with(split + split_too + busy).verdict == Verdict::active);
    CHECK(with(idle).verdict == Verdict::quiet);
    CHECK(with(idle).evidence == "GPU 2 at 0 to 0 %, 128 MiB, 30 W");
}

TEST_CASE("whatever is not whole or makes no sense is an error with its reason, never a reading") {
    const std::string good = probe_text(script, {.first = {{}}, .second = {{}}});
    REQUIRE(parse_probe(good, script));
    CHECK_FALSE(parse_probe({}, script));
    CHECK_FALSE(parse_probe("bash: /bin/sh: cannot execute", script));
    CHECK_FALSE(parse_probe(good.substr(0, good.size() - 30), script));
    CHECK_FALSE(bad(good, "CURFEW-BEGIN", "CURFEW-BEGUN"));
    CHECK_FALSE(bad(good, "\nu 3600.00", "\nu 3600,00"));  // another locale
    CHECK_FALSE(bad(good, "\nu 3600.00", "\nu -5"));
    CHECK_FALSE(bad(good, "\nu 3603", "\nu 3599"));
    CHECK_FALSE(bad(good, "\np 50 1", "\np fifty 1"));
    CHECK_FALSE(bad(good, "\np 50 1", "\np 51 1"));  // it does not see itself
    CHECK_FALSE(bad(good, "\no 50 1", "\no"));
    CHECK_FALSE(bad(good, "\nc 100", "\nc lots"));
    CHECK_FALSE(bad(good, "\nn eth0: 1000", "\nn eth0: many"));
    CHECK_FALSE(bad(good, "\nv\r\n", "\nSegmentation fault\r\n"));
    CHECK_FALSE(bad(good, "\ne\r\n", "\ne\r\ne\r\n"));
    CHECK(bad(good, "\nc 100\r\n", "\nc \r\n"));  // no getconf: Linux has 100 everywhere
    std::string flood = good;
    flood.insert(flood.find("\nv\r\n") + 1, std::string(std::size_t{3} << 20, 'v'));
    CHECK(parse_probe(flood, script).error().code == Errc::too_large);
    for (std::size_t cut = 0; cut < good.size(); cut += 7) {  // any end, any byte: no crash
        (void)parse_probe(good.substr(0, cut) + script.end, script);
        std::string odd = good;
        odd[cut] = static_cast<char>(0xFF);
        (void)parse_probe(odd, script);
    }
}

TEST_CASE("processes whose parents go in circles, or that name strange parents") {
    const std::vector<ProcessLine> circle{{.pid = 200, .parent = 201, .ticks = 9},
                                          {.pid = 201, .parent = 200},
                                          {.pid = 300, .parent = 300},
                                          {.pid = 400, .parent = 99999}};
    CHECK(processes(still(circle)).verdict == Verdict::quiet);
}
