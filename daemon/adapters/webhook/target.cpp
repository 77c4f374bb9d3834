#include "adapters/webhook/target.hpp"

namespace curfew::webhook {

Result<std::string> Target::said(const Answer& answer) const {
    return answer.body;
}

std::optional<Duration> Target::wait_in(std::string_view) const {
    return std::nullopt;
}

Result<void> no_page(const Answer& answer) {
    const std::size_t first = answer.body.find_first_not_of(" \t\r\n");
    const bool markup = first != std::string::npos && answer.body[first] == '<';
    if (markup || answer.content_type.find("html") != std::string::npos) {
        return fail(Errc::protocol,
                    "HTTP " + std::to_string(answer.status) + " with a web page: somebody else answered", {},
                    Retry::later());
    }
    return {};
}

}  // namespace curfew::webhook
