// curfew-emulator: Paperspace on loopback, with real notebooks behind it and its own idea of what they cost.
#include "certificates.hpp"
#include "emulator.hpp"
#include "isolation.hpp"
#include "server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace {

using namespace emulator;
namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr const char* usage =
    "usage: curfew-emulator --state-dir DIR [--prices CSV] [--speed N] [--origin MS] [--start-real MS]\n"
    "                       [--guests real|standin] [--key KEY]... [--teardown-ms N] [--boot-ms N]\n";

struct Options {
    WorldOptions world;
    std::string prices;
    std::optional<std::int64_t> speed;
    std::optional<Millis> origin;
    std::optional<Millis> start_real;
    std::vector<std::string> keys;
};

std::int64_t whole(const std::string& name, const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
        throw std::runtime_error{name + " needs a whole number, not \"" + text + "\""};
    }
    return value;
}

Options parse(int argc, char** argv) {
    Options options;
    if (fs::exists(EMULATOR_DEFAULT_PRICES)) {
        options.prices = EMULATOR_DEFAULT_PRICES;
    }
    for (int i = 1; i < argc; ++i) {
        std::string name = argv[i];
        std::string value;
        if (const std::size_t equals = name.find('='); equals != std::string::npos) {
            value = name.substr(equals + 1);
            name.resize(equals);
        } else if (i + 1 < argc) {
            value = argv[++i];
        } else {
            throw std::runtime_error{name + " needs a value"};
        }
        if (name == "--state-dir") {
            options.world.state_dir = fs::absolute(value);
        } else if (name == "--prices") {
            options.prices = value;
        } else if (name == "--speed") {
            options.speed = whole(name, value);
            if (*options.speed < 1) {
                throw std::runtime_error{"--speed must be at least 1"};
            }
        } else if (name == "--origin") {
            options.origin = whole(name, value);
        } else if (name == "--start-real") {
            options.start_real = whole(name, value);
        } else if (name == "--guests") {
            if (value != "real" && value != "standin") {
                throw std::runtime_error{"--guests is real or standin"};
            }
            options.world.real_guests = value == "real";
        } else if (name == "--key") {
            options.keys.push_back(value);
        } else if (name == "--teardown-ms") {
            options.world.teardown_ms = whole(name, value);
        } else if (name == "--boot-ms") {
            options.world.boot_ms = whole(name, value);
        } else {
            throw std::runtime_error{"unknown option " + name};
        }
    }
    if (options.world.state_dir.empty()) {
        throw std::runtime_error{"--state-dir is missing"};
    }
    return options;
}

VirtualClock clock_of(const Options& options) {
    if (!options.speed && !options.origin && !options.start_real) {
        return {};
    }
    const Millis start = options.start_real.value_or(VirtualClock::real_now());
    return {options.origin.value_or(start), start, options.speed.value_or(1)};
}

/// Ends every guest, waits for them, and leaves without unwinding the coroutines that still wait.
asio::awaitable<void> leave(World& world) {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (int i = 0; i < 1000 && !world.all_exited(); ++i) {
        world.kill_all();
        timer.expires_after(std::chrono::milliseconds{10});
        co_await timer.async_wait(asio::use_awaitable);
    }
    std::fflush(nullptr);
    std::_Exit(0);
}

int run(Options options) {
    options.world.isolated = options.world.real_guests && isolation_works();
    asio::io_context context{1};
    const auto executor = context.get_executor();
    fs::create_directories(options.world.state_dir);
    fs::permissions(options.world.state_dir, fs::perms::owner_all);

    Emulator emulator;
    emulator.clock = clock_of(options);
    if (!options.prices.empty()) {
        emulator.prices.load(options.prices);
    }
    World world{executor, emulator.clock, emulator.prices, options.world};
    emulator.world = &world;
    for (const std::string& key : options.keys) {
        world.add_team(key);
    }
    if (options.keys.empty()) {
        world.add_team(world.random_text(30, "0123456789abcdef"));
    }

    emulator.balance_key = "dop_v1_" + world.random_text(64, "0123456789abcdef");
    emulator.storage.resize(world.teams().size());
    for (TeamStorage& storage : emulator.storage) {
        storage.set({{"totalFreeStorage", "16106127360"},
                     {"remainingFreeStorage", "3221225472"},
                     {"totalUsage", "12884901888"},
                     {"modelUsage", "0"},
                     {"datasetUsage", "4294967296"},
                     {"sharedStorageUsage", "4294967296"},
                     {"notebookWorkspaceUsage", "4294967296"}},
                    emulator.clock.now());
    }

    const std::string ca_file = (options.world.state_dir / "ca.pem").string();
    auto tls = make_tls(ca_file, cluster_domain);
    const auto plain = [&](const char* host) {
        return "http://127.0.0.1:" + std::to_string(serve_api(executor, emulator, host, nullptr));
    };
    const auto address = [](std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); };
    const json ready{{"v1", plain("v1") + "/v1"},
                     {"legacy", plain("legacy")},
                     {"logs", plain("logs")},
                     {"services", plain("services")},
                     {"metrics_connect", address(serve_api(executor, emulator, "metrics", &tls))},
                     {"guest_connect_tls", address(serve_guests(executor, emulator, &tls))},
                     {"guest_connect_plain", address(serve_guests(executor, emulator, nullptr))},
                     {"balance", plain("balance")},
                     {"balance_key", emulator.balance_key},
                     {"control", plain("control")},
                     {"isolated", options.world.isolated},
                     {"ca_file", ca_file},
                     {"key", world.teams().front().key}};

    asio::signal_set signals{context, SIGTERM, SIGINT};
    signals.async_wait([&](const boost::system::error_code& error, int) {
        if (!error) {
            asio::co_spawn(context, leave(world), asio::detached);
        }
    });
    asio::co_spawn(context, world.sample_guests(), asio::detached);
    std::printf("%s\n", ready.dump().c_str());
    std::fflush(stdout);
    context.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::strcmp(argv[1], keeper_mode) == 0) {
        return keeper_main(argc, argv);
    }
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return run(parse(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "curfew-emulator: %s\n%s", error.what(), usage);
        return 2;
    }
}
