#include "curfew/core/receipt.hpp"

#include <algorithm>
#include <cstdint>

namespace curfew {

namespace {

constexpr std::size_t name_bytes_max = 255;
constexpr std::int64_t few_files = 10;  // below, shrinking says nothing

/// Length of the valid UTF-8 sequence at `text`, 0 when there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    std::size_t length = 0;
    std::uint32_t code = 0;
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
        code = first & 0x1FU;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        code = first & 0x0FU;
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        code = first & 0x07U;
    } else {
        return 0;
    }
    if (text.size() < length) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) {
            return 0;
        }
        code = (code << 6U) | (byte(i) & 0x3FU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return overlong || surrogate || code > 0x10FFFF ? 0 : length;
}

void append_escaped(std::string& out, unsigned char c) {
    static constexpr char digits[] = "0123456789ABCDEF";
    out += '%';
    out += digits[c >> 4U];
    out += digits[c & 15U];
}

/// Does it read like a name that was escaped or cut here? Then its own '%' must be escaped.
bool looks_escaped_at(std::string_view name, std::size_t i) {
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    if (name[i] != '%') {
        return false;
    }
    const std::string_view after = name.substr(i + 1);
    return after.starts_with('~') || (after.size() >= 2 && is_digit(after[0]) && is_digit(after[1]));
}

/// One component of a path as it is stored. Plain names stay as they are; '%' is escaped too, but only
/// in names that need an escape, so that `100%.txt` keeps its name and no two names meet.
std::string local_name(std::string_view name) {
    if (name.empty() || name == "." || name == "..") {  // no names of files: they must lead nowhere
        return name.empty() ? "%00" : name == "." ? "%2E" : "%2E%2E";
    }
    bool plain = name.front() != '-';
    bool looks_escaped = false;
    for (std::size_t i = 0; i < name.size() && plain;) {
        const std::size_t length = utf8_length(name.substr(i));
        const auto c = static_cast<unsigned char>(name[i]);
        plain = length > 0 && c >= 0x20 && c != 0x7F && c != '\\';
        looks_escaped = looks_escaped || looks_escaped_at(name, i);
        i += std::max<std::size_t>(length, 1);
    }
    if (plain && !looks_escaped) {
        return std::string{name};
    }
    std::string out;
    for (std::size_t i = 0; i < name.size();) {
        const std::size_t length = utf8_length(name.substr(i));
        const auto c = static_cast<unsigned char>(name[i]);
        const bool keep = length > 1 || (length == 1 && c >= 0x20 && c != 0x7F && c != '\\' && c != '%' &&
                                         !(i == 0 && c == '-'));
        if (keep) {
            out += name.substr(i, length);
            i += length;
        } else {
            append_escaped(out, c);
            ++i;
        }
    }
    return out;
}

/// Escaping makes names longer: one that does not fit any more is cut and told apart by a hash.
std::string fitting(std::string local, std::string_view name) {
    if (local.size() <= name_bytes_max) {
        return local;
    }
    std::uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
    for (const char c : name) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    }
    std::size_t keep = name_bytes_max - 18;
    while (keep > 0 && (static_cast<unsigned char>(local[keep]) & 0xC0U) == 0x80U) {
        --keep;
    }
    local.resize(keep);
    local += "%~";
    for (int shift = 60; shift >= 0; shift -= 4) {
        local += "0123456789abcdef"[(hash >> static_cast<unsigned>(shift)) & 15U];
    }
    return local;
}

/// Components of one pattern against components of one path, `**` crossing any number of them.
bool components_match(std::span<const std::string_view> pattern, std::span<const std::string_view> path) {
    // reach[j]: the pattern so far matches the first j components.
    std::vector<bool> reach(path.size() + 1, false);
    reach[0] = true;
    for (const std::string_view part : pattern) {
        std::vector<bool> next(path.size() + 1, false);
        if (part == "**") {
            bool seen = false;
            for (std::size_t j = 0; j <= path.size(); ++j) {
                seen = seen || reach[j];
                next[j] = seen;
            }
        } else {
            for (std::size_t j = 1; j <= path.size(); ++j) {
                next[j] = reach[j - 1] && glob_matches(part, path[j - 1]);
            }
        }
        reach = std::move(next);
    }
    return reach[path.size()];
}

std::vector<std::string_view> components_of(std::string_view path) {
    std::vector<std::string_view> parts;
    std::size_t from = 0;
    while (from <= path.size()) {
        const std::size_t slash = std::min(path.find('/', from), path.size());
        parts.push_back(path.substr(from, slash - from));
        from = slash + 1;
    }
    return parts;
}

}  // namespace

WalkDifference difference(const Walk& older, const Walk& newer) {
    WalkDifference found;
    auto before = older.files.begin();
    auto after = newer.files.begin();
    while (before != older.files.end() || after != newer.files.end()) {
        if (after == newer.files.end() || (before != older.files.end() && before->path < after->path)) {
            found.gone.push_back(before->path);
            ++before;
        } else if (before == older.files.end() || after->path < before->path) {
            found.changed.push_back(*after);
            ++after;
        } else {
            if (*before != *after) {
                found.changed.push_back(*after);
            }
            ++before;
            ++after;
        }
    }
    return found;
}

std::string to_hex(const Sha256& hash) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(hash.size() * 2);
    for (const std::uint8_t byte : hash) {
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

std::optional<Sha256> sha256_from_hex(std::string_view hex) {
    Sha256 hash{};
    if (hex.size() != hash.size() * 2) {
        return std::nullopt;
    }
    const auto nibble = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    for (std::size_t i = 0; i < hash.size(); ++i) {
        const int high = nibble(hex[2 * i]);
        const int low = nibble(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        hash[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return hash;
}

bool Receipt::partial() const {
    return std::ranges::any_of(not_covered, &NotCovered::listed);
}

Result<void> check_name(std::string_view name) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos ||
        name.find('\0') != std::string_view::npos || name.size() > name_bytes_max) {
        return fail(Errc::unsafe, "a name that is no file name");
    }
    return {};
}

std::string local_path_for(std::string_view guest_path) {
    std::string out;
    for (const std::string_view part : components_of(guest_path)) {
        if (!out.empty()) {
            out += '/';
        }
        out += fitting(local_name(part), part);
    }
    return out;
}

std::string sha256sums_line(const Sha256& hash, std::string_view path) {
    std::string escaped;
    for (const char c : path) {
        switch (c) {
            case '\\':
                escaped += "\\\\";
                break;
            case '\n':
                escaped += "\\n";
                break;
            case '\r':
                escaped += "\\r";
                break;
            default:
                escaped += c;
        }
    }
    return (escaped != path ? "\\" : "") + to_hex(hash) + "  " + escaped + "\n";
}

bool path_glob_matches(std::string_view pattern, std::string_view path) {
    return components_match(components_of(pattern), components_of(path));
}

bool is_packed(const PackPolicy& policy, std::string_view path) {
    const auto hits = [&](const std::string& pattern) { return path_glob_matches(pattern, path); };
    return std::ranges::any_of(policy.include, hits) && std::ranges::none_of(policy.exclude, hits);
}

bool shrank_suspiciously(std::int64_t files_before, std::int64_t bytes_before, std::int64_t files_now,
                         std::int64_t bytes_now) {
    return files_before > few_files &&
           (files_now < files_before - files_now || bytes_now < bytes_before - bytes_now);
}

}  // namespace curfew
