#include "money_verbs.hpp"

#include "curfew/api/wire.hpp"
#include "render_money.hpp"
#include "table.hpp"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace curfew::cli {

namespace {

namespace fs = std::filesystem;
using api::Exit;

constexpr int page_rows = 1000;

std::string query_of(const std::vector<std::pair<const char*, std::string>>& parts) {
    std::string query;
    for (const auto& [key, value] : parts) {
        if (!value.empty()) {
            query += (query.empty() ? "?" : "&") + std::string{key} + "=" + encoded(value);
        }
    }
    return query;
}

int cannot_write(const std::string& path) {
    std::cerr << "curfew: cannot write " << safe(path) << "\n";
    return static_cast<int>(Exit::failed);
}

/// "80%:notify", "$200:warn", "2h:stop"; "80%@forecast:notify" names the figure that is held against it.
Result<Json> threshold_of(const std::string& text) {
    const auto bad = [&](const std::string& why) {
        return fail(Errc::invalid,
                    why +
                        "; a threshold is 80%:notify, $200:warn, 2h:stop (what is left lasts for less), or "
                        "80%@forecast:notify",
                    text);
    };
    const std::size_t colon = std::min(text.rfind(':'), text.size());
    std::string at = text.substr(0, colon);
    Json step = Json::object();
    if (const std::size_t sign = at.find('@'); sign != std::string::npos) {
        step["basis"] = at.substr(sign + 1);
        at.resize(sign);
    }
    if (at.ends_with('%')) {
        at.pop_back();
        std::int64_t percent = 0;
        const auto [end, error] = std::from_chars(at.data(), at.data() + at.size(), percent);
        if (error != std::errc{} || end != at.data() + at.size()) {
            return bad("a percentage is a whole number");
        }
        step["percent"] = percent;
    } else if (at.starts_with('$')) {
        step["amount"] = at.substr(1);
    } else if (parse_duration(at)) {
        step["runway"] = at;
    } else {
        return bad("that is no threshold");
    }
    if (colon < text.size()) {
        step["action"] = text.substr(colon + 1);
    }
    return step;
}

/// "names=train-*", several times.
Result<Json> match_of(const std::vector<std::string>& words) {
    Json match = Json::object();
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0) {
            return fail(Errc::invalid,
                        "a match is written as names=train-*, accounts=me, projects=, owners=, "
                        "machine_types=, kinds=, providers= or tags=",
                        word);
        }
        match[word.substr(0, equals)].push_back(word.substr(equals + 1));
    }
    return match;
}

/// What was asked for, laid over the budget as it is.
Result<Json> budget_body(const Options& o, const Json& standing) {
    Json body = standing.is_object() ? standing : Json::object();
    const auto put = [&](const char* key, const std::string& value) {
        if (!value.empty()) {
            body[key] = value;
        }
    };
    if (!o.period.empty() && text_of(member(body, "period")) != o.period) {
        for (const char* key : {"anchor", "week_start", "from", "until", "length", "reserve_storage"}) {
            body.erase(key);
        }
    }
    put("amount", o.amount.starts_with('$') ? o.amount.substr(1) : o.amount);
    put("period", o.period);
    put("from", o.from);
    put("until", o.until);
    put("length", o.length);
    put("timezone", o.zone);
    put("mode", o.mode);
    if (!o.match.empty()) {
        auto match = match_of(o.match);
        if (!match) {
            return match;
        }
        body["match"] = std::move(*match);
    }
    if (!o.thresholds.empty()) {
        body["thresholds"] = Json::array();
        for (const std::string& text : o.thresholds) {
            auto step = threshold_of(text);
            if (!step) {
                return step;
            }
            body["thresholds"].push_back(std::move(*step));
        }
    }
    return body;
}

int wrong(const Error& error) {
    std::cerr << "curfew: " << safe(to_string(error)) << "\n";
    return static_cast<int>(Exit::usage);
}

/// What FOCUS wants to lie beside the data.
Json metadata_of(const Json& answer, std::int64_t rows, std::int64_t unpriced, std::int64_t estimated) {
    Json columns = Json::array();
    for (const Json& column : member(answer, "columns")) {
        columns.push_back({{"ColumnName", member(column, "name")},
                           {"DataType", member(column, "type")},
                           {"AllowsNulls", member(column, "nullable")}});
    }
    const std::string version = text_of(member(answer, "version"));
    return {{"SchemaId", "curfew-focus-" + version + "-1"},
            {"FocusVersion", version},
            {"DataGenerator", "curfew " + std::string{api::version_text}},
            {"CreationDate", member(answer, "now")},
            {"ColumnDefinition", std::move(columns)},
            {"x_From", member(answer, "from")},
            {"x_To", member(answer, "to")},
            {"x_AsOf", member(answer, "as_of")},
            {"x_Degraded", member(answer, "degraded")},
            {"x_Rows", rows},
            {"x_UnpricedRows", unpriced},
            {"x_EstimatedRows", estimated}};
}

}  // namespace

int spend(const Options& o) {
    return read(
        o, "/v1/spend" + query_of({{"by", o.by}, {"since", o.since}, {"until", o.until}, {"name", o.name}}),
        [&](const Json& j) { return spend_text(j, o.style); });
}

int export_focus(const Options& o) {
    std::error_code none;
    if (!o.output.empty() && fs::exists(o.output, none) && !fs::is_regular_file(o.output, none)) {
        std::cerr << "curfew: cannot write " << safe(o.output) << ": it is no plain file\n";
        return static_cast<int>(Exit::failed);
    }
    const std::string part = o.output + ".part";
    std::ofstream file;
    std::int64_t rows = 0;
    std::int64_t unpriced = 0;
    std::int64_t estimated = 0;
    std::string after;
    Json last;
    do {
        const Answer answer = ask(o.socket, Verb::get,
                                  "/v1/export/focus" + query_of({{"version", o.focus},
                                                                 {"month", o.month},
                                                                 {"limit", std::to_string(page_rows)},
                                                                 {"after", after}}));
        if (answer.exit != 0) {
            if (file.is_open()) {
                std::error_code ignored;
                fs::remove(part, ignored);
            }
            return say(answer);
        }
        if (!o.output.empty() && !file.is_open()) {
            file.open(part, std::ios::binary | std::ios::trunc);
            if (!file) {
                return cannot_write(part);
            }
        }
        std::ostream& out = o.output.empty() ? std::cout : file;
        if (last.is_null()) {
            std::vector<std::string> head;
            for (const Json& column : member(answer.body, "columns")) {
                head.push_back(text_of(member(column, "name")));
            }
            out << csv_line(head);
        }
        for (const Json& item : member(answer.body, "items")) {
            std::vector<std::string> values;
            for (const Json& value : item) {
                values.push_back(text_of(value, {}));
            }
            out << csv_line(values);
            ++rows;
        }
        unpriced += whole_number(member(answer.body, "unpriced"));
        estimated += whole_number(member(answer.body, "estimated"));
        after = text_of(member(answer.body, "next"), {});
        last = answer.body;
        last.erase("items");
    } while (!after.empty());
    if (!o.output.empty()) {
        std::ofstream beside(o.output + ".metadata.json", std::ios::binary | std::ios::trunc);
        beside << metadata_of(last, rows, unpriced, estimated).dump(2) << "\n";
        file.close();
        beside.close();
        if (!file || !beside || std::rename(part.c_str(), o.output.c_str()) != 0) {
            fs::remove(part, none);
            return cannot_write(o.output);
        }
        std::cerr << rows << " rows of " << text_of(member(last, "from")) << " to "
                  << text_of(member(last, "to")) << " in " << safe(o.output) << "\n";
    } else if (!std::cout.flush()) {
        return cannot_write("the standard output");
    }
    if (unpriced > 0) {
        std::cerr << "! " << unpriced << " of them are unpriced and stand with a cost of 0\n";
    }
    const auto until = time_of(member(last, "to"));
    const auto now = time_of(member(last, "now"));
    if (until && now && *now < *until) {
        std::cerr << "the month goes on; rows are there to the last full hour of each thing that runs\n";
    }
    return 0;
}

int budgets(const Options& o) {
    const bool one = !o.noun.empty();
    return read(o, "/v1/budgets" + (one ? "/" + encoded(o.noun) : ""),
                [&](const Json& j) { return one ? budget_text(j, o.style) : budgets_text(j, o.style); });
}

int set_budget(const Options& o) {
    const std::string target = "/v1/budgets/" + encoded(o.noun);
    const Answer standing = ask(o.socket, Verb::get, target);
    if (standing.exit != 0 && standing.exit != static_cast<int>(Exit::not_found)) {
        return say(standing);
    }
    const Json& items = member(standing.body, "items");
    const bool known = standing.exit == 0 && items.is_array() && !items.empty();
    if (!known && o.amount.empty()) {
        std::cerr << "curfew: there is no budget " << safe(o.noun) << " yet: say its --amount\n";
        return static_cast<int>(Exit::usage);
    }
    auto body = budget_body(o, known ? member(items[0], "definition") : Json{});
    if (!body) {
        return wrong(body.error());
    }
    return changed(o, change(o, target, *body, Verb::put),
                   [&](const Json& j) { return budget_text(j, o.style); });
}

int remove_budget(const Options& o) {
    const Answer answer = change(o, "/v1/budgets/" + encoded(o.noun), Json::object(), Verb::remove);
    return changed(o, answer,
                   [&](const Json&) { return "removed what was set of budget " + safe(o.noun) + "\n"; });
}

int is_over(const Options& o) {
    const Answer answer = ask(o.socket, Verb::get,
                              "/v1/budgets" + (o.noun.empty() ? "" : "/" + encoded(o.noun)));
    if (answer.exit != 0) {
        return say(answer);
    }
    bool over = false;
    bool known = member(answer.body, "as_of").is_string();
    for (const Json& degraded : member(answer.body, "degraded")) {
        known = known && !text_of(member(degraded, "what")).starts_with("account ");
    }
    for (const Json& item : member(answer.body, "items")) {
        const auto amount = nanos_of(member(item, "amount"));
        over = over || nanos_of(member(item, "spent")) >= amount;
        known = known && flag(member(item, "complete"));
    }
    const Exit exit = over ? Exit::done : known ? Exit::no : Exit::undecidable;
    if (o.json) {
        std::cout << answer.raw;
    }
    return static_cast<int>(exit);
}

int forecast(const Options& o) {
    return read(o, "/v1/forecast", [&](const Json& j) { return forecast_text(j, o.style); });
}

int credit(const Options& o) {
    return read(o, "/v1/credit", [&](const Json& j) { return credit_text(j, o.style); });
}

int advise(const Options& o) {
    return read(o, "/v1/advice" + query_of({{"since", o.since}}),
                [&](const Json& j) { return advice_text(j, o.style); });
}

}  // namespace curfew::cli
