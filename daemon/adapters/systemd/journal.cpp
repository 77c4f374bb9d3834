#include "adapters/systemd/journal.hpp"

#include <spdlog/details/log_msg.h>
#include <systemd/sd-daemon.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace curfew::systemd {

namespace {

const char* priority_of(spdlog::level::level_enum level) {
    switch (level) {
        case spdlog::level::trace:
        case spdlog::level::debug:
            return SD_DEBUG;
        case spdlog::level::warn:
            return SD_WARNING;
        case spdlog::level::err:
            return SD_ERR;
        case spdlog::level::critical:
            return SD_CRIT;
        case spdlog::level::info:
        case spdlog::level::off:
        case spdlog::level::n_levels:
            break;
    }
    return SD_INFO;
}

}  // namespace

bool logs_to_journal() {
    // The variable is inherited also by programs whose standard error goes elsewhere: device and inode tell.
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat own{};
    return stream != nullptr && ::fstat(STDERR_FILENO, &own) == 0 &&
           std::to_string(own.st_dev) + ":" + std::to_string(own.st_ino) == stream;
}

std::string with_priority(spdlog::level::level_enum level, const std::string& text) {
    const std::string prefix = priority_of(level);
    std::string lines = prefix;
    for (const char c : text) {
        lines += c;
        if (c == '\n') {
            lines += prefix;
        }
    }
    return lines;
}

void JournalFormatter::format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& into) {
    const std::string text = with_priority(message.level, {message.payload.data(), message.payload.size()});
    into.append(text.data(), text.data() + text.size());
    into.push_back('\n');
}

std::unique_ptr<spdlog::formatter> JournalFormatter::clone() const {
    return std::make_unique<JournalFormatter>();
}

}  // namespace curfew::systemd
