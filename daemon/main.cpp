// curfewd: the one place where the real clock meets the real network. Reads the configuration, makes every
// part, starts them in order and ends them in reverse.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"
#include "adapters/disk/statvfs_gauge.hpp"
#include "adapters/heartbeat/http_heartbeat.hpp"
#include "adapters/http/client.hpp"
#include "adapters/http/json.hpp"
#include "adapters/jupyter/guest.hpp"
#include "adapters/keep_key/keep_key.hpp"
#include "adapters/mail/mail_channel.hpp"
#include "adapters/paperspace/cloud.hpp"
#include "adapters/process/runner.hpp"
#include "adapters/sqlite/store.hpp"
#include "adapters/ssh/guest.hpp"
#include "adapters/systemd/journal.hpp"
#include "adapters/systemd/supervisor.hpp"
#include "adapters/vault/folder_vault.hpp"
#include "adapters/vault/workers.hpp"
#include "adapters/webhook/http_channel.hpp"
#include "curfew/api/api.hpp"
#include "curfew/api/keep_pages.hpp"
#include "curfew/api/wire.hpp"
#include "curfew/app/daemon.hpp"
#include "curfew/app/historian.hpp"
#include "curfew/app/keep_links.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace {

using namespace curfew;
namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr int exit_locked = 75;  // EX_TEMPFAIL: another daemon, may go away
constexpr int exit_config = 78;  // EX_CONFIG: the same again would fail again
constexpr int exit_bug = 70;     // EX_SOFTWARE
constexpr int api_read_patience = 1;
constexpr Duration heartbeat_timeout = seconds{10};
constexpr Duration last_answers = seconds{1};

struct Options {
    std::string config;
    bool check_only = false;
    std::string log_level = "info";
    clock::ClockOptions clock;
    bool real_limits = false;  // accelerated: time limits of accounts as long as they were in real time
    int crash_at = 0;          // for the crash tests: SIGKILL at the n-th point of an enforcement
};

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

std::string host_name() {
    std::array<char, HOST_NAME_MAX + 1> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "localhost";
}

constexpr std::string_view machine_prices = "paperspace.csv";
constexpr std::string_view add_on_prices = "paperspace-add-ons.csv";

std::string shipped(std::string_view name) {
    std::error_code error;
    const fs::path own = fs::read_symlink("/proc/self/exe", error);
    const fs::path beside = own.parent_path().parent_path() / "share/curfew/prices" / name;
    return fs::exists(beside, error) ? beside.string() : "/usr/share/curfew/prices/" + std::string{name};
}

/// The shipped add-on prices lie beside the shipped machine prices, also where those were put elsewhere.
std::string shipped_add_ons(const std::string& price_file) {
    std::error_code error;
    const fs::path beside = fs::path(price_file).parent_path() / add_on_prices;
    return fs::exists(beside, error) ? beside.string() : shipped(add_on_prices);
}

std::string home_or(const char* variable, const char* below_home) {
    const std::string given = environment(variable);
    return given.starts_with('/') ? given : environment("HOME") + below_home;
}

std::string default_config() {
    return ::geteuid() == 0 ? "/etc/curfew/curfew.toml"
                            : home_or("XDG_CONFIG_HOME", "/.config") + "/curfew/curfew.toml";
}

/// The system's places for root and for the unit, XDG places for a plain user.
config::Defaults defaults_for(const std::string& config_file) {
    const bool system = ::geteuid() == 0 || config_file.starts_with("/etc/");
    config::Defaults d;
    d.state_dir = environment("STATE_DIRECTORY");
    if (d.state_dir.empty()) {
        d.state_dir = system ? "/var/lib/curfew" : home_or("XDG_STATE_HOME", "/.local/state") + "/curfew";
    }
    const std::string runtime = environment("XDG_RUNTIME_DIR");
    const std::string sockets = system                     ? "/run/curfew"
                                : runtime.starts_with('/') ? runtime + "/curfew"
                                                           : d.state_dir;
    d.api_socket = sockets + "/" + std::string{api::api_socket_name};
    d.admin_socket = sockets + "/" + std::string{api::admin_socket_name};
    d.config_dir = fs::path(config_file).parent_path().string();
    d.price_file = shipped(machine_prices);
    d.host_name = host_name();
    return d;
}

void print_error(spdlog::level::level_enum level, const std::string& text) {
    std::fprintf(stderr, "%s\n",
                 (systemd::logs_to_journal() ? systemd::with_priority(level, text) : text).c_str());
}

void print_faults(const std::vector<config::Fault>& faults) {
    for (const config::Fault& fault : faults) {
        print_error(spdlog::level::err, config::to_string(fault));
    }
    print_error(spdlog::level::err, std::to_string(faults.size()) + " fault" +
                                        (faults.size() == 1 ? "" : "s") + "; nothing was started");
}

std::string joined(const std::vector<config::Fault>& faults) {
    std::string text;
    for (const config::Fault& fault : faults) {
        text += (text.empty() ? "" : "\n") + config::to_string(fault);
    }
    return text;
}

Result<Rule> parse_rule(const std::string& text, const std::string& file) {
    auto rule = config::parse_rule(text, file);
    return rule ? Result<Rule>{std::move(*rule)} : fail(Errc::invalid, joined(rule.error()));
}

Result<Budget> parse_budget(const std::string& text, const Config& config) {
    auto budget = config::parse_budget(text, "budget", config, clock::load_zone);
    return budget ? Result<Budget>{std::move(*budget)} : fail(Errc::invalid, joined(budget.error()));
}

Result<std::string> read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return fail(Errc::not_found, "cannot read this file", path);
    }
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

Result<void> read_add_ons(const std::string& path, PriceBook& into) {
    auto text = read_text(path);
    return text ? into.read_add_ons(*text, path) : Result<void>{std::unexpected(text.error())};
}

Result<PriceBook> read_machines(const std::string& path) {
    auto text = read_text(path);
    return text ? PriceBook::parse_csv(*text, path) : Result<PriceBook>{std::unexpected(text.error())};
}

Result<PriceBook> read_prices(const Config& config) {
    auto book = read_machines(config.price_file);
    auto overrides = config.price_overrides.empty() ? Result<PriceBook>{PriceBook{}}
                                                    : read_machines(config.price_overrides);
    if (!book || !overrides) {
        return book ? overrides : book;
    }
    auto add_ons = read_add_ons(shipped_add_ons(config.price_file), *book);
    auto own = config.add_on_prices.empty() ? Result<void>{} : read_add_ons(config.add_on_prices, *overrides);
    if (!add_ons || !own) {
        return std::unexpected(add_ons ? own.error() : add_ons.error());
    }
    book->merge(*overrides);
    return book;
}

/// Makes every part that comes out of a configuration, at start and at each reload.
class Assembly {
public:
    Assembly(Options options, asio::any_io_executor loop, Scheduler& scheduler, http::Client& client)
        : options_(std::move(options)), loop_(std::move(loop)), scheduler_(scheduler), client_(client),
          workers_(std::make_shared<vault::Workers>(loop_, 2)),
          disks_(std::make_shared<disk::StatvfsGauge>(loop_)) {}
    Assembly(const Assembly&) = delete;
    Assembly& operator=(const Assembly&) = delete;
    ~Assembly() { workers_->join(); }

    Result<Parts> from_file() {
        auto loaded = config::load(options_.config, defaults_for(options_.config), clock::load_zone);
        if (!loaded) {
            return fail(Errc::invalid, joined(loaded.error()));
        }
        return from(std::move(loaded->config));
    }

    Result<Parts> from(Config config) {
        for (SshConfig& block : config.ssh) {
            auto path = systemd::private_file(block.key_file);
            if (!path) {
                return fail(path.error().code, "ssh: " + to_string(path.error()));
            }
            block.key_file = std::move(*path);
        }
        if (options_.real_limits) {
            for (AccountConfig& account : config.accounts) {
                account.request_timeout *= options_.clock.speed;
                account.list_timeout *= options_.clock.speed;
            }
        }
        Parts parts;
        parts.config = std::make_shared<const Config>(std::move(config));
        auto prices = read_prices(*parts.config);
        if (!prices) {
            return std::unexpected(prices.error());
        }
        parts.prices = std::move(*prices);
        for (const AccountConfig& account : parts.config->accounts) {
            auto key = systemd::read_secret(account.key_file);
            if (!key) {
                return fail(key.error().code,
                            "account " + account.name.value + ": " + to_string(key.error()));
            }
            Secret balance_key;
            if (!account.balance_key_file.empty()) {
                auto read = systemd::read_secret(account.balance_key_file);
                if (!read) {
                    return fail(read.error().code,
                                "account " + account.name.value + ", balance: " + to_string(read.error()));
                }
                balance_key = std::move(*read);
            }
            parts.clouds[account.name] = paperspace::make_cloud(
                account, {.key = std::move(*key), .balance_key = std::move(balance_key)}, client_,
                scheduler_);
        }
        for (const VaultConfig& vault : parts.config->vaults) {
            parts.vaults.push_back(std::make_shared<vault::FolderVault>(
                vault.name, vault.path, vault.required, scheduler_, workers_));
        }
        for (const ChannelConfig& channel : parts.config->channels) {
            auto made = make_channel(channel, *parts.config);
            if (!made) {
                return fail(made.error().code,
                            "channel " + channel.name.value + ": " + to_string(made.error()));
            }
            parts.channels.push_back(std::move(*made));
        }
        auto heartbeat = make_heartbeat(parts.config->heartbeat);
        if (!heartbeat) {
            return fail(heartbeat.error().code, "heartbeat: " + to_string(heartbeat.error()));
        }
        parts.heartbeat = std::move(*heartbeat);
        parts.disks = disks_;
        return parts;
    }

private:
    /// Null = none is configured.
    Result<std::shared_ptr<Heartbeat>> make_heartbeat(const HeartbeatConfig& config) {
        if (config.url.empty() && config.url_file.empty()) {
            return nullptr;
        }
        Secret url{config.url};
        if (config.url.empty()) {
            auto read = systemd::read_secret(config.url_file);
            if (!read) {
                return std::unexpected(read.error());
            }
            url = std::move(*read);
        }
        return heartbeat::make_heartbeat(config, url, heartbeat_timeout * options_.clock.speed, client_,
                                         scheduler_);
    }

    Result<std::shared_ptr<Channel>> make_channel(const ChannelConfig& channel, const Config& config) {
        if (channel.kind == "mail") {
            auto password = secret_of("password_file", channel.password_file);
            if (!password) {
                return std::unexpected(password.error());
            }
            return std::make_shared<mail::MailChannel>(channel, std::move(*password), config.public_name,
                                                       loop_, scheduler_);
        }
        auto files = files_of(channel);
        return files ? webhook::make_channel(channel, std::move(*files), config.public_name, client_,
                                             scheduler_)
                     : std::unexpected(files.error());
    }

    static Result<webhook::FileContents> files_of(const ChannelConfig& channel) {
        auto url = secret_of("url_file", channel.url_file);
        auto key = secret_of("secret_file", channel.secret_file);
        auto old_key = secret_of("old_secret_file", channel.old_secret_file);
        auto token = secret_of("token_file", channel.token_file);
        for (const auto* read : {&url, &key, &old_key, &token}) {
            if (!*read) {
                return std::unexpected(read->error());
            }
        }
        auto text = channel.template_file.empty() ? Result<std::string>{} : read_text(channel.template_file);
        if (!text) {
            return fail(text.error().code, "template_file: " + text.error().text, text.error().where);
        }
        return webhook::FileContents{.url = std::move(*url),
                                     .signing_key = std::move(*key),
                                     .old_signing_key = std::move(*old_key),
                                     .token = std::move(*token),
                                     .template_text = std::move(*text)};
    }

    /// nullopt where the key is not given.
    static Result<std::optional<Secret>> secret_of(const char* key, const std::string& file) {
        if (file.empty()) {
            return std::nullopt;
        }
        auto read = systemd::read_secret(file);
        return read
                   ? Result<std::optional<Secret>>{std::move(*read)}
                   : fail(read.error().code, std::string{key} + ": " + read.error().text, read.error().where);
    }

    Options options_;
    asio::any_io_executor loop_;
    Scheduler& scheduler_;
    http::Client& client_;
    std::shared_ptr<vault::Workers> workers_;
    std::shared_ptr<disk::StatvfsGauge> disks_;
};

/// Everybody who waits on an inherited socket gets an answer before we leave for good: otherwise the manager
/// would start us again at once, for ever.
void answer_waiting(const std::map<std::string, int>& sockets) {
    static constexpr char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        "Content-Length: 40\r\n\r\ncurfewd cannot start: see its own log.  \n";
    for (const auto& [name, fd] : sockets) {
        for (int i = 0; i < 64; ++i) {
            const int client = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
            if (client < 0) {
                break;
            }
            (void)::send(client, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            ::close(client);
        }
    }
}

int fatal(int code, const std::string& text) {
    print_error(spdlog::level::critical, "curfewd: " + text);
    return code;
}

/// The way out that the environment names; plain http never takes it, so HTTP_PROXY is not read.
Result<std::optional<http::Proxy>> proxy_of_environment() {
    const auto either = [](const char* lower, const char* upper) {
        const std::string value = environment(lower);
        return value.empty() ? environment(upper) : value;
    };
    const std::string address = either("https_proxy", "HTTPS_PROXY");
    if (address.empty()) {
        return std::nullopt;
    }
    auto proxy = http::parse_proxy(address, either("no_proxy", "NO_PROXY"));
    return proxy ? Result<std::optional<http::Proxy>>{std::move(*proxy)}
                 : fail(proxy.error().code, proxy.error().text, "HTTPS_PROXY");
}

http::ClientOptions client_options(const clock::ClockOptions& clock, std::optional<http::Proxy> proxy) {
    // The network does not run faster because our clock does.
    http::ClientOptions options;
    options.connect_timeout *= clock.speed;
    options.stall_timeout *= clock.speed;
    options.idle_max *= clock.speed;
    options.age_max *= clock.speed;
    options.proxy = std::move(proxy);
    return options;
}

process::Options process_options(const clock::ClockOptions& clock) {
    process::Options options;
    options.grace *= clock.speed;
    options.drain *= clock.speed;
    return options;
}

/// Notebooks are asked through their own server, machines over ssh.
class Doors final : public GuestDoor {
public:
    Doors(std::unique_ptr<GuestDoor> notebooks, std::unique_ptr<GuestDoor> machines)
        : notebooks_(std::move(notebooks)), machines_(std::move(machines)) {}
    std::unique_ptr<Guest> open(const AccountName& account, const Resource& resource,
                                const Run& run) override {
        GuestDoor& door = resource.kind == ResourceKind::machine ? *machines_ : *notebooks_;
        return door.open(account, resource, run);
    }

private:
    std::unique_ptr<GuestDoor> notebooks_;
    std::unique_ptr<GuestDoor> machines_;
};

class Service {
public:
    Service(Options options, std::map<std::string, int> inherited, std::optional<http::Proxy> proxy)
        : options_(std::move(options)), inherited_(std::move(inherited)),
          scheduler_(io_.get_executor(), options_.clock),
          client_(io_.get_executor(), scheduler_, client_options(options_.clock, std::move(proxy))),
          programs_(io_.get_executor(), scheduler_, process_options(options_.clock)),
          assembly_(options_, io_.get_executor(), scheduler_, client_),
          signals_(io_, SIGTERM, SIGINT, SIGHUP), tasks_(io_.get_executor(), [this](const std::string& what) {
              spdlog::critical("event=bug text=\"{}\"", what);
              exit_code_ = exit_bug;
              begin_shutdown();
          }) {}
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    int run(Config config) {
        auto parts = assembly_.from(std::move(config));
        if (!parts) {
            answer_waiting(inherited_);
            return fatal(exit_config, to_string(parts.error()));
        }
        std::error_code ignored;
        fs::create_directories(parts->config->state_dir, ignored);
        ::chmod(parts->config->state_dir.c_str(), 0700);
        auto opened = sqlite::open(
            parts->config->state_dir + "/curfew.db", io_.get_executor(), [](const std::string& text) {
                spdlog::critical("event=disk_failed text=\"{}\"", text);
                spdlog::shutdown();
                std::_Exit(
                    1);  // nothing that this process says can be trusted; the next start reads the world anew
            });
        if (!opened) {
            const bool locked = opened.error().code == Errc::locked;
            const bool wrong = opened.error().code == Errc::invalid;
            if (wrong || locked) {
                answer_waiting(inherited_);
            }
            return fatal(locked ? exit_locked : wrong ? exit_config : 1, to_string(opened.error()));
        }
        store_ = std::move(opened->store);
        recovered_ = std::move(opened->recovered);
        compose(std::move(*parts));
        asio::co_spawn(io_, start(), [this](const std::exception_ptr& bug) { ended(bug); });
        io_.run();
        return exit_code_;
    }

private:
    void compose(Parts parts) {
        door_ = std::make_unique<Doors>(
            std::make_unique<jupyter::JupyterDoor>(
                client_, scheduler_, [this](const AccountName& name) { return world_->account(name); },
                [this] { return static_cast<int>(world_->config->guest_connections_max); }),
            std::make_unique<ssh::SshDoor>(
                programs_, [this]() -> const std::vector<SshConfig>& { return world_->config->ssh; },
                parts.config->state_dir + "/ssh"));
        sockets_ = {.api_path = parts.config->api_socket,
                    .admin_path = parts.config->admin_socket,
                    .api_fd = {},
                    .admin_fd = {}};
        if (const auto fd = inherited_.find("api"); fd != inherited_.end()) {
            sockets_.api_fd = fd->second;
        }
        if (const auto fd = inherited_.find("admin"); fd != inherited_.end()) {
            sockets_.admin_fd = fd->second;
        }
        world_ = std::make_unique<World>(World{.loop = io_.get_executor(),
                                               .scheduler = scheduler_,
                                               .entropy = entropy_,
                                               .store = *store_,
                                               .guests = *door_,
                                               .clouds = {},
                                               .config = {},
                                               .picture = {},
                                               .at_point = [](std::string_view) {}});
        world_->at_point = [this](std::string_view name) {
            spdlog::debug("event=point number={} name=\"{}\"", ++points_, name);
            if (points_ == options_.crash_at) {
                ::kill(::getpid(), SIGKILL);
            }
        };
        signer_ = make_signer(*parts.config);
        daemon_ = std::make_unique<Daemon>(
            *world_, with_buttons(std::move(parts)), supervisor_, tasks_,
            [this]() -> Result<Parts> {
                auto anew = assembly_.from_file();
                return anew ? with_buttons(std::move(*anew)) : std::move(anew);
            },
            [](std::string_view text) { return json::is_whole_notebook(text); }, parse_budget);
        reporter_ = std::make_unique<Reporter>(*world_, daemon_->prices());
        money_ = std::make_unique<MoneyReporter>(*world_, *reporter_, daemon_->outlook(), daemon_->prices());
        historian_ = std::make_unique<Historian>(*world_, *reporter_);
        handler_ = std::make_unique<api::Handler>(*world_, *daemon_, *reporter_, *money_, *historian_,
                                                  parse_rule);
        const auto answer = [this](api::Request request, api::Peer peer) {
            return handler_->handle(std::move(request), std::move(peer));
        };
        server_ = std::make_unique<api::Server>(io_.get_executor(), scheduler_, answer, tasks_,
                                                api_read_patience * options_.clock.speed);
        keep_links_ = std::make_unique<KeepLinks>(*world_, *signer_, daemon_->holds());
        keep_pages_ = std::make_unique<api::KeepPages>(*world_, *keep_links_);
    }

    /// Without a listener there is no key.
    std::unique_ptr<KeepSigner> make_signer(const Config& config) {
        if (config.keep_link.listen.empty()) {
            return std::make_unique<KeepSigner>(*world_, KeepMac{});
        }
        const std::string path = config.state_dir + "/keep_link.key";
        auto made = keep_key::make(path, entropy_);
        auto key = made ? systemd::read_secret(path) : Result<Secret>{std::unexpected(made.error())};
        if (!key) {
            no_links_ = "the key of keep links: " + to_string(key.error());
        }
        return std::make_unique<KeepSigner>(*world_, key ? keep_key::mac_by(std::move(*key)) : KeepMac{});
    }

    /// Channels that show a button carry signed links.
    Parts with_buttons(Parts parts) const {
        const std::string& address = parts.config->keep_link.listen;
        if (daemon_ && address != signer_->listening()) {
            spdlog::warn("event=keep_link_needs_restart address=\"{}\" listening=\"{}\"", address,
                         signer_->listening());
        }
        for (std::shared_ptr<Channel>& channel : parts.channels) {
            const auto config = std::ranges::find(parts.config->channels, channel->name(),
                                                  &ChannelConfig::name);
            if (config != parts.config->channels.end() && config->kind == "ntfy") {
                channel = std::make_shared<ButtonChannel>(std::move(channel), *signer_);
            }
        }
        return parts;
    }

    /// Warnings and stops do not depend on it: trouble here is told, and nothing else.
    void listen_for_presses() {
        const std::string& address = world_->config->keep_link.listen;
        if (address.empty()) {
            return daemon_->resolve("keep_link");
        }
        if (no_links_.empty()) {
            auto listening = server_->start_keep_links(address,
                                                       [this](api::Request request, const api::Peer&) {
                                                           return keep_pages_->handle(std::move(request));
                                                       });
            if (listening) {
                signer_->listening(address);
                spdlog::info("event=keep_links address={}", address);
                return daemon_->resolve("keep_link");
            }
            no_links_ = to_string(listening.error());
        }
        spdlog::error("event=no_keep_links error=\"{}\"", no_links_);
        daemon_->raise("keep_link", AlertKind::config, "Warnings have no keep button: " + no_links_);
    }

    void ended(const std::exception_ptr& bug) {
        if (!bug) {
            return;
        }
        try {
            std::rethrow_exception(bug);
        } catch (const std::exception& e) {
            spdlog::critical("event=bug text=\"{}\"", e.what());
        }
        spdlog::shutdown();
        std::_Exit(exit_bug);
    }

    Task<void> start() {
        auto started = co_await daemon_->start();
        if (!started) {
            exit_code_ = fatal(1, to_string(started.error()));
            begin_shutdown();
            co_return;
        }
        if (!recovered_.empty()) {
            spdlog::critical("event=database_recovered text=\"{}\"", recovered_);
            daemon_->raise(std::string{Health::replaced_key}, AlertKind::database, recovered_);
        }
        for (const std::string* path : {&sockets_.api_path, &sockets_.admin_path}) {
            std::error_code ignored;
            fs::create_directories(fs::path(*path).parent_path(), ignored);
        }
        auto listening = server_->start(sockets_);
        if (!listening) {
            exit_code_ = fatal(listening.error().code == Errc::locked ? exit_locked : 1,
                               to_string(listening.error()));
            begin_shutdown();
            co_return;
        }
        listen_for_presses();
        wait_for_signal();
        daemon_->run();
        supervisor_.ready();
        spdlog::info("event=ready api={} admin={} mode={}", sockets_.api_path, sockets_.admin_path,
                     to_string(world_->config->mode));
    }

    void wait_for_signal() {
        signals_.async_wait([this](const boost::system::error_code& error, int signal) {
            if (error) {
                return;
            }
            if (signal == SIGHUP) {
                tasks_.spawn("reload", reload());  // what came of it is told by log, alert and status line
            } else if (stopping_) {
                std::_Exit(1);  // asked twice
            } else {
                begin_shutdown();
            }
            wait_for_signal();
        });
    }

    Task<void> reload() { (void)co_await daemon_->reload("curfewd (SIGHUP)"); }

    void begin_shutdown() {
        if (!std::exchange(stopping_, true)) {
            asio::co_spawn(io_, shut_down(), [this](const std::exception_ptr& bug) { ended(bug); });
        }
    }

    Task<void> shut_down() {
        server_->stop();
        // Who was let in has asked, or is about to: they are answered before the rest ends.
        const Instant until = scheduler_.mono() + last_answers * options_.clock.speed;
        while (server_->busy() && scheduler_.mono() < until) {
            co_await scheduler_.sleep_for(Duration{10} * options_.clock.speed);
        }
        co_await daemon_->shut_down();
        co_await client_.close();
        signals_.cancel();
        io_.stop();
    }

    Options options_;
    std::map<std::string, int> inherited_;
    asio::io_context io_{1};
    clock::RealScheduler scheduler_;
    clock::SystemEntropy entropy_;
    http::Client client_;
    process::Runner programs_;
    Assembly assembly_;
    systemd::SystemdSupervisor supervisor_;
    asio::signal_set signals_;
    TaskGroup tasks_;
    api::Sockets sockets_;
    std::string recovered_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<GuestDoor> door_;
    std::unique_ptr<World> world_;
    std::unique_ptr<Daemon> daemon_;
    std::unique_ptr<Reporter> reporter_;
    std::unique_ptr<MoneyReporter> money_;
    std::unique_ptr<Historian> historian_;
    std::unique_ptr<api::Handler> handler_;
    std::unique_ptr<KeepSigner> signer_;
    std::unique_ptr<KeepLinks> keep_links_;
    std::unique_ptr<api::KeepPages> keep_pages_;
    std::unique_ptr<api::Server> server_;
    std::string no_links_;  // why
    int points_ = 0;
    int exit_code_ = 0;
    bool stopping_ = false;
};

void set_up_log(const std::string& level) {
    auto logger = spdlog::stderr_logger_st("curfewd");
    if (::isatty(STDERR_FILENO) != 0) {
        logger->set_pattern("%Y-%m-%dT%H:%M:%SZ %l %v", spdlog::pattern_time_type::utc);
    } else if (systemd::logs_to_journal()) {
        logger->set_formatter(std::make_unique<systemd::JournalFormatter>());
    } else {
        logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc);
    }
    logger->set_level(spdlog::level::from_str(level));
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
}

int serve(const Options& options) {
    auto inherited = systemd::inherited_sockets();
    if (!inherited) {
        return fatal(1, to_string(inherited.error()));
    }
    auto loaded = config::load(options.config, defaults_for(options.config), clock::load_zone);
    if (!loaded) {
        print_faults(loaded.error());
        answer_waiting(*inherited);
        return exit_config;
    }
    for (const config::Fault& warning : loaded->warnings) {
        spdlog::warn("event=config_warning text=\"{}\"", config::to_string(warning));
    }
    auto proxy = proxy_of_environment();
    if (!proxy) {
        answer_waiting(*inherited);
        return fatal(exit_config, to_string(proxy.error()));
    }
    if (*proxy) {
        spdlog::info("event=proxy host={} port={}", (*proxy)->host, (*proxy)->port);
    }
    Service service(options, std::move(*inherited), std::move(*proxy));
    return service.run(std::move(loaded->config));
}

int check(const Options& options) {
    const auto loaded = config::load(options.config, defaults_for(options.config), clock::load_zone);
    if (!loaded) {
        print_faults(loaded.error());
        return exit_config;
    }
    for (const config::Fault& warning : loaded->warnings) {
        std::fprintf(stderr, "warning: %s\n", config::to_string(warning).c_str());
    }
    if (const auto prices = read_prices(loaded->config); !prices) {
        print_error(spdlog::level::err, to_string(prices.error()) + "\n1 fault; nothing was started");
        return exit_config;
    }
    std::printf("%s: no faults\n", options.config.c_str());
    return 0;
}

/// Whoever starts it may have blocked them, for itself or by mistake: then no SIGTERM would ever arrive.
void unblock_signals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    ::prctl(PR_SET_DUMPABLE, 0);  // keys and tokens are in memory
    std::signal(SIGPIPE, SIG_IGN);
    unblock_signals();
    Options options{.config = default_config(),
                    .check_only = false,
                    .log_level = "info",
                    .clock = {},
                    .real_limits = false,
                    .crash_at = 0};
    bool print_config = false;
    bool print_man = false;
    CLI::App app{"curfewd: packs and stops idle rented GPUs", "curfewd"};
    app.set_version_flag("--version", "curfewd " + std::string{api::version_text});
    app.add_option("--config", options.config, "configuration file")->capture_default_str();
    app.add_flag("--check-config", options.check_only,
                 "read the configuration and its price tables, print every fault, exit 78 if there is one");
    app.add_option("--log-level", options.log_level, "trace, debug, info, warning, error")
        ->capture_default_str();
    app.add_flag("--print-default-config", print_config, "print the commented configuration file");
    app.add_flag("--print-man", print_man, "print the manual page of the configuration file");
    app.add_option("--clock-speed", options.clock.speed, "accelerated clock, for demonstrations and tests")
        ->check(CLI::Range(1, 100'000));
    app.add_option("--clock-origin", options.clock.origin.ms,
                   "accelerated: wall time in ms at --clock-start");
    app.add_option("--clock-start", options.clock.start_real.ms,
                   "accelerated: real wall time in ms of the origin");
    app.add_flag("--clock-real-limits", options.real_limits,
                 "accelerated: an account's time limits are as long in real time");
    app.add_option("--crash-at", options.crash_at,
                   "for tests: kill this process at the n-th point of an enforcement")
        ->check(CLI::PositiveNumber);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : static_cast<int>(api::Exit::usage);
    }
    if (print_config || print_man) {
        std::fputs((print_config ? config::default_file() : config::manual_page()).c_str(), stdout);
        return 0;
    }
    set_up_log(options.log_level);
    return options.check_only ? check(options) : serve(options);
}
