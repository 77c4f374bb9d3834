#include "adapters/config/faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <tuple>
#include <utility>

namespace curfew::config {

namespace {

constexpr std::size_t faults_max = 1000;
constexpr std::size_t word_bytes_max = 64;

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

/// Levenshtein's distance, with two neighbours swapped counted as one slip.
std::size_t slips(std::string_view a, std::string_view b) {
    std::array<std::array<std::size_t, word_bytes_max + 1>, 3> rows{};
    for (std::size_t j = 0; j <= b.size(); ++j) {
        rows[0][j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto& row = rows[i % 3];
        const auto& above = rows[(i - 1) % 3];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], rows[(i - 2) % 3][j - 2] + 1);
            }
        }
    }
    return rows[a.size() % 3][b.size()];
}

}  // namespace

std::string to_string(const Fault& fault) {
    std::string text = fault.file.empty() ? "" : fault.file + ":";
    if (fault.line > 0) {
        text += fmt::format("{}:{}:", fault.line, fault.column);
    }
    text += (text.empty() ? "" : " ") + fault.text;
    return fault.suggestion.empty() ? text : text + fmt::format(" (did you mean `{}`?)", fault.suggestion);
}

int Faults::add_file(std::string name) {
    std::ranges::replace_if(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    files_.push_back(std::move(name));
    return static_cast<int>(files_.size()) - 1;
}

void Faults::add(Place place, std::string text, std::string suggestion) {
    if (faults_.size() < faults_max) {
        faults_.push_back({place, std::move(text), std::move(suggestion)});
    } else {
        ++left_out_;
    }
}

void Faults::warn(Place place, std::string text) {
    if (warnings_.size() < faults_max) {
        warnings_.push_back({place, std::move(text), {}});
    }
}

std::string Faults::at(Place place) const {
    return fmt::format("{}:{}:{}", files_.at(static_cast<std::size_t>(place.file)), place.line, place.column);
}

std::vector<Fault> Faults::sorted(std::vector<Entry> entries) const {
    std::ranges::sort(entries, {}, [](const Entry& entry) { return std::tie(entry.place, entry.text); });
    std::vector<Fault> faults;
    faults.reserve(entries.size());
    for (Entry& entry : entries) {
        faults.push_back({files_.at(static_cast<std::size_t>(entry.place.file)), entry.place.line,
                          entry.place.column, std::move(entry.text), std::move(entry.suggestion)});
    }
    return faults;
}

std::vector<Fault> Faults::faults() const {
    std::vector<Fault> all = sorted(faults_);
    if (left_out_ > 0) {
        all.push_back({files_.front(), 0, 0, fmt::format("{} more faults are not shown", left_out_), {}});
    }
    return all;
}

std::string nearest(std::string_view word, std::span<const std::string_view> candidates) {
    if (word.empty() || word.size() > word_bytes_max) {
        return {};
    }
    const std::string given = lower(word);
    std::size_t best = std::clamp<std::size_t>(word.size() / 3, 1, 4) + 1;
    std::string_view found;
    for (const std::string_view candidate : candidates) {
        if (candidate.empty() || candidate.size() > word_bytes_max) {
            continue;
        }
        if (const std::size_t distance = slips(given, lower(candidate)); distance < best) {
            best = distance;
            found = candidate;
        }
    }
    return std::string(found);
}

std::string shown(std::string_view text, std::size_t bytes_max) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        // Whole UTF-8 sequences only: the cut never falls before a continuation byte.
        if (out.size() >= bytes_max && (byte & 0xc0) != 0x80) {
            return out + "…";
        }
        out += byte < 0x20 || byte == 0x7f ? '?' : c;
    }
    return out;
}

}  // namespace curfew::config
