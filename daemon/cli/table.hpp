// Tables for people: aligned by display width, guests' names with control characters escaped, columns dropped
// from the right when the terminal is narrow (and named in a note), never wrapped in a pipe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::cli {

/// Control characters as "?", so that a name cannot move the cursor.
std::string safe(std::string_view text);
/// Columns that a terminal shows for UTF-8 text.
std::size_t width_of(std::string_view text);
/// 0 when stdout is no terminal.
std::size_t terminal_width();
bool colours();
std::string bold(const std::string& text);
std::string coloured(const std::string& text, std::string_view word);  // by a state or verdict

class Table {
public:
    explicit Table(std::vector<std::string> head, std::vector<bool> right = {});
    void add(std::vector<std::string> row);
    bool empty() const { return rows_.empty(); }
    std::string text() const;

private:
    std::vector<std::string> head_;
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace curfew::cli
