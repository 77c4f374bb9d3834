#include "adapters/webhook/words.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace curfew::webhook {

namespace {

constexpr std::size_t fact_bytes_max = 200;
constexpr std::size_t note_room = 48;

std::string named(const std::string& name, const std::string& id) {
    return name.empty() || id.empty() || name == id ? name + (name.empty() ? id : "")
                                                    : name + " (" + id + ")";
}

std::string missing(std::size_t count) {
    return std::to_string(count) + (count == 1 ? " more paragraph (cut)" : " more paragraphs (cut)");
}

}  // namespace

std::vector<Fact> facts_of(const Message& m, std::string_view to) {
    std::vector<Fact> facts;
    const auto add = [&facts](std::string label, std::string_view value) {
        if (!value.empty()) {
            facts.push_back({std::move(label), fitted(plain_line(value), fact_bytes_max)});
        }
    };
    const auto money = [&](std::string label, const std::optional<Money>& amount) {
        add(std::move(label), amount ? to_string(*amount) : std::string{});
    };
    const std::string state = m.telling == Telling::notice ? "" : ", " + std::string{to_string(m.state)};
    add("Severity", std::string{to_string(m.severity)} + state);
    add("For", to);
    add("Account", m.account.value);
    add("Resource", named(m.resource_name, m.resource.value));
    add("Because of", m.cause);
    add("Stops at", m.stops_at ? to_string(*m.stops_at) : std::string{});
    money("So far", m.cost_so_far);
    money("Per hour", m.per_hour);
    money("Saved", m.saved);
    add("Alert", m.alert.value);
    return facts;
}

std::vector<std::string> told_in(const Message& m) {
    std::vector<std::string> all = m.body;
    for (const MessageTable& table : m.tables) {
        std::string text = table.title;
        for (const MessageTable::Row& row : table.rows) {
            text += "\n" + plain_line(row.label) + ": " + plain_line(row.words);
        }
        all.push_back(std::move(text));
    }
    return all;
}

std::vector<std::string> paragraphs_of(const Message& m, const Room& room, Escape escape) {
    const std::vector<std::string> told = told_in(m);
    std::vector<std::string> kept;
    std::size_t left = room.all;
    for (std::size_t i = 0; i < told.size(); ++i) {
        const bool last = i + 1 == told.size();
        const std::size_t spare = last ? 0 : note_room;
        const bool place = kept.size() + (last ? 0 : 1) < room.count;
        const std::size_t here = left > spare ? std::min(left - spare, room.each) : 0;
        std::string piece = place ? fitted(told[i], here, room.unit, escape) : std::string{};
        if (piece.empty() && !told[i].empty()) {
            kept.push_back(missing(told.size() - i));
            break;
        }
        left -= length_in(room.unit, piece);
        kept.push_back(std::move(piece));
    }
    return kept;
}

std::string without_pings(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += text[i];
        const char next = i + 1 < text.size() ? text[i + 1] : ' ';
        const bool tag = text[i] == '<' && std::string_view{"@!#/aA"}.find(next) != std::string_view::npos;
        if (text[i] == '@' || tag) {
            out += "\u200B";
        }
    }
    return out;
}

std::string as_code(std::string_view text) {
    std::string out = without_pings(text);
    std::ranges::replace(out, '`', '\'');
    return out;
}

}  // namespace curfew::webhook
