#include "adapters/vault/manifest.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

namespace curfew::vault {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::int64_t number_max = std::numeric_limits<std::int64_t>::max();

template <class Json>
std::string dump(const Json& j, int indent) {
    return j.dump(indent, ' ', false, Json::error_handler_t::replace);
}

/// A whole number from `least` to `most`; anything else, fractions too, is damage.
std::optional<std::int64_t> whole(const json& value, std::int64_t least, std::int64_t most) {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(most)) {
        return std::nullopt;
    }
    if (!value.is_number_integer()) {
        return std::nullopt;
    }
    const auto number = value.get<std::int64_t>();
    return number >= least && number <= most ? std::optional{number} : std::nullopt;
}

}  // namespace

std::string manifest_text(const std::vector<ManifestEntry>& entries) {
    std::string text;
    for (const ManifestEntry& e : entries) {
        ordered_json line{{"path", e.path},
                          {"local", e.local_path},
                          {"size", e.size},
                          {"mtime_us", e.mtime_us},
                          {"sha256", to_hex(e.sha256)},
                          {"read_at", to_string(e.read_at)},
                          {"attempts", e.attempts},
                          {"how", e.how}};
        if (!e.note.empty()) {
            line["note"] = e.note;
        }
        text += dump(line, -1);
        text += '\n';
    }
    return text;
}

Result<std::vector<ManifestEntry>> parse_manifest(std::string_view text, const std::string& where) {
    std::vector<ManifestEntry> entries;
    try {
        while (!text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            const json j = json::parse(text.substr(0, end));
            text.remove_prefix(std::min(end + 1, text.size()));
            ManifestEntry e;
            e.path = j.at("path").get<std::string>();
            e.local_path = j.at("local").get<std::string>();
            const auto size = whole(j.at("size"), 0, number_max);
            const auto mtime_us = whole(j.at("mtime_us"), -number_max, number_max);
            const auto attempts = whole(j.at("attempts"), 0, std::numeric_limits<int>::max());
            const auto hash = sha256_from_hex(j.at("sha256").get<std::string>());
            const auto read_at = parse_wall_time(j.at("read_at").get<std::string>());
            if (!size || !mtime_us || !attempts || !hash || !read_at) {
                return fail(Errc::corrupt, "a damaged manifest", where);
            }
            e.size = *size;
            e.mtime_us = *mtime_us;
            e.sha256 = *hash;
            e.read_at = *read_at;
            e.attempts = static_cast<int>(*attempts);
            e.how = j.at("how").get<std::string>();
            e.note = j.value("note", std::string{});
            entries.push_back(std::move(e));
        }
    } catch (const json::exception&) {
        return fail(Errc::corrupt, "a damaged manifest", where);
    }
    return entries;
}

std::string receipt_text(const Receipt& r) {
    ordered_json html = ordered_json::array();
    for (const HtmlCopy& copy : r.html) {
        html.push_back(
            {{"notebook", copy.notebook_path},
             {"html",
              copy.local_path.empty() ? ordered_json(nullptr) : ordered_json("html/" + copy.local_path)},
             {"failure", copy.failure.empty() ? ordered_json(nullptr) : ordered_json(copy.failure)}});
    }
    ordered_json missing = ordered_json::array();
    for (const NotCovered& item : r.not_covered) {
        missing.push_back({{"what", item.what}, {"why", item.why}, {"listed", item.listed}});
    }
    const ordered_json document{{"schema", "curfew.receipt/1"},
                                {"id", r.id.value},
                                {"enforcement", r.enforcement.value},
                                {"account", r.account.value},
                                {"resource", r.resource.value},
                                {"name", r.resource_name},
                                {"run", r.run.value},
                                {"begun_at", to_string(r.begun_at)},
                                {"verified_at", to_string(r.verified_at)},
                                {"files", r.files},
                                {"bytes", r.bytes},
                                {"reused", r.reused},
                                {"manifest_sha256", r.manifest_sha256},
                                {"sums_sha256", r.sums_sha256},
                                {"html", html},
                                {"not_covered", missing},
                                {"check", "cd files && sha256sum -c ../SHA256SUMS"}};
    return dump(document, 2) + "\n";
}

std::string run_of_receipt(std::string_view text) {
    const json j = json::parse(text, nullptr, false);
    return j.is_object() && j.contains("run") && j["run"].is_string() ? j["run"].get<std::string>()
                                                                      : std::string{};
}

std::string snapshot_name(const Receipt& receipt) {
    std::string stamp = to_string(WallTime{receipt.begun_at.ms / 1000 * 1000});
    std::erase(stamp, ':');
    return stamp + "-" + local_path_for(receipt.id.value);
}

}  // namespace curfew::vault
