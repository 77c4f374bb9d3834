#include "sample.hpp"

#include "adapters/webhook/template.hpp"

#include <catch2/catch.hpp>

#include <utility>

using namespace curfew;

namespace sample {

Parcel warning(const std::string& name) {
    Message m;
    m.id = "msg_0123456789ab";
    m.alert = AlertId{"al_77"};
    m.kind = AlertKind::stop_warning;
    m.severity = Severity::warning;
    m.at = *parse_wall_time("2026-11-23T10:15:00Z");
    m.title = name + " (A4000, $0.76/h, $12.34 so far) will be packed and stopped at 10:45 UTC";
    m.body = {"Why: quiet for 1h. No kernel, no GPU.", "The outputs of " + name + " go to vault main."};
    m.do_next = "curfew keep " + name + " --for 2h";
    m.account = AccountName{"team"};
    m.resource = ResourceId{"n8k2"};
    m.resource_name = name;
    m.run = RunId{"r_1"};
    m.cause = "rule night";
    m.stops_at = *parse_wall_time("2026-11-23T10:45:00Z");
    m.cost_so_far = *parse_money("12.34");
    m.per_hour = *parse_money("0.76");
    m.telling = Telling::firing;
    m.key = "stop/" + name;
    return {.message = std::move(m), .to = {}};
}

nlohmann::json body_of(const webhook::Target& target, const Parcel& parcel) {
    const auto letter = target.letter(parcel);
    INFO((letter ? letter->body : to_string(letter.error())));
    REQUIRE(letter);
    return nlohmann::json::parse(letter->body);
}

std::vector<std::string> strings_in(const nlohmann::json& json) {
    std::vector<std::string> all;
    if (json.is_string()) {
        all.push_back(json.get<std::string>());
    }
    if (json.is_structured()) {
        for (const auto& item : json.items()) {
            if (json.is_object()) {
                all.push_back(item.key());
            }
            const auto inner = strings_in(item.value());
            all.insert(all.end(), inner.begin(), inner.end());
        }
    }
    return all;
}

std::vector<Named> all_targets() {
    std::vector<Named> all;
    const auto add = [&all](std::string name, std::unique_ptr<webhook::Target> target) {
        all.push_back({std::move(name), std::move(target)});
    };
    add("standard", webhook::standard_target());
    add("cloudevents", webhook::cloudevents_target("gpu-watch.example"));
    add("template",
        *webhook::template_target(R"({"say":"{{title}}","raw":"{{{resource_name}}}","all":{{record}}})",
                                  "application/json"));
    add("slack", webhook::slack_target());
    add("discord", webhook::discord_target());
    add("teams", webhook::teams_target());
    add("ntfy", *webhook::ntfy_target("curfew-team"));
    add("pagerduty", webhook::pagerduty_target(Secret{"R0UT1NGKEY"}, "gpu-watch.example", "/v2/enqueue"));
    return all;
}

}  // namespace sample
