// What comes from inside a notebook or machine, which is nobody's friend: Jupyter's lists, files, converted pages and
// terminal messages, what the probe prints, and what ssh says. A letter says which; bytes follow.
#include "adapters/http/json.hpp"
#include "adapters/jupyter/terminal.hpp"
#include "adapters/jupyter/wire.hpp"
#include "adapters/ssh/wire.hpp"
#include "curfew/core/probe.hpp"
#include "fuzz/fuzzed_data.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace curfew;
using curfew::fuzz::FuzzedData;
using curfew::fuzz::must;

namespace {

constexpr WallTime server_now{1'795'399'800'000};

void check(const jupyter::Reading& reading) {
    must(!reading.active_ago || reading.verdict != Verdict::unknown || !reading.evidence.empty());
}

/// One component below the folder that was asked for, and never another place.
void check_path(std::string_view path, std::string_view folder) {
    must(path.starts_with(folder));
    const std::string_view name = path.substr(folder.size());
    must(check_name(name).has_value());
}

void directory(const json::Value& body) {
    for (const std::string folder : {"", "top", "top/in"}) {
        const auto listing = jupyter::read_directory(body, folder);
        if (!listing) {
            must(listing.error().code == Errc::protocol);
            continue;
        }
        const std::string prefix = folder.empty() ? folder : folder + "/";
        for (const FileEntry& file : listing->files) {
            check_path(file.path, prefix);
            must(file.size >= 0);
        }
        for (const std::string& path : listing->folders) {
            check_path(path, prefix);
        }
        must(listing->fingerprint == jupyter::read_directory(body, folder)->fingerprint);
    }
}

void model(const json::Value& body) {
    const auto read = jupyter::read_model(body);
    if (!read) {
        return;
    }
    must(read->size >= 0);
    (void)jupyter::age_of(*read, server_now);
    check(jupyter::read_heartbeat("beat", *read, server_now, body["content"].text()));
    check(jupyter::read_heartbeat("beat", *read, std::nullopt));
}

void lists(unsigned letter, std::string_view text) {
    const auto body = json::parse(text, {.depth_max = 16, .nodes_max = 4000});
    if (!body) {
        must(body.error().code == Errc::protocol);
        return;
    }
    const std::set<std::string> ours{"7", "ours"};
    switch (letter) {
        case 'k': {
            const auto kernels = jupyter::read_kernels(*body, server_now, ours);
            check(kernels);
            (void)jupyter::kernels_used(kernels);
            check(jupyter::read_kernels(*body, std::nullopt));
            return;
        }
        case 't':
            return check(jupyter::read_terminals(*body, server_now, ours));
        case 's':
            if (const auto status = jupyter::read_status(*body, server_now, 1)) {
                check(status->reading);
            }
            return;
        case 'd':
            return directory(*body);
        default:
            return model(*body);
    }
}

/// A notebook on its way to the converter keeps its meaning, and is joined once and for all.
void notebook(std::string_view text) {
    const std::string joined = jupyter::with_joined_lines(text);
    must(jupyter::with_joined_lines(joined) == joined);
    must(!json::is_whole_notebook(text) || json::is_whole_notebook(joined));
}

/// What a terminal's socket brings: ["stdout", "…"] in pieces.
void frames(FuzzedData& in) {
    std::string shown;
    while (!in.empty()) {
        const auto message = json::parse(in.piece(), {.depth_max = 8, .nodes_max = 64});
        if (message && message->items().size() > 1 && message->items()[0].text() == "stdout") {
            shown += message->items()[1].text();
        }
    }
    for (const std::string_view mark : {jupyter::ready_mark, jupyter::over_mark}) {
        const std::size_t after = jupyter::after_line(shown, mark);
        must(after == std::string::npos ||
             (after <= shown.size() && shown.substr(0, after).find(mark) != shown.npos));
    }
    for (const std::string& line : jupyter::script_lines(shown)) {
        must(line.size() < 4095);
        must(std::ranges::all_of(line, [](char c) { return (c >= 0x20 && c < 0x7F) || c == '\r'; }));
    }
}

void check(const std::vector<ProbeReading>& readings, bool with_before) {
    must(std::ranges::count(readings, Signal::processes, &ProbeReading::source) == 1);
    for (const ProbeReading& reading : readings) {
        must(is_probed(reading.source));
        must(with_before ||
             (reading.source != Signal::disk_network && reading.source != Signal::watched_paths) ||
             reading.verdict == Verdict::unknown);
    }
}

/// One probe, or two of the same run.
void probes(FuzzedData& in) {
    static const ProbeScript script = probe_script("0123456789abcdef", {"outputs", "/data"});
    const auto output = [&](std::string_view text) {
        return "CURFEW-BEGIN 0123456789abcdef\n" + std::string{text} + script.end + "\n";
    };
    const auto before = parse_probe(output(in.piece()), script);
    const auto now = parse_probe(output(in.piece()), script);
    if (before) {
        check(read_probe(*before, nullptr), false);
        check(read_probe(*before, &*before), true);
    }
    if (before && now) {
        check(read_probe(*now, &*before), true);
    }
}

void ssh_words(std::string_view text) {
    const std::string line = ssh::last_line(text);
    must(line.size() <= 200);
    must(std::ranges::all_of(line, [](char c) { return c >= 0x20 && c < 0x7F; }));
    const Error error = ssh::judged(text, SshConfig{.user = "paperspace", .key_file = "/k"}, "203.0.113.9");
    must(!error.ambiguous());
    if (ssh::is_host(text)) {
        must(!text.starts_with('-') && text.find_first_of(" \t\r\n\"'$`;|&%@/\\") == text.npos);
    }
}

}  // namespace

CURFEW_FUZZ_TARGET(guest) {
    FuzzedData in(data);
    const unsigned letter = in.byte();
    switch (letter) {
        case 'k':
        case 't':
        case 's':
        case 'd':
        case 'm':
            return lists(letter, in.rest());
        case 'n':
            return notebook(in.rest());
        case 'f':
            return frames(in);
        case 'p':
            return probes(in);
        case 'h':
            return ssh_words(in.rest());
        default: {
            const auto stamp = jupyter::microseconds_of(in.rest());
            must(!stamp || (*stamp > -100'000'000'000'000'000 && *stamp < 1'000'000'000'000'000'000));
        }
    }
}
