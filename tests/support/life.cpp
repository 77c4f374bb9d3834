#include "support/life.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

namespace curfew::test {

namespace {

std::vector<std::shared_ptr<Channel>> with(std::vector<std::shared_ptr<Channel>> channels,
                                           std::shared_ptr<Channel> first) {
    channels.insert(channels.begin(), std::move(first));
    return channels;
}

Parts parts_of(std::shared_ptr<const Config> config, std::shared_ptr<Cloud> cloud,
               std::shared_ptr<FakeChannel> channel, std::shared_ptr<FakeVault> vault, PriceBook prices,
               const Outside& outside) {
    return {.config = std::move(config),
            .clouds = {{AccountName{"me"}, std::move(cloud)}},
            .channels = with(outside.channels, std::move(channel)),
            .vaults = {std::move(vault)},
            .prices = std::move(prices),
            .heartbeat = outside.heartbeat,
            .disks = outside.disks};
}

}  // namespace

PriceBook prices() {
    return *PriceBook::parse_csv(
        "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\nA4000,0.76,1,A4000,16,2025-11-14,\n",
        "test");
}

std::shared_ptr<Config> basic_config() {
    auto config = std::make_shared<Config>();
    config->mode = Mode::enforce;
    AccountConfig account;
    account.name = AccountName{"me"};
    config->accounts = {account};
    config->vaults = {{.name = VaultName{"home"}, .kind = "folder", .path = "/vault", .required = true}};
    ChannelConfig channel;
    channel.name = ChannelName{"mail"};
    config->channels = {channel};
    config->routing.channels = {channel.name};
    // Told at once and once, so that stories can count; what grouping and repeats do is shown where they are tested.
    config->alerts.group_wait = Duration{0};
    config->alerts.group_interval = Duration{0};
    config->alerts.repeat_critical = hours{24 * 365};
    config->alerts.repeat_warning = hours{24 * 365};
    Rule rule;
    rule.name = RuleName{"idle"};
    rule.mode = Mode::enforce;
    rule.idle_limit = hours{1};
    config->rules = {rule};
    config->alerts.summary.reset();  // its own stories have it
    return config;
}

Result<Budget> parse_budget(const std::string& document, const Config& config) {
    const auto space = document.find(' ');
    const auto amount = space == std::string::npos ? Result<Money>{fail(Errc::invalid, "no amount")}
                                                   : parse_money(document.substr(space + 1));
    if (!amount) {
        return std::unexpected(amount.error());
    }
    Budget budget;
    budget.name = BudgetName{document.substr(0, space)};
    budget.amount = *amount;
    budget.zone = config.zone;
    budget.thresholds = {{50, ThresholdAction::notify}, {100, ThresholdAction::stop}};
    budget.mode = Mode::enforce;
    return budget;
}

Life::Life(boost::asio::io_context& loop, ManualScheduler& time, Store& rows, FakeWorld& world_,
           std::shared_ptr<Config> config, std::shared_ptr<FakeChannel> channel,
           std::shared_ptr<FakeVault> vault, PriceBook book, Outside outside, std::uint64_t entropy_from)
    : io(loop), scheduler(time), entropy(entropy_from), door(world_),
      cloud(std::make_shared<FakeCloud>(world_)),
      tasks(loop.get_executor(), [](const std::string& bug) { FAIL(bug); }),
      world{.loop = loop.get_executor(),
            .scheduler = time,
            .entropy = entropy,
            .store = rows,
            .guests = door,
            .clouds = {},
            .config = {},
            .picture = {}},
      daemon(
          world,
          parts_of(std::move(config), cloud, std::move(channel), std::move(vault), std::move(book), outside),
          supervisor, tasks, outside.assemble, [](std::string_view) { return true; }, parse_budget) {
    started = await(daemon.start()).has_value();
    if (started) {
        daemon.run();
    }
    scheduler.settle();
}

Parts Rig::parts() const {
    return parts_of(config, life->cloud, mail, vault, prices, outside);
}

Life::~Life() {
    bool ended = false;
    boost::asio::co_spawn(io, daemon.shut_down(), [&](const std::exception_ptr&) { ended = true; });
    for (int i = 0; i < 100 && !ended; ++i) {
        scheduler.run_for(seconds{1});
    }
    CHECK(ended);
    CHECK(tasks.running() == 0);  // I13
}

}  // namespace curfew::test
