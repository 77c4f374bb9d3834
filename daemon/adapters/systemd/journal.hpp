// Log lines as the journal wants them.
#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string>

namespace curfew::systemd {

/// Whether standard error goes to the journal.
bool logs_to_journal();

/// `text` with its priority ("<3>" for error) before every line of it: the journal takes one line for one entry.
std::string with_priority(spdlog::level::level_enum level, const std::string& text);

/// Messages with their priority. Time and name are the journal's own affair.
class JournalFormatter final : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& into) override;
    std::unique_ptr<spdlog::formatter> clone() const override;
};

}  // namespace curfew::systemd
