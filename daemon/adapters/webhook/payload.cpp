#include "adapters/webhook/payload.hpp"

#include "adapters/webhook/words.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace curfew::webhook {

namespace {

using Json = nlohmann::ordered_json;

// Together below the whole bound even if every byte is escaped or replaced.
constexpr std::size_t title_bytes_max = 1000;
constexpr std::size_t do_next_bytes_max = 400;
constexpr std::size_t name_bytes_max = 200;
constexpr std::size_t paragraph_bytes_max = 2000;
constexpr std::size_t paragraphs_max = 32;

std::string line(std::string_view text, std::size_t bytes_max) {
    return fitted(plain_line(text), bytes_max);
}

Json money_of(const std::optional<Money>& amount) {
    if (!amount) {
        return nullptr;
    }
    return {{"amount", to_decimal(*amount)}, {"currency", std::string{amount->currency.view()}}};
}

std::string text_of(const Message& m, const std::vector<std::string>& body) {
    std::string text = line(m.title, title_bytes_max);
    for (const std::string& paragraph : body) {
        text += "\n\n" + paragraph;
    }
    return m.do_next.empty() ? text : text + "\n\n" + line(m.do_next, do_next_bytes_max);
}

Json record_of(const Parcel& parcel, const std::vector<std::string>& body) {
    const Message& m = parcel.message;
    const auto name = [](std::string_view text) { return line(text, name_bytes_max); };
    return {
        {"id", name(m.id)},
        {"alert", name(m.alert.value)},
        {"kind", std::string{to_string(m.kind)}},
        {"severity", std::string{to_string(m.severity)}},
        {"state", std::string{to_string(m.state)}},
        {"telling", std::string{to_string(m.telling)}},
        {"key", name(m.key)},
        {"title", line(m.title, title_bytes_max)},
        {"text", text_of(m, body)},
        {"body", body},
        {"do_next", line(m.do_next, do_next_bytes_max)},
        {"account", name(m.account.value)},
        {"resource", name(m.resource.value)},
        {"resource_name", name(m.resource_name)},
        {"run", name(m.run.value)},
        {"cause", name(m.cause)},
        {"rule", name(m.rule.value)},
        {"budget", name(m.budget.value)},
        {"to", name(parcel.to)},
        {"stops_at", m.stops_at ? Json(to_string(*m.stops_at)) : Json(nullptr)},
        {"cost_so_far", money_of(m.cost_so_far)},
        {"per_hour", money_of(m.per_hour)},
        {"saved", money_of(m.saved)},
        {"as_of", to_string(m.at)},
    };
}

}  // namespace

std::string type_of(const Message& message) {
    return "curfew." + std::string{to_string(message.kind)};
}

std::string payload_of(const Parcel& parcel, const Envelope& envelope) {
    const std::vector<std::string> all = told_in(parcel.message);
    std::vector<std::string> kept;
    for (const std::string& paragraph : all) {
        if (kept.size() == paragraphs_max) {
            break;
        }
        kept.push_back(fitted(paragraph, paragraph_bytes_max));
    }
    for (;;) {
        std::vector<std::string> body = kept;
        if (const std::size_t missing = all.size() - kept.size(); missing > 0) {
            body.push_back(std::to_string(missing) + (missing == 1 ? " paragraph was" : " paragraphs were") +
                           " cut here: a webhook holds less than 20 kB.");
        }
        std::string text = dump(envelope(record_of(parcel, body)));
        if (text.size() < payload_bytes_max || kept.empty()) {
            return text;
        }
        kept.pop_back();
    }
}

}  // namespace curfew::webhook
