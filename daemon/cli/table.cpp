#include "table.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cwchar>

namespace curfew::cli {

namespace {

constexpr std::size_t last_column_min = 12;
constexpr std::size_t name_column_min = 20;

bool set_and_not_empty(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0';
}

/// Bytes of what stands first and is a control character beyond ASCII (U+0080 to U+009F, which terminals obey as
/// they do ESC) or turns the direction of the text around it (U+202A to U+202E, U+2066 to U+2069); 0 = neither.
std::size_t length_of_control(std::string_view text) {
    const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
    if (at(0) == 0xC2 && at(1) >= 0x80 && at(1) < 0xA0) {
        return 2;
    }
    const bool turns = at(0) == 0xE2 && ((at(1) == 0x80 && at(2) >= 0xAA && at(2) <= 0xAE) ||
                                         (at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9));
    return turns ? 3 : 0;
}

/// At most `columns` of display width.
std::string cut(const std::string& text, std::size_t columns) {
    if (width_of(text) <= columns) {
        return text;
    }
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t next = i + 1;
        while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xC0U) == 0x80U) {
            ++next;
        }
        if (width_of(out) + width_of(text.substr(i, next - i)) + 1 > columns) {
            break;
        }
        out += text.substr(i, next - i);
        i = next;
    }
    return out + "…";
}

}  // namespace

std::string safe(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto byte = static_cast<unsigned char>(text[0]);
        const std::size_t hidden = byte < 0x20 || byte == 0x7F ? 1 : length_of_control(text);
        out += hidden > 0 ? '?' : text[0];
        text.remove_prefix(std::max<std::size_t>(hidden, 1));
    }
    return out;
}

std::size_t width_of(std::string_view text) {
    std::mbstate_t state{};
    std::size_t width = 0;
    while (!text.empty()) {
        wchar_t character = 0;
        const std::size_t used = std::mbrtowc(&character, text.data(), text.size(), &state);
        if (used == 0 || used > text.size()) {
            ++width;
            text.remove_prefix(1);
            state = {};
            continue;
        }
        width += static_cast<std::size_t>(std::max(0, ::wcwidth(character)));
        text.remove_prefix(used);
    }
    return width;
}

std::size_t terminal_width() {
    winsize size{};
    if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
        return 0;
    }
    return size.ws_col;
}

bool colours() {
    if (set_and_not_empty("CLICOLOR_FORCE")) {
        return true;
    }
    const char* term = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) != 0 && !set_and_not_empty("NO_COLOR") &&
           (term == nullptr || std::string_view{term} != "dumb");
}

std::string bold(const std::string& text) {
    return colours() ? "\x1b[1m" + text + "\x1b[0m" : text;
}

std::string coloured(const std::string& text, std::string_view word) {
    if (!colours()) {
        return text;
    }
    const char* colour = word == "active" || word == "good"   ? "\x1b[32m"
                         : word == "quiet"                    ? "\x1b[33m"
                         : word == "unknown" || word == "bad" ? "\x1b[31m"
                                                              : "";
    return *colour == '\0' ? text : colour + text + "\x1b[0m";
}

Table::Table(std::vector<std::string> head, std::vector<bool> right)
    : head_(std::move(head)), right_(std::move(right)) {
    right_.resize(head_.size(), false);
}

void Table::add(std::vector<std::string> row) {
    row.resize(head_.size());
    for (std::string& cell : row) {
        cell = safe(cell);
    }
    rows_.push_back(std::move(row));
}

std::string Table::text() const {
    std::vector<std::size_t> widths;
    for (std::size_t c = 0; c < head_.size(); ++c) {
        std::size_t widest = width_of(head_[c]);
        for (const auto& row : rows_) {
            widest = std::max(widest, width_of(row[c]));
        }
        widths.push_back(widest);
    }
    const std::size_t limit = terminal_width();
    std::size_t columns = head_.size();
    const auto total = [&] {
        std::size_t sum = 0;
        for (std::size_t c = 0; c < columns; ++c) {
            sum += widths[c] + (c > 0 ? 2 : 0);
        }
        return sum;
    };
    if (limit > 0) {
        // A name as long as a line gives way first, then the last column; then columns go.
        if (total() > limit) {
            for (std::size_t c = 0; c + 1 < columns; ++c) {
                widths[c] = right_[c] ? widths[c] : std::min(widths[c], std::max(name_column_min, limit / 3));
            }
        }
        const std::size_t others = total() - widths.back();
        if (total() > limit && others + last_column_min <= limit) {
            widths.back() = limit - others;
        }
        while (columns > 1 && total() > limit) {
            --columns;
        }
    }
    std::string out;
    const auto line = [&](const std::vector<std::string>& cells, bool heading) {
        std::string text;
        for (std::size_t c = 0; c < columns; ++c) {
            const std::string cell = cut(cells[c], widths[c]);
            const std::string pad(widths[c] - std::min(widths[c], width_of(cell)), ' ');
            text += c > 0 ? "  " : "";
            text += right_[c] ? pad + cell : cell + (c + 1 < columns ? pad : "");
        }
        out += (heading ? bold(text) : text) + "\n";
    };
    line(head_, true);
    for (const auto& row : rows_) {
        line(row, false);
    }
    if (columns < head_.size()) {
        out += "(not shown for want of room:";
        for (std::size_t c = columns; c < head_.size(); ++c) {
            out += " " + head_[c];
        }
        out += ")\n";
    }
    return out;
}

}  // namespace curfew::cli
