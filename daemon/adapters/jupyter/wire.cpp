#include "adapters/jupyter/wire.hpp"

#include <algorithm>
#include <charconv>

namespace curfew::jupyter {

namespace {

constexpr Duration fresh_terminal = minutes{1};
constexpr Duration fresh_start = minutes{1};
constexpr Duration recent_request = minutes{5};
constexpr Duration clocks_differ = seconds{2};  // a stamp further ahead of the server's Date is in the future
constexpr std::size_t evidence_max = 180;

std::string clean(std::string_view text, std::size_t bytes_max) {
    std::string out;
    for (const char c : text.substr(0, bytes_max)) {
        out += c >= 0x20 && c < 0x7F ? c : '?';
    }
    return out;
}

std::optional<Duration> age_of(const json::Value& stamp, std::optional<WallTime> server_now) {
    const auto at = stamp.time();
    if (!at || !server_now) {
        return std::nullopt;
    }
    return std::max(Duration{0}, *server_now - *at);
}

constexpr std::size_t notebook_depth_max = 512;

/// Where in a document a value stands: the containers around it, with the key in each object.
struct Level {
    bool object = false;
    std::string key;  // of the member that is being read
};

bool is_json_type(std::string_view mime) {
    return mime == "application/json" || (mime.starts_with("application/") && mime.ends_with("+json"));
}

/// Is a list here a text in lines? cells[].source, cells[].outputs[].text, cells[].outputs[].data{},
/// cells[].attachments{}{}.
bool holds_lines(const std::vector<Level>& at) {
    const auto is = [&](std::size_t i, bool object, std::string_view key) {
        return at[i].object == object && (key.empty() || at[i].key == key);
    };
    if (at.size() < 3 || !is(0, true, "cells") || !is(1, false, {}) || !is(2, true, {})) {
        return false;
    }
    if (at.size() == 3) {
        return at[2].key == "source";
    }
    const bool in_outputs = at[2].key == "outputs" && is(3, false, {}) && at.size() >= 5 && is(4, true, {});
    if (in_outputs && at.size() == 5) {
        return at[4].key == "text";
    }
    const bool in_data = in_outputs && at.size() == 6 && at[4].key == "data" && is(5, true, {});
    const bool in_attachment = at.size() == 5 && at[2].key == "attachments" && is(3, true, {}) &&
                               is(4, true, {});
    return (in_data || in_attachment) && !is_json_type(at.back().key);
}

bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/// The place after the string that begins at `at`, or npos.
std::size_t string_end(std::string_view text, std::size_t at) {
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == '"') {
            return at + 1;
        }
    }
    return std::string_view::npos;
}

/// The list of strings that begins at `at` as one string; nothing when it holds anything else.
std::optional<std::string> joined(std::string_view text, std::size_t at, std::size_t& end) {
    std::string out = "\"";
    for (++at; at < text.size();) {
        if (is_space(text[at]) || text[at] == ',') {
            ++at;
        } else if (text[at] == ']') {
            end = at + 1;
            return out + '"';
        } else if (text[at] == '"') {
            const std::size_t next = string_end(text, at);
            if (next == std::string_view::npos) {
                break;
            }
            out += text.substr(at + 1, next - at - 2);
            at = next;
        } else {
            break;
        }
    }
    return std::nullopt;
}

void take_younger(std::optional<Duration>& youngest, const std::optional<Duration>& age) {
    if (age && (!youngest || *age < *youngest)) {
        youngest = age;
    }
}

}  // namespace

std::optional<std::int64_t> microseconds_of(std::string_view stamp) {
    // Wall times begin in 1970, files need not. In our two centuries the calendar repeats after 28 years.
    constexpr int cycle_years = 84;
    constexpr std::int64_t cycle_us = 30'681LL * 86'400 * 1'000'000;
    std::string text{stamp};
    int year = 0;
    std::from_chars(text.data(), text.data() + std::min<std::size_t>(text.size(), 4), year);
    const bool early = year > 1900 && year < 1970;
    if (early) {
        text.replace(0, 4, std::to_string(year + cycle_years));
    }
    const auto t = parse_wall_time(text);
    if (!t) {
        return std::nullopt;
    }
    std::int64_t micros = 0;
    const std::size_t dot = stamp.find('.');
    if (dot != std::string_view::npos) {
        std::int64_t scale = 100'000;
        for (std::size_t i = dot + 1; i < stamp.size() && scale > 0 && stamp[i] >= '0' && stamp[i] <= '9';
             ++i) {
            micros += (stamp[i] - '0') * scale;
            scale /= 10;
        }
    }
    return t->ms / 1000 * 1'000'000 + micros - (early ? cycle_us : 0);
}

Reading read_kernels(const json::Value& body, std::optional<WallTime> server_now,
                     const std::set<std::string>& ours) {
    Reading reading;
    if (!body.is_array()) {
        reading.evidence = "the list of kernels is no list";
        return reading;
    }
    bool unknown = false;
    std::string busy;
    std::size_t count = 0;
    for (const json::Value& kernel : body.items()) {
        if (ours.contains(kernel["id"].text())) {
            continue;
        }
        ++count;
        const std::string state = kernel["execution_state"].text();
        const auto age = age_of(kernel["last_activity"], server_now);
        take_younger(reading.active_ago, age);
        const bool works = state == "busy" || state == "restarting" || state == "autorestarting" ||
                           (state == "starting" && (!age || *age < fresh_start));
        const bool rests = state == "idle" || state == "dead" || state == "starting";
        if (works && busy.empty()) {
            busy = "kernel " + clean(kernel["id"].text(), 8) + " " + state;
        }
        unknown = unknown || (!works && !rests);
    }
    if (!busy.empty()) {
        reading.verdict = Verdict::active;
        reading.evidence = busy;
    } else if (unknown) {
        reading.evidence = "a kernel is in a state that Curfew does not know";
    } else {
        reading.verdict = Verdict::quiet;
        reading.evidence = count == 0 ? "no kernel" : std::to_string(count) + " kernels, all idle";
    }
    return reading;
}

Reading read_terminals(const json::Value& body, std::optional<WallTime> server_now,
                       const std::set<std::string>& ours) {
    Reading reading;
    if (!body.is_array()) {
        reading.evidence = "the list of terminals is no list";
        return reading;
    }
    bool unknown = false;
    std::string busy;
    std::size_t count = 0;
    for (const json::Value& terminal : body.items()) {
        if (ours.contains(terminal["name"].text())) {
            continue;
        }
        ++count;
        const auto age = age_of(terminal["last_activity"], server_now);
        take_younger(reading.active_ago, age);
        unknown = unknown || !age;
        if (age && *age < fresh_terminal && busy.empty()) {
            busy = "terminal " + clean(terminal["name"].text(), 20) + " in use " + to_string(*age) + " ago";
        }
    }
    if (!busy.empty()) {
        reading.verdict = Verdict::active;
        reading.evidence = busy;
    } else if (unknown) {
        reading.evidence = "a terminal without a time";
    } else {
        reading.verdict = Verdict::quiet;
        reading.evidence = count == 0 ? "no terminal" : std::to_string(count) + " terminals, silent";
    }
    return reading;
}

std::optional<Status> read_status(const json::Value& body, std::optional<WallTime> server_now,
                                  std::int64_t own_sockets,
                                  const std::function<bool(WallTime)>& moved_by_us) {
    const auto connections = body["connections"].integer();
    if (!connections || body["started"].text().empty()) {
        return std::nullopt;
    }
    Status status;
    status.connections = std::max<std::int64_t>(0, *connections - own_sockets);
    status.started = clean(body["started"].text(), 40);
    Reading& reading = status.reading;
    reading.strength = Strength::weak;
    reading.active_ago = age_of(body["last_activity"], server_now);
    const auto last = body["last_activity"].time();
    const bool by_us = moved_by_us && last && moved_by_us(*last);
    if (by_us) {
        reading.active_ago.reset();
    }
    const bool recent = reading.active_ago && *reading.active_ago < recent_request;
    if (status.connections > 0 || recent) {
        reading.verdict = Verdict::active;
        reading.evidence = status.connections > 0
                               ? std::to_string(status.connections) + " open connections to kernels"
                               : "a request " + to_string(*reading.active_ago) + " ago";
    } else {
        reading.verdict = Verdict::quiet;
        reading.evidence = by_us ? "no open connection, no request but Curfew's own" : "no open connection";
    }
    return status;
}

std::optional<Reading> kernels_used(const Reading& kernels) {
    if (!kernels.active_ago || *kernels.active_ago >= recent_request) {
        return std::nullopt;
    }
    return Reading{Verdict::active, Strength::weak, kernels.active_ago,
                   "a kernel was used " + to_string(*kernels.active_ago) + " ago"};
}

Duration age_of(const Model& model, WallTime server_now) {
    return server_now - WallTime{model.mtime_us / 1000};
}

Reading read_heartbeat(const std::string& path, const Model& model, std::optional<WallTime> server_now,
                       std::string_view content) {
    Reading reading;
    const std::string name = clean(path, 100);
    if (!server_now) {
        reading.evidence = "the server does not say its time, so the age of " + name + " is unknown";
        return reading;
    }
    const Duration age = age_of(model, *server_now);
    if (age < -clocks_differ) {
        reading.evidence = name + " was changed in the future";
        return reading;
    }
    while (!content.empty() && static_cast<unsigned char>(content.back()) <= 0x20) {
        content.remove_suffix(1);
    }
    while (!content.empty() && static_cast<unsigned char>(content.front()) <= 0x20) {
        content.remove_prefix(1);
    }
    const auto wanted = parse_duration(content);
    const Duration lasts = std::max(heartbeat_fresh, std::min(wanted.value_or(Duration{0}), heartbeat_max));
    reading.verdict = age < lasts ? Verdict::active : Verdict::quiet;
    reading.active_ago = std::max(Duration{0}, age);
    reading.evidence = name + " was changed " + to_string(*reading.active_ago) + " ago";
    if (age >= heartbeat_fresh && age < lasts) {
        reading.evidence += " and holds for " + to_string(lasts);
    }
    return reading;
}

std::string with_joined_lines(std::string_view notebook) {
    std::string out;
    out.reserve(notebook.size() + 16);
    std::vector<Level> at;
    bool key_comes = false;  // in an object, before the colon
    for (std::size_t i = 0; i < notebook.size();) {
        const char c = notebook[i];
        std::size_t end = i + 1;
        if (c == '"') {
            end = std::min(string_end(notebook, i), notebook.size());
            if (key_comes && !at.empty()) {
                at.back().key = notebook.substr(i + 1, std::max(end - i, std::size_t{2}) - 2);
            }
        } else if (c == '[' && holds_lines(at)) {
            if (auto text = joined(notebook, i, end)) {
                out += *text;
                i = end;
                continue;
            }
        }
        if (c == '{' || c == '[') {
            if (at.size() >= notebook_depth_max) {
                return std::string{notebook};
            }
            at.push_back({c == '{', {}});
            key_comes = c == '{';
        } else if ((c == '}' || c == ']') && !at.empty()) {
            at.pop_back();
            key_comes = false;
        } else if (c == ':') {
            key_comes = false;
        } else if (c == ',') {
            key_comes = !at.empty() && at.back().object;
        }
        out += notebook.substr(i, end - i);
        i = end;
    }
    return out;
}

Result<Directory> read_directory(const json::Value& body, const std::string& path) {
    if (body["type"].text() != "directory" || !body["content"].is_array()) {
        return fail(Errc::protocol, "no directory listing", path, Retry::later());
    }
    Directory directory;
    std::vector<std::string> marks;
    for (const json::Value& item : body["content"].items()) {
        ++directory.entries;
        const std::string name = item["name"].text();
        const std::string type = item["type"].text();
        const bool is_folder = type == "directory";
        const std::string full = path.empty() ? name : path + "/" + name;
        const auto refuse = [&](std::string why) {
            directory.refused.push_back({clean(full, evidence_max), std::move(why), true});
        };
        if (name.find(json::lone_surrogate) != std::string::npos) {
            refuse("its name is not UTF-8, so the server cannot be asked for it");
            continue;
        }
        if (!check_name(name)) {
            refuse("the server gives it a name that is no file name");
            continue;
        }
        marks.push_back(type + "|" + name + "|" + item["last_modified"].text() + "|" +
                        std::to_string(item["size"].integer().value_or(0)));
        if (is_folder) {
            directory.folders.push_back(full);
            continue;
        }
        const auto mtime = microseconds_of(item["last_modified"].text());
        if (type != "file" && type != "notebook") {
            refuse("an entry of the unknown type \"" + clean(type, 20) + "\"");
        } else if (!mtime) {
            refuse("it has no time of its last change");
        } else {
            directory.files.push_back(
                {full, std::max<std::int64_t>(0, item["size"].integer().value_or(0)), *mtime});
        }
    }
    std::ranges::sort(marks);
    for (const std::string& mark : marks) {
        directory.fingerprint += mark + "\n";
    }
    return directory;
}

std::optional<Model> read_model(const json::Value& body) {
    const auto mtime = microseconds_of(body["last_modified"].text());
    if (!mtime || body["type"].text() == "directory") {
        return std::nullopt;
    }
    return Model{std::max<std::int64_t>(0, body["size"].integer().value_or(0)), *mtime};
}

}  // namespace curfew::jupyter
