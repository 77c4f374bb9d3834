#include "csv.hpp"

#include <algorithm>
#include <utility>

namespace curfew::cli {

namespace {

using Cells = std::vector<std::pair<std::string, std::string>>;

std::string cell_of(const Json& value) {
    if (value.is_null()) {
        return {};
    }
    if (value.is_boolean()) {
        return value.get<bool>() ? "true" : "false";
    }
    if (value.is_array()) {
        std::string joined;
        for (const Json& one : value) {
            joined += (joined.empty() ? "" : "; ") + (one.is_structured() ? one.dump() : cell_of(one));
        }
        return joined;
    }
    return text_of(value, {});
}

void flatten(const Json& item, const std::string& prefix, Cells& cells, std::string& currency) {
    for (const auto& [key, value] : item.items()) {
        const std::string name = prefix.empty() ? key : prefix + "." + key;
        const Json& amount = member(value, "amount");
        if (value.is_object() && value.size() == 2 && value.contains("currency")) {
            cells.emplace_back(name, cell_of(amount));
            currency = text_of(member(value, "currency"), {});
        } else if (value.is_object()) {
            flatten(value, name, cells, currency);
        } else {
            cells.emplace_back(name, cell_of(value));
        }
    }
}

}  // namespace

std::string csv_line(const std::vector<std::string>& values) {
    std::string line;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::string& value = values[i];
        line += i == 0 ? "" : ",";
        if (value.find_first_of(",\"\r\n") == std::string::npos) {
            line += value;
            continue;
        }
        line += '"';
        for (const char c : value) {
            line += c == '"' ? "\"\"" : std::string(1, c);
        }
        line += '"';
    }
    return line + "\r\n";
}

std::string csv_of(const Json& items) {
    std::vector<Cells> rows;
    std::vector<std::string> heads;
    bool money = false;
    std::vector<std::string> currencies;
    for (const Json& item : items) {
        std::string currency;
        Cells cells;
        if (item.is_object()) {
            flatten(item, {}, cells, currency);
        }
        for (const auto& [name, value] : cells) {
            if (std::ranges::find(heads, name) == heads.end()) {
                heads.push_back(name);
            }
        }
        money = money || !currency.empty();
        rows.push_back(std::move(cells));
        currencies.push_back(std::move(currency));
    }
    if (rows.empty()) {
        return {};
    }
    std::vector<std::string> line = heads;
    if (money) {
        line.emplace_back("currency");
    }
    std::string out = csv_line(line);
    for (std::size_t r = 0; r < rows.size(); ++r) {
        line.clear();
        for (const std::string& head : heads) {
            const auto cell = std::ranges::find(rows[r], head, &Cells::value_type::first);
            line.push_back(cell == rows[r].end() ? std::string{} : cell->second);
        }
        if (money) {
            line.push_back(currencies[r]);
        }
        out += csv_line(line);
    }
    return out;
}

}  // namespace curfew::cli
