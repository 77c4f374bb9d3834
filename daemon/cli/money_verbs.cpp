#include "money_verbs.hpp"

#include "curfew/api/wire.hpp"
#include "render_money.hpp"
#include "table.hpp"

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

}  // namespace curfew::cli
