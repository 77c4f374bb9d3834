// Keep links over the life of the daemon, and what their pages answer.
#include "adapters/keep_key/keep_key.hpp"
#include "curfew/api/keep_pages.hpp"
#include "curfew/app/keep_links.hpp"
#include "support/life.hpp"

using namespace curfew;
using namespace curfew::test;

namespace {

const KeepMac ours = keep_key::mac_by(Secret{"one key"});

struct Pressing : Rig {
    Pressing() {
        config->keep_link = {.listen = "127.0.0.1:8123", .public_url = "https://keep.example:8443"};
        notebook = &world.add("demo");
    }
    void start() {
        begin();
        signer = std::make_unique<KeepSigner>(life->world, ours);
        signer->listening("127.0.0.1:8123");
        links = std::make_unique<KeepLinks>(life->world, *signer, life->daemon.holds());
        pages = std::make_unique<api::KeepPages>(life->world, *links);
    }
    void again() {
        pages.reset();
        links.reset();
        life.reset();
        start();
    }
    /// Until the first warning is there.
    Message warned() {
        for (int i = 0; i < 120 && told(AlertKind::stop_warning) == 0; ++i) {
            scheduler.run_for(minutes{1});
        }
        REQUIRE(told(AlertKind::stop_warning) == 1);
        return mail->delivered.back();
    }
    std::string token_for(const Message& warning) const {
        REQUIRE(warning.keep_url);
        const auto url = signer->sign(*warning.keep_url);
        REQUIRE(url);
        return std::string{token_of_keep_url(*url)};
    }
    api::Request request(const std::string& method, const std::string& token) const {
        return {.method = method, .path = "/k/" + token, .hosts = {"keep.example:8443"}};
    }
    api::Reply ask(api::Request request) { return life->await(pages->handle(std::move(request))); }
    int ask(const std::string& method, const std::string& token) {
        return ask(request(method, token)).status;
    }
    std::string made(KeepLink link) const { return keep_token(keep_payload(link).value(), ours); }
    KeepLink link(const std::string& warning) const {
        return {.resource = notebook->resource.id,
                .run = notebook->resource.run.id,
                .valid_until = scheduler.now().wall + hours{1},
                .length = hours{1},
                .warning = warning};
    }
    std::size_t holds() const { return store.hold_rows.size(); }

    FakeNotebook* notebook;
    std::unique_ptr<KeepSigner> signer;
    std::unique_ptr<KeepLinks> links;
    std::unique_ptr<api::KeepPages> pages;
};

class Phone final : public Channel {
public:
    const ChannelName& name() const override { return name_; }
    Task<Result<Delivered>> deliver(Parcel parcel, Deadline) override {
        shown = parcel.message.keep_url;
        co_return Delivered{.answer = "taken"};
    }
    std::optional<std::string> shown;

private:
    ChannelName name_{"phone"};
};

bool holds_text(const api::Reply& reply, const std::string& text) {
    return reply.body.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("a press puts the stop off for an hour, once, and the audit says by which warning") {
    Pressing p;
    p.start();
    const Message warning = p.warned();
    const std::string token = p.token_for(warning);
    CHECK(p.ask("GET", token) == 200);
    CHECK(p.ask("GET", token) == 200);  // previews do nothing, however often
    CHECK(p.holds() == 0);
    const api::Reply kept = p.ask(p.request("POST", token));
    CHECK(kept.status == 200);
    CHECK(holds_text(kept, "Kept: demo goes on until "));
    CHECK(holds_text(kept, "It costs $0.76."));
    REQUIRE(p.holds() == 1);
    const Hold hold = p.store.hold_rows.begin()->second;
    CHECK(hold.link == warning.id);
    CHECK(hold.until - hold.from == hours{1});
    CHECK(hold.run == p.notebook->resource.run.id);
    const auto audit = std::ranges::find(p.store.audits, std::string{"hold.placed"}, &AuditRow::kind);
    REQUIRE(audit != p.store.audits.end());
    CHECK(audit->text.find("keep link sent with warning " + warning.id) != std::string::npos);
    const api::Reply second = p.ask(p.request("POST", token));
    CHECK(second.status == 410);
    CHECK(holds_text(second, "This link was used at " + to_string(WallTime{hold.from.ms / 1000 * 1000})));
    CHECK(holds_text(second, "Nothing was done now."));
    CHECK(p.ask("GET", token) == 410);
    p.again();  // it is the store that knows
    CHECK(p.ask("POST", token) == 410);
    CHECK(p.holds() == 1);
    p.scheduler.run_for(minutes{50});
    CHECK(p.world.stop_calls.empty());
    p.scheduler.run_for(hours{2});
    CHECK(p.world.stop_calls.size() == 1);
}

TEST_CASE("two presses at once place one hold") {
    Pressing p;
    p.start();
    const std::string token = p.token_for(p.warned());
    std::vector<int> statuses;
    for (int i = 0; i < 3; ++i) {
        boost::asio::co_spawn(p.io, p.pages->handle(p.request("POST", token)),
                              [&](const std::exception_ptr& bug, const api::Reply& reply) {
                                  REQUIRE_FALSE(bug);
                                  statuses.push_back(reply.status);
                              });
    }
    p.scheduler.settle();
    std::ranges::sort(statuses);
    CHECK(statuses == std::vector{200, 409, 409});
    CHECK(p.holds() == 1);
}

TEST_CASE("a link is for its run and its time") {
    Pressing p;
    p.start();
    const std::string token = p.token_for(p.warned());
    KeepLink over = p.link("msg_over");
    over.valid_until = p.scheduler.wall();
    const api::Reply expired = p.ask(p.request("POST", p.made(over)));
    CHECK(expired.status == 410);
    CHECK(holds_text(expired, "expired"));
    p.world.end(*p.notebook);
    p.scheduler.run_for(minutes{3});
    const api::Reply off = p.ask(p.request("POST", token));
    CHECK(off.status == 409);
    CHECK(holds_text(off, "not running"));
    p.world.start(*p.notebook);
    p.scheduler.run_for(minutes{3});
    const api::Reply newer = p.ask(p.request("POST", token));
    CHECK(newer.status == 409);
    CHECK(holds_text(newer, "started anew"));
    CHECK(p.ask("GET", token) == 409);
    CHECK(p.holds() == 0);
}

TEST_CASE("limits of keeps and hard budgets are those of every keep, and a refused link is not spent") {
    Pressing p;
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.amount = Money{3'000'000'000};
    budget.thresholds = {{100, ThresholdAction::stop}};
    budget.mode = Mode::enforce;
    p.config->budgets = {budget};
    p.start();
    p.scheduler.run_for(minutes{5});
    KeepLink long_one = p.link("msg_long");
    long_one.length = hours{4};
    const std::string token = p.made(long_one);
    const api::Reply refused = p.ask(p.request("POST", token));
    CHECK(refused.status == 409);
    CHECK(holds_text(refused, "(budget team)"));
    long_one = p.link("msg_longer");
    long_one.length = hours{13};
    CHECK(holds_text(p.ask(p.request("POST", p.made(long_one))), "at most 12h at a time"));
    CHECK(p.ask("GET", token) == 200);  // not spent
    p.store.failing = Error{Errc::disk_full, Retry::later(), "the disk is full", "database"};
    const std::string other = p.made(p.link("msg_short"));
    const api::Reply later = p.ask(p.request("POST", other));
    CHECK(later.status == 503);
    CHECK(std::ranges::find(later.headers, std::pair<std::string, std::string>{"Retry-After", "60"}) !=
          later.headers.end());
    p.store.failing.reset();
    CHECK(p.ask("POST", other) == 200);
    CHECK(p.holds() == 1);
}

TEST_CASE("strangers learn nothing and reach nothing") {
    Pressing p;
    p.start();
    const std::string token = p.token_for(p.warned());
    const std::string missing = p.ask(p.request("GET", "")).body;
    for (const std::string& bad :
         {std::string{"x"}, token + "A", token.substr(1), std::string{"../v1/status"}}) {
        for (const char* method : {"GET", "POST", "PUT", "DELETE"}) {
            const api::Reply reply = p.ask(p.request(method, bad));
            CHECK(reply.status == 404);
            CHECK(reply.body == missing);
        }
    }
    for (const char* path : {"/", "/v1/status", "/metrics", "/k", "/k//"}) {
        api::Request other = p.request("GET", token);
        other.path = path;
        CHECK(p.ask(other).status == 404);
    }
    api::Request query = p.request("POST", token);
    query.query["a"] = "b";
    CHECK(p.ask(query).status == 404);
    for (const char* method : {"PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}) {
        CHECK(p.ask(method, token) == 405);
    }
    for (const std::vector<std::string>& hosts : {std::vector<std::string>{},
                                                  {"evil.example"},
                                                  {"127.0.0.1:8123"},
                                                  {"localhost:8443"},
                                                  {"keep.example"},
                                                  {"keep.example:8443", "keep.example:8443"},
                                                  {"keep.example:8443."},
                                                  {"keep.example.:8443"},
                                                  {""}}) {
        api::Request wrong = p.request("POST", token);
        wrong.hosts = hosts;
        CHECK(p.ask(wrong).status == 421);
    }
    for (const char* origin :
         {"https://evil.example", "null", "http://keep.example:8443", "https://keep.example"}) {
        api::Request foreign = p.request("POST", token);
        foreign.origin = origin;
        const api::Reply reply = p.ask(foreign);
        CHECK(reply.status == 403);
        for (const auto& [name, value] : reply.headers) {
            CHECK_FALSE(name.starts_with("Access-Control"));
        }
    }
    CHECK(p.holds() == 0);
    api::Request own = p.request("POST", token);
    own.origin = "https://keep.example:8443";
    own.hosts = {"KEEP.example:8443"};
    CHECK(p.ask(own).status == 200);
}

TEST_CASE("a name from a guest is text on the page, never markup") {
    Pressing p;
    p.notebook->resource.name = "<script>alert('1')</script>&\"";
    p.start();
    p.scheduler.run_for(minutes{2});
    api::Request request = p.request("GET", p.made(p.link("msg_1")));
    request.accept = "text/html,application/xhtml+xml";
    const api::Reply page = p.ask(request);
    CHECK(page.status == 200);
    CHECK(page.content_type == "text/html; charset=utf-8");
    CHECK(holds_text(page, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"));
    CHECK_FALSE(holds_text(page, "<script"));
    CHECK(holds_text(page, "<form method=\"post\"><button>"));
}

TEST_CASE("guesses are slowed down, and lock nobody out") {
    Pressing p;
    p.start();
    const std::string token = p.token_for(p.warned());
    int refused = 0;
    for (int i = 0; i < 200; ++i) {
        refused += p.ask("POST", "guess" + std::to_string(i)) == 429 ? 1 : 0;
    }
    CHECK(refused == 140);
    CHECK(p.ask("POST", token) == 200);
    p.scheduler.run_for(seconds{1});
    refused = 0;
    for (int i = 0; i < 20; ++i) {
        refused += p.ask("POST", "guess") == 429 ? 1 : 0;
    }
    CHECK(refused == 10);
}

TEST_CASE("a parcel of a button carries a signed link, or none when it cannot be pressed") {
    Pressing p;
    p.start();
    const Message warning = p.warned();
    auto phone = std::make_shared<Phone>();
    ButtonChannel button(phone, *p.signer);
    CHECK(button.name() == ChannelName{"phone"});
    const auto carried = [&] {
        auto sent = p.life->await(
            button.deliver({.message = warning, .to = {}}, Deadline{p.scheduler.mono() + minutes{1}}));
        REQUIRE(sent);
        return phone->shown;
    };
    const auto url = carried();
    REQUIRE(url);
    CHECK(read_keep_token(token_of_keep_url(*url), ours));
    CHECK(url->starts_with("https://keep.example:8443/k/"));
    p.signer->listening("");  // the port was taken
    CHECK_FALSE(carried());
    CHECK(p.ask("POST", std::string{token_of_keep_url(*url)}) == 404);
    p.signer->listening("127.0.0.1:8123");
    CHECK(carried() == url);
    p.scheduler.run_for(hours{30});
    CHECK_FALSE(carried());
}

TEST_CASE("what no keep can put off has no link, and neither has anything without a listener") {
    Pressing p;
    p.config->keep_link = {};
    p.begin();
    CHECK_FALSE(p.warned().keep_url);
    Pressing aged;
    aged.config->rules.front().max_age = hours{2};
    aged.config->rules.front().idle_limit = hours{20};
    aged.start();
    CHECK_FALSE(aged.warned().keep_url);
}
