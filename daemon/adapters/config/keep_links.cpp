#include "adapters/config/keep_links.hpp"

#include "adapters/config/addresses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace curfew::config {

namespace {

/// Of this host and of nobody's Internet; a name could become another address overnight.
bool own_address(std::string_view host) {
    const bool literal = host.find(':') != std::string_view::npos ||
                         std::ranges::none_of(host, [](unsigned char c) { return std::isalpha(c) != 0; });
    const bool every = host == "::" || host == "0.0.0.0";
    return literal && !every && is_private(host);
}

bool has_path(std::string_view url) {
    return url.find('/', url.find("://") + 3) != std::string_view::npos;
}

void check_listen(const Block& block, Faults& faults) {
    const std::string host = host_of_endpoint(block.text("listen"));
    if (host.empty()) {
        return;  // missing, or at fault itself
    }
    if (!own_address(host)) {
        faults.add(
            block.place_of("listen"),
            "`listen` must be one loopback or private address, since nothing is encrypted there; let a "
            "reverse proxy face the Internet");
    } else if (!is_loopback(host) && !block.flag("plain_http")) {
        faults.add(block.place_of("listen"),
                   "`listen` is not loopback, so links would pass your network unencrypted; say plain_http = "
                   "true if that is meant");
    }
}

void check_public(const Block& block, Faults& faults) {
    const std::string text = block.text("public_url");
    const auto url = split_url(text);
    if (!url) {
        return;
    }
    if (has_path(text)) {
        faults.add(block.place_of("public_url"),
                   "`public_url` must be scheme and host alone, without a path");
    }
    if (url->scheme == "http" && !block.flag("plain_http")) {
        faults.add(block.place_of("public_url"),
                   "`public_url` must be https; say plain_http = true if links may pass unencrypted");
    }
}

}  // namespace

KeepLinkConfig keep_link_of(const Block& block, const KeepPolicy& keep, Faults& faults) {
    const bool listens = block.given("listen");
    if (listens != block.given("public_url")) {
        faults.add(block.place_of(listens ? "listen" : "public_url"),
                   fmt::format("`{}` needs `{}` as well", listens ? "listen" : "public_url",
                               listens ? "public_url" : "listen"));
    }
    check_listen(block, faults);
    check_public(block, faults);
    const Duration length = block.duration("length");
    if (listens && length > keep.max_at_once) {
        faults.add(block.place_of("length"),
                   fmt::format("`length` is above `max_at_once` of [keep], which is {}",
                               curfew::to_string(keep.max_at_once)));
    }
    return {.listen = block.text("listen"),
            .public_url = block.text("public_url"),
            .plain_http = block.flag("plain_http"),
            .length = length};
}

}  // namespace curfew::config
