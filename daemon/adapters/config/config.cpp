#include "adapters/config/config.hpp"

#include "adapters/config/build.hpp"
#include "adapters/config/check.hpp"
#include "adapters/config/document.hpp"
#include "adapters/config/faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

namespace curfew::config {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_bytes_max = std::size_t{1} << 20;
constexpr std::size_t files_max = 100;

/// The file's text; one byte more than allowed is enough to refuse it later. Only regular files are
/// opened, so that a pipe cannot hold up a start.
std::optional<std::string> text_of(const fs::path& path, int file, Faults& faults) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::is_regular_file(status)) {
        faults.add({file, 0, 0}, error ? "cannot be read: " + error.message() : "is not a regular file");
        return std::nullopt;
    }
    std::ifstream in(path, std::ios::binary);
    std::string text(file_bytes_max + 1, '\0');
    if (!in || (!in.read(text.data(), static_cast<std::streamsize>(text.size())) && in.bad())) {
        faults.add({file, 0, 0}, "cannot be read");
        return std::nullopt;
    }
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

/// conf.d/*.toml in the order of names, hidden ones left out.
std::vector<fs::path> parts_of(const fs::path& folder, Faults& faults) {
    std::vector<fs::path> parts;
    std::error_code error;
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator{}; entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (name.ends_with(".toml") && !name.starts_with('.')) {
            parts.push_back(entry->path());
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        faults.add({faults.add_file(folder), 0, 0}, "cannot be read: " + error.message());
    }
    std::ranges::sort(parts);
    if (parts.size() > files_max) {
        faults.add({faults.add_file(folder), 0, 0}, fmt::format("holds more than {} files", files_max));
        parts.resize(files_max);
    }
    return parts;
}

std::expected<Loaded, std::vector<Fault>> finish(const std::vector<Node>& documents, const Defaults& defaults,
                                                 const ZoneLoader& zones, Faults& faults) {
    // What seems to be missing may stand in the file that could not be read.
    const bool all_read = !faults.any();
    const Block root = check(documents, defaults.config_dir, all_read, faults);
    if (!all_read) {
        return std::unexpected(faults.faults());
    }
    Config config = build(root, defaults, zones, faults);
    if (faults.any()) {
        return std::unexpected(faults.faults());
    }
    return Loaded{std::move(config), faults.warnings()};
}

}  // namespace

std::expected<Loaded, std::vector<Fault>> load(const std::string& path, const Defaults& defaults,
                                               const ZoneLoader& zones) {
    Faults faults;
    std::vector<fs::path> files{path};
    const int main_file = faults.add_file(path);
    const auto parts = parts_of(fs::path(path).parent_path() / "conf.d", faults);
    std::vector<Node> documents;
    const auto read = [&](const fs::path& name, int file) {
        const auto text = text_of(name, file, faults);
        auto document = text ? read_document(*text, file, faults) : std::nullopt;
        if (document) {
            documents.push_back(std::move(*document));
        }
    };
    read(path, main_file);
    for (const fs::path& part : parts) {
        read(part, faults.add_file(part));
    }
    return finish(documents, defaults, zones, faults);
}

std::expected<Loaded, std::vector<Fault>> parse(std::string_view text, std::string_view file,
                                                const Defaults& defaults, const ZoneLoader& zones) {
    Faults faults;
    std::vector<Node> documents;
    if (auto document = read_document(text, faults.add_file(std::string(file)), faults)) {
        documents.push_back(std::move(*document));
    }
    return finish(documents, defaults, zones, faults);
}

namespace {

/// The tree of a text that may hold blocks of one section only; `why` says so of any other.
Block alone(std::string_view text, std::string_view file, std::string_view path, std::string_view why,
            Faults& faults) {
    std::vector<Node> documents;
    if (auto document = read_document(text, faults.add_file(std::string(file)), faults)) {
        documents.push_back(std::move(*document));
    }
    const bool read = !faults.any();
    for (const Entry& entry : documents.empty() ? std::vector<Entry>{} : documents.front().entries) {
        const Section* section = find_section(entry.name);
        if (section != nullptr && section->path != path) {
            faults.add(entry.place, fmt::format("{} has no place here: {}", section->bracketed(), why));
        }
    }
    return check(documents, "/", read, faults);
}

}  // namespace

std::expected<Rule, std::vector<Fault>> parse_rule(std::string_view text, std::string_view file) {
    Faults faults;
    const Block root = alone(text, file, "rule", "a rule is tested alone", faults);
    Rule rule = faults.any() ? Rule{} : build_rule(root, faults);
    if (faults.any()) {
        return std::unexpected(faults.faults());
    }
    return rule;
}

std::expected<Budget, std::vector<Fault>> parse_budget(std::string_view text, std::string_view file,
                                                       const Config& config, const ZoneLoader& zones) {
    Faults faults;
    const Block root = alone(text, file, "budget", "a budget is set alone", faults);
    Budget budget = faults.any() ? Budget{} : build_budget(root, config, zones, faults);
    if (faults.any()) {
        return std::unexpected(faults.faults());
    }
    return budget;
}

}  // namespace curfew::config
