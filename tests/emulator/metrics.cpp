// The metrics host of the cluster: range, list, stream.
#include "emulator.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>

namespace emulator {
namespace {

constexpr std::array chart_names{"cpuPercentage", "memoryUsage", "gpuMemoryFree",  "gpuMemoryUsed",
                                 "gpuPowerDraw",  "gpuTemp",     "gpuUtilization", "gpuMemoryUtilization"};
constexpr std::int64_t most_points = 11'000;

std::string number_text(double value, int decimals) {
    char out[64];
    std::snprintf(out, sizeof out, "%.*f", decimals, value);
    return out;
}

json point(Millis at, const std::string& value) {
    return {{"time_stamp", at / 1000}, {"value", value}};
}

std::string shortest(double value) {
    std::string text = json(value).dump();
    return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

/// The value of a chart over (from, to]; nothing when nothing was measured there.
std::optional<std::string> value_of(const Notebook& notebook, const Run& run, const std::string& chart,
                                    Millis from, Millis to) {
    if (!run.started || to < *run.started || (run.finished && from >= *run.finished)) {
        return std::nullopt;
    }
    if (const auto set = notebook.charts.find(chart); set != notebook.charts.end()) {
        if (!set->second.value || to < set->second.since) {
            return std::nullopt;
        }
        return shortest(*set->second.value);
    }
    const bool cpu = chart == "cpuPercentage";
    if (!cpu && chart != "memoryUsage") {
        return std::nullopt;
    }
    if (run.standin) {
        const bool busy = run.busy && to >= run.verdict_since;
        return cpu ? (busy ? "0.9700" : "0.0100") : (busy ? "2147483648" : "126537728");
    }
    double sum = 0;
    int count = 0;
    auto sample = std::ranges::upper_bound(run.samples, from, {}, &Sample::at);
    for (; sample != run.samples.end() && sample->at <= to; ++sample) {
        sum += cpu ? sample->cores : static_cast<double>(sample->resident_bytes);
        ++count;
    }
    if (count == 0) {
        return std::nullopt;
    }
    return number_text(sum / count, cpu ? 4 : 0);
}

std::optional<Found> target_of(const Emulator& emulator, const Request& request, std::size_t team) {
    const Found found = emulator.world->find_run(request.param("handle").value_or(""));
    if (!found || found.notebook->team != team || found.notebook->deleted) {
        return std::nullopt;
    }
    return found;
}

bool measured(const Notebook& notebook, const std::string& chart) {
    const auto set = notebook.charts.find(chart);
    if (set != notebook.charts.end()) {
        return set->second.value.has_value();
    }
    return chart == "cpuPercentage" || chart == "memoryUsage";
}

}  // namespace

Reply route_metrics(Emulator& emulator, const Request& request) {
    const auto team = emulator.world->team_of_key(request.header("x-api-key"));
    if (!team) {
        return legacy_flat_error(403, "Invalid API token");
    }
    const bool range = request.path == "/metrics/api/v1/range";
    if (request.method != "GET" || (!range && request.path != "/metrics/api/v1/list")) {
        return legacy_error(404, "Not found.");
    }
    const auto found = target_of(emulator, request, *team);
    if (!found) {
        return legacy_error(404, "Not found.");
    }
    const Run& run = *found->run;
    json out{{"handle", run.id}, {"object_type", request.param("objecttype").value_or("notebook")}};
    if (!range) {
        json names = json::array();
        for (const char* name : chart_names) {
            if (measured(*found->notebook, name)) {
                names.push_back(name);
            }
        }
        out["chart_names"] = std::move(names);
        return Reply::of(out);
    }
    const auto start = parse_iso(request.param("start").value_or(""));
    const Millis now = emulator.clock.now();
    const Millis end = std::min(now, parse_iso(request.param("end").value_or("")).value_or(now));
    const Millis interval = parse_interval(request.param("interval").value_or("30s")).value_or(0);
    if (!start || interval <= 0) {
        return legacy_flat_error(400, !start ? "start is required" : "interval is invalid");
    }
    if ((end - *start) / interval > most_points) {
        return legacy_flat_error(400, "exceeded maximum resolution of 11,000 points per timeseries");
    }
    json charts = json::object();
    std::string name;
    for (const char c : request.param("charts").value_or("") + ",") {
        if (c != ',') {
            name.push_back(c);
            continue;
        }
        if (!name.empty()) {
            json series = json::array();
            for (Millis at = *start; at <= end; at += interval) {
                if (auto value = value_of(*found->notebook, run, name, at - interval, at)) {
                    series.push_back(point(at, *value));
                }
            }
            charts[name] = series.empty() ? json(nullptr) : json{{run.id, std::move(series)}};
        }
        name.clear();
    }
    out["charts"] = std::move(charts);
    return Reply::of(out);
}

std::vector<std::string> metrics_frames(Emulator& emulator, const json& subscription) {
    if (!subscription.is_object() || !subscription.contains("chart_names") ||
        !subscription.contains("handles")) {
        throw std::runtime_error{"no subscription"};
    }
    std::vector<std::string> frames;
    const Millis now = emulator.clock.now();
    const Millis interval =
        parse_interval(subscription.value("poll_interval", std::string{"30s"})).value_or(30'000);
    for (const json& handle : subscription["handles"]) {
        const Found found = emulator.world->find_run(handle.is_string() ? handle.get<std::string>() : "");
        if (!found) {
            continue;
        }
        for (const json& chart : subscription["chart_names"]) {
            if (!chart.is_string()) {
                continue;
            }
            json pods = nullptr;
            if (auto value = value_of(*found.notebook, *found.run, chart.get<std::string>(), now - interval,
                                      now)) {
                pods = json{{found.run->id, point(now, *value)}};
            }
            frames.push_back(json{{"handle", found.run->id},
                                  {"object_type", subscription.value("object_type", std::string{"notebook"})},
                                  {"chart_name", chart},
                                  {"pod_metrics", std::move(pods)}}
                                 .dump());
        }
    }
    return frames;
}

}  // namespace emulator
