// A configuration that was edited at random, and no configuration at all.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <sstream>
#include <string>
#include <string_view>

using namespace curfew;

namespace {

const config::Defaults defaults{.state_dir = "/var/lib/curfew",
                                .api_socket = "/run/curfew/api.sock",
                                .admin_socket = "/run/curfew/admin.sock",
                                .config_dir = "/etc/curfew",
                                .price_file = "/usr/share/curfew/prices/paperspace.csv",
                                .host_name = "here.example"};

auto parsed(std::string_view text) {
    return config::parse(text, "c.toml", defaults, clock::load_zone);
}

/// Lines "#key = …" and "#[heading]" without their "#".
std::string uncommented(const std::string& text) {
    std::istringstream in(text);
    std::string out;
    for (std::string line; std::getline(in, line);) {
        const bool commented = line.size() > 1 && line[0] == '#' && line[1] != ' ' && line[1] != '#';
        out += (commented ? line.substr(1) : line) + "\n";
    }
    return out;
}

}  // namespace

TEST_CASE("garbage is refused, never more") {
    std::mt19937 random(20261124);  // NOLINT: the same garbage every time
    const std::string good = uncommented(config::default_file());
    const std::string spice = std::string("\"'[]{}=.,#\n\\\xff\xc3 \t0x1e+-_truinf:TZ") +
                              std::string(1, '\0');
    const auto pick = [&](std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
    };
    for (int round = 0; round < 400; ++round) {
        std::string text = good;
        for (std::size_t edits = 1 + pick(6); edits > 0; --edits) {
            const std::size_t at = pick(text.size());
            switch (pick(4)) {
                case 0:
                    text[at] = spice[pick(spice.size())];
                    break;
                case 1:
                    text.erase(at, 1 + pick(40));
                    break;
                case 2:
                    text.insert(at, 1 + pick(3), spice[pick(spice.size())]);
                    break;
                default:
                    text.insert(pick(text.size()), text.substr(at, pick(60)));
                    break;
            }
        }
        const auto result = parsed(text);
        if (!result) {
            CHECK_FALSE(result.error().empty());
            CHECK(std::ranges::none_of(result.error(), [](const config::Fault& fault) {
                return std::ranges::any_of(to_string(fault), [](unsigned char c) { return c < 0x20; });
            }));
        }
    }
    for (int round = 0; round < 400; ++round) {
        std::string text(pick(200), ' ');
        std::ranges::generate(text, [&] { return spice[pick(spice.size())]; });
        const auto result = parsed(text);
        CHECK((result.has_value() || !result.error().empty()));
    }
}
