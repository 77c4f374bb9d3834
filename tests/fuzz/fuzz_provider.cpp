// What Paperspace and its bill send: any bytes behind a letter that says which list they are an answer of. Typed
// values or errors; nothing bills by a time or an amount that cannot be.
#include "adapters/http/json.hpp"
#include "adapters/paperspace/add_ons.hpp"
#include "adapters/paperspace/wire.hpp"
#include "fuzz/fuzzed_data.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace curfew;
using curfew::fuzz::FuzzedData;
using curfew::fuzz::must;

namespace {

constexpr WallTime now{1'795'399'800'000};

void check(const Run& run) {
    must(run.listed_rate == std::nullopt || run.listed_rate->per_hour.nanos >= 0);
}

void notebooks(const json::Value& body) {
    std::vector<paperspace::NotebookItem> items;
    for (const json::Value& value : body["items"].items()) {
        if (auto item = paperspace::notebook_item(value)) {
            must(!item->resource.empty());
            check(item->run);
            items.push_back(std::move(*item));
        }
    }
    const auto ended = paperspace::ended_beside(items);
    const std::size_t listed = items.size();
    const auto resources = paperspace::notebooks_from(std::move(items), AccountName{"me"});
    must(resources.size() <= listed && ended.size() <= resources.size());
    std::set<std::string> ids;
    for (const Resource& resource : resources) {
        must(ids.insert(resource.id.value).second && resource.account == AccountName{"me"});
    }
    for (const auto& [resource, runs] : ended) {
        must(ids.contains(resource.value) && !runs.empty());
    }
}

void machines(const json::Value& body) {
    paperspace::Machines all;
    for (const json::Value& value : body["items"].items()) {
        if (auto item = paperspace::machine_item(value)) {
            must(!item->resource.empty() && item->disk_bytes >= 0);
            must(!item->listed_rate || item->listed_rate->per_hour.nanos >= 0);
            auto run = paperspace::newest_run(value["events"]).value_or(paperspace::MachineRun{});
            const ResourceId id = item->resource;
            all.insert_or_assign(id, paperspace::Machine{std::move(*item), std::move(run)});
        }
    }
    paperspace::AddOns add_ons(all);
    const auto each = [&](const char* list, bool (paperspace::AddOns::*take)(const json::Value&)) {
        for (const json::Value& value : body[list].items()) {
            (void)(add_ons.*take)(value);
        }
    };
    each("publicIps", &paperspace::AddOns::public_ip);
    each("snapshots", &paperspace::AddOns::snapshot);
    each("sharedDrives", &paperspace::AddOns::shared_drive);
    each("customTemplates", &paperspace::AddOns::custom_template);
    each("privateNetworks", &paperspace::AddOns::private_network);
    (void)add_ons.overage(body["utilization"], "team", body["gibibytes"].boolean().value_or(false));
    for (const AddOn& add_on : add_ons.take()) {
        must(!add_on.id.empty() && add_on.bytes >= 0);
    }
}

void events(const json::Value& body) {
    const std::vector<json::Value>& all = body["items"].items();
    const auto runs = paperspace::machine_runs(all);
    must(runs.size() <= all.size());
    for (const paperspace::MachineRun& run : runs) {
        must(!run.start_event.empty());
    }
    (void)paperspace::newest_run(body);
    (void)paperspace::destroyed_at(body);
}

void metrics(const json::Value& body) {
    for (const bool percent : {false, true}) {
        for (const bool gpu : {false, true}) {
            const auto reading = paperspace::read_metrics(body, WallTime{0}, percent, gpu);
            must(reading.verdict == Verdict::unknown || !reading.evidence.empty());
        }
    }
}

void anything(const json::Value& body) {
    (void)paperspace::hidden_error(body);
    for (const json::Value* value : {&body, &body["a"], &body["b"]}) {
        (void)value->integer();
        (void)value->time();
        if (const auto money = value->money()) {
            must(parse_money(to_decimal(*money)) == *money);
        }
        if (const auto thousandths = value->thousandths()) {
            must(*thousandths <= 9'000'000'000'000'000 && *thousandths >= -9'000'000'000'000'000);
        }
    }
}

}  // namespace

CURFEW_FUZZ_TARGET(provider) {
    FuzzedData in(data);
    const unsigned list = in.byte();
    const auto body = json::parse(in.rest(), {.depth_max = 16, .nodes_max = 4000});
    if (!body) {
        must(body.error().code == Errc::protocol);
        return;
    }
    switch (list) {
        case 'n':
            return notebooks(*body);
        case 'm':
            return machines(*body);
        case 'e':
            return events(*body);
        case 'c':
            return metrics(*body);
        case 'b':
            if (const auto reported = paperspace::reported_of(*body, now)) {
                must(reported->generated_at <= now + hours{24} && reported->month <= reported->generated_at);
                must(reported->month_to_date.nanos >= 0);
            }
            return;
        default:
            return anything(*body);
    }
}
