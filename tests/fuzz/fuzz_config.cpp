// Any text: a configuration or faults, each with a place inside the text.
#include "adapters/config/config.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const curfew::config::Defaults defaults{"/state",      "/run/api",    "/run/admin",
                                            "/etc/curfew", "/prices.csv", "host"};
    const auto zones = [](std::string_view name) -> curfew::Result<curfew::Zone> {
        return name == "UTC" ? curfew::Result<curfew::Zone>{curfew::Zone{}}
                             : curfew::fail(curfew::Errc::invalid, "unknown");
    };
    const auto loaded = curfew::config::parse({reinterpret_cast<const char*>(data), size}, "fuzz.toml",
                                              defaults, zones);
    if (!loaded) {
        for (const auto& fault : loaded.error()) {
            if (fault.line < 0 || curfew::config::to_string(fault).empty()) {
                std::abort();
            }
        }
    }
    return 0;
}
