#include "faults.hpp"

#include <algorithm>
#include <array>

namespace emulator {
namespace {

constexpr std::array kinds{"stop_ignored",  "stop_hangs",    "status",       "drop",
                           "drop_after",    "slow_drip",     "cut_body",     "delay",
                           "hang",          "partial_list",  "stale_list",   "cursor_loop",
                           "several_items", "unknown_state", "unknown_type", "empty_2xx_error",
                           "null_session",  "guest_503",     "guest_hang",   "garbage_json",
                           "deep_json",     "huge_body"};

std::string member(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

bool meets_call(const Fault& fault, const CallInfo& call) {
    const std::string path = member(fault.match, "path");
    const std::string method = member(fault.match, "method");
    const std::string host = member(fault.match, "host");
    // A fault reaches the guests only when it says so.
    if (call.host == "guest" && host != "guest" && !fault.kind.starts_with("guest_")) {
        return false;
    }
    return call.target.contains(path) && (method.empty() || method == call.method) &&
           (host.empty() || host == call.host);
}

}  // namespace

bool Fault::meets(const CallInfo& call) const {
    const std::string run = member(match, "run");
    const std::string repo = member(match, "repo");
    return meets_call(*this, call) && (run.empty() || run == call.run) && (repo.empty() || repo == call.repo);
}

bool Fault::meets_item(std::string_view run, std::string_view repo) const {
    const std::string wanted_run = member(match, "run");
    const std::string wanted_repo = member(match, "repo");
    return (wanted_run.empty() || wanted_run == run) && (wanted_repo.empty() || wanted_repo == repo);
}

std::int64_t Fault::integer(const char* name, std::int64_t otherwise) const {
    const auto found = params.find(name);
    return found != params.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

std::string Fault::text(const char* name, const std::string& otherwise) const {
    const auto found = params.find(name);
    return found != params.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

bool Faults::known(std::string_view kind) {
    return std::ranges::any_of(kinds, [kind](const char* one) { return kind == one; });
}

std::shared_ptr<Fault> Faults::add(const json& description) {
    auto fault = std::make_shared<Fault>();
    fault->number = next_++;
    fault->kind = member(description, "kind");
    fault->params = description;
    fault->count = fault->integer("count", -1);
    if (description.contains("match") && description["match"].is_object()) {
        fault->match = description["match"];
    }
    faults_.push_back(fault);
    return fault;
}

bool Faults::remove(std::int64_t number) {
    return std::erase_if(faults_, [number](const auto& fault) { return fault->number == number; }) > 0;
}

std::shared_ptr<Fault> Faults::use(const std::shared_ptr<Fault>& fault) {
    ++fault->used;
    if (fault->count > 0) {
        --fault->count;
    }
    return fault;
}

std::shared_ptr<Fault> Faults::take(std::string_view kind, const CallInfo& call) {
    for (const auto& fault : faults_) {
        if (fault->count != 0 && fault->kind == kind && fault->meets(call)) {
            return use(fault);
        }
    }
    return nullptr;
}

std::shared_ptr<Fault> Faults::take_list(std::string_view kind, const CallInfo& call) {
    for (const auto& fault : faults_) {
        if (fault->count != 0 && fault->kind == kind && meets_call(*fault, call)) {
            return use(fault);
        }
    }
    return nullptr;
}

bool Faults::touch_guests() const {
    return std::ranges::any_of(faults_, [](const auto& fault) {
        return fault->count != 0 &&
               (fault->kind.starts_with("guest_") || member(fault->match, "host") == "guest");
    });
}

json Faults::describe() const {
    json out = json::array();
    for (const auto& fault : faults_) {
        json row = fault->params;
        row["number"] = fault->number;
        row["count"] = fault->count;
        row["used"] = fault->used;
        out.push_back(std::move(row));
    }
    return out;
}

}  // namespace emulator
