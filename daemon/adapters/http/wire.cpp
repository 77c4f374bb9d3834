#include "adapters/http/wire.hpp"

#include <algorithm>

namespace curfew::http {

bool is_clean(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) || c == '\t'; });
}

std::string host_header(const Origin& origin) {
    const bool default_port = origin.port == (origin.scheme == "https" ? 443 : 80);
    const std::string host = origin.host.find(':') != std::string::npos ? "[" + origin.host + "]"
                                                                        : origin.host;
    return host + (default_port ? "" : ":" + std::to_string(origin.port));
}

Traffic::Count Traffic::of(const Origin& origin, Instant now) {
    const Key key{origin.scheme, origin.host, origin.port};
    auto entry = origins_.find(key);
    if (entry == origins_.end()) {
        forget(now);
        entry = origins_.emplace(key, Entry{std::make_shared<std::int64_t>(0), now, {}}).first;
        entry->second.place = by_use_.insert(by_use_.end(), &entry->first);
    }
    entry->second.used = now;
    by_use_.splice(by_use_.end(), by_use_, entry->second.place);
    return entry->second.count;
}

std::int64_t Traffic::bytes(const Origin& origin) const {
    const auto entry = origins_.find({origin.scheme, origin.host, origin.port});
    return entry == origins_.end() ? 0 : *entry->second.count;
}

void Traffic::forget(Instant now) {
    while (!by_use_.empty()) {
        const auto oldest = origins_.find(*by_use_.front());
        if (now - oldest->second.used < idle_max && origins_.size() < origins_max) {
            return;
        }
        by_use_.pop_front();
        origins_.erase(oldest);
    }
}

}  // namespace curfew::http
