// What costs without running, what came and went, and the provider's own figure.
#include "integration/paperspace/emulated.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace curfew;
using support::Account;

namespace {

/// An account whose add-ons are asked for with every list.
struct Team : Account {
    Team() {
        balance_key = emulator.of("balance_key");
        use([](AccountConfig&) {});
    }

    void use(const std::function<void(AccountConfig&)>& change) {
        adjust = [this, change](AccountConfig& config) {
            config.add_on_interval = Duration{1};
            config.balance_url = emulator.of("balance") + "/v2/customers/my/balance";
            change(config);
        };
        cloud = with(key);
    }

    std::string machine(const std::string& more) {
        return control("POST", "/machines",
                       R"({"name":"train-box","machineType":"A4000",)" + more + "}")["id"]
            .text();
    }
    std::string make(const std::string& kind, const std::string& more = {}) {
        return control("POST", "/add-ons", R"({"kind":")" + kind + R"(","name":"mine")" + more + "}")["id"]
            .text();
    }
    void verb(const std::string& id, const std::string& what) {
        control("POST", "/machines/" + id + "/" + what, "{}");
    }
    bool becomes(const std::string& id, const std::string& state) {
        return loop.until(
            [&] { return truth({ResourceKind::machine, ResourceId{id}, {}}, "state") == state; });
    }

    std::optional<std::vector<AddOn>> add_ons() {
        auto listing = list();
        REQUIRE(listing);
        REQUIRE(listing->complete);
        return listing->add_ons;
    }
    /// nullopt when it is not listed.
    std::optional<AddOn> one(const std::string& id) {
        const auto all = add_ons();
        REQUIRE(all);
        CHECK(std::ranges::count(*all, id, &AddOn::id) <= 1);
        const auto found = std::ranges::find(*all, id, &AddOn::id);
        return found == all->end() ? std::nullopt : std::optional{*found};
    }
    json::Value line(const std::string& run, const std::string& type) {
        const json::Value invoice = control("GET", "/invoice");
        for (const json::Value& line : invoice["lines"].items()) {
            if (line["run"].text() == run && line["machineType"].text() == type) {
                return line;
            }
        }
        return {};
    }
    Result<std::optional<Reported>> reported() { return loop.run(cloud->reported(in(seconds{60}))); }
    Result<std::vector<Run>> past(ResourceKind kind, const std::string& id, WallTime since) {
        return loop.run(cloud->past_runs(kind, ResourceId{id}, since, in(seconds{60})));
    }
};

bool equal(const std::optional<WallTime>& a, const std::optional<WallTime>& b) {
    return a && a == b;
}

}  // namespace

TEST_CASE(
    "a machine is listed with its price, its disk and its static address, which it loses when it goes") {
    Team t;
    const std::string id = t.machine(R"("publicIpType":"static","diskSize":60)");
    REQUIRE(t.becomes(id, "ready"));
    const auto listing = t.list();
    REQUIRE(listing);
    const Run run = support::find(*listing, ResourceId{id})->run;
    REQUIRE(run.listed_rate);
    CHECK(to_decimal(run.listed_rate->per_hour) == "0.760000000");
    const auto disk = t.one("disk/" + id);
    REQUIRE(disk);
    CHECK(disk->kind == AddOnKind::block_storage);
    CHECK(disk->resource == ResourceId{id});
    CHECK(disk->name == "disk of train-box");
    CHECK(disk->bytes == std::int64_t{60} << 30);
    CHECK(disk->billing);
    CHECK_FALSE(disk->orphan);
    CHECK(equal(disk->since, t.line(id, "block storage 100 GB")["from"].time()));
    const std::string address = "ip/" + run.address;
    const auto ip = t.one(address);
    REQUIRE(ip);
    CHECK(ip->kind == AddOnKind::public_ip);
    CHECK(ip->resource == ResourceId{id});
    CHECK(ip->billing);
    CHECK_FALSE(ip->orphan);
    CHECK(equal(ip->since, t.line(id, "public IP")["from"].time()));
    t.verb(id, "stop");
    REQUIRE(t.becomes(id, "off"));
    CHECK(t.one("disk/" + id)->billing);  // off, they cost on
    CHECK(t.one(address)->billing);
    t.verb(id, "destroy");
    for (const std::string& gone : {"disk/" + id, address}) {
        CAPTURE(gone);
        const auto ended = t.one(gone);
        REQUIRE(ended);
        CHECK_FALSE(ended->billing);
        CHECK(ended->until == t.line(id, "public IP")["to"].time());
    }
}

TEST_CASE("a machine that is listed as deleted is off, and ends what it had by its stamp") {
    Team t;
    const std::string id = t.machine(R"("publicIpType":"static",
        "set":{"dtDeleted":"2026-11-20T08:00:00.000Z","usageRate":-1,"storageTotal":53687091200})");
    const auto listing = t.list();
    REQUIRE(listing);
    const Resource* machine = support::find(*listing, ResourceId{id});
    REQUIRE(machine);
    CHECK(machine->run.state == RunState::stopped);
    CHECK_FALSE(machine->run.listed_rate);
    const auto disk = t.one("disk/" + id);
    REQUIRE(disk);
    CHECK(disk->bytes == 53687091200);
    CHECK_FALSE(disk->billing);
    CHECK(disk->until == parse_wall_time("2026-11-20T08:00:00.000Z").value());
}

TEST_CASE("a dynamic address costs while its machine is on, by the stamps of its run") {
    Team t;
    const std::string id = t.machine(R"("publicIpType":"dynamic")");
    const std::string bare = t.machine(R"("publicIpType":"none")");
    REQUIRE(t.becomes(id, "ready"));
    auto ip = t.one("ip/" + id);
    REQUIRE(ip);
    CHECK(ip->billing);
    CHECK_FALSE(ip->until);
    CHECK(equal(ip->since, t.line(id, "public IP")["from"].time()));
    t.hold(true);
    t.verb(id, "stop");
    CHECK(t.one("ip/" + id)->billing);  // it is on until it is off
    t.hold(false);
    REQUIRE(t.becomes(id, "off"));
    ip = t.one("ip/" + id);
    REQUIRE(ip);
    CHECK_FALSE(ip->billing);
    CHECK(equal(ip->until, t.line(id, "public IP")["to"].time()));
    const auto first = ip->since;
    t.verb(id, "start");
    ip = t.one("ip/" + id);
    REQUIRE(ip);
    CHECK(ip->billing);
    CHECK(ip->since > first);
    CHECK_FALSE(t.one("ip/" + bare));
    CHECK(t.one("disk/" + bare));
}

TEST_CASE("what belongs to a machine, to a network and to nobody") {
    Team t;
    const std::string box = t.machine(R"("publicIpType":"none","diskSize":250)");
    const std::string lost_ip = t.make("ip");
    const std::string network = t.make("network");
    const std::string empty_network = t.make("network");
    const std::string of_box = R"(,"machine":")" + box + "\"";
    const std::string of_nobody = R"(,"machine":"psgone")";
    struct Row {
        std::string id;
        AddOnKind kind;
        std::int64_t gibibytes;
        bool orphan;
        std::string resource;
    };
    const std::vector<Row> rows{
        {"ip/" + lost_ip, AddOnKind::public_ip, 0, true, ""},
        {"snapshot/" + t.make("snapshot", of_box), AddOnKind::snapshot, 250, false, box},
        {"snapshot/" + t.make("snapshot", of_nobody), AddOnKind::snapshot, 0, true, ""},
        {"snapshot/" + t.make("snapshot", of_nobody + R"(,"set":{"size":"70"})"), AddOnKind::snapshot, 70,
         true, ""},
        {"snapshot/" + t.make("snapshot", of_box + R"(,"set":{"size":75161927680})"), AddOnKind::snapshot, 70,
         false, box},
        {"drive/" + t.make("shared-drive", R"(,"sizeGb":500,"network":")" + network + "\""),
         AddOnKind::shared_drive, 500, false, ""},
        {"drive/" + t.make("shared-drive", R"(,"sizeGb":250)"), AddOnKind::shared_drive, 250, false, ""},
        {"drive/" + t.make("shared-drive", R"(,"network":"negone")"), AddOnKind::shared_drive, 50, true, ""},
        {"drive/" + t.make("shared-drive", R"(,"set":{"size":null})"), AddOnKind::shared_drive, 0, false, ""},
        {"template/" + t.make("template", of_box + R"(,"sizeGb":60)"), AddOnKind::template_image, 60, false,
         box},
        {"template/" + t.make("template", of_nobody), AddOnKind::template_image, 50, true, ""},
        {"network/" + network, AddOnKind::private_network, 0, false, ""},
        {"network/" + empty_network, AddOnKind::private_network, 0, true, ""}};
    const auto all = t.add_ons();
    REQUIRE(all);
    for (const Row& row : rows) {
        CAPTURE(row.id);
        const auto found = std::ranges::find(*all, row.id, &AddOn::id);
        REQUIRE(found != all->end());
        CHECK(found->kind == row.kind);
        CHECK(found->bytes == row.gibibytes << 30);
        CHECK(found->orphan == row.orphan);
        CHECK(found->resource.value == (row.resource.empty() ? row.id : row.resource));
        CHECK(found->billing);
        CHECK(found->since.has_value() == (row.kind != AddOnKind::snapshot));
    }
    CHECK(all->size() == rows.size() + 2);  // a disk, and the storage of the team
    t.control("POST", "/add-ons/" + lost_ip + "/remove", "{}");
    CHECK_FALSE(t.one("ip/" + lost_ip));
    t.control("POST", "/add-ons/" + network + "/set", R"({"dtDeleted":"2026-11-20T08:00:00.000Z"})");
    CHECK(t.one("network/" + network)->until == parse_wall_time("2026-11-20T08:00:00.000Z").value());
}

TEST_CASE("an address that is assigned is its machine's, and counted once") {
    Team t;
    const std::string box = t.machine(R"("publicIpType":"none")");
    const std::string address = t.make("ip", R"(,"set":{"assignedMachineId":")" + box + "\"}");
    const auto ip = t.one("ip/" + address);
    REQUIRE(ip);
    CHECK_FALSE(ip->orphan);
    CHECK(ip->resource == ResourceId{box});
    t.control("POST", "/machines/" + box + "/set",
              R"({"publicIpType":"static","publicIp":")" + address + "\"}");
    const auto same = t.one("ip/" + address);
    REQUIRE(same);
    CHECK(same->resource == ResourceId{box});
    CHECK(same->since == ip->since);
    t.control("POST", "/add-ons/" + address + "/set", R"({"assignedMachineId":null})");
    t.control("POST", "/machines/" + box + "/set", R"({"publicIpType":"none","publicIp":null})");
    CHECK(t.one("ip/" + address)->orphan);
}

TEST_CASE("storage above the plan, in either unit") {
    Team t;
    const auto none = t.one("overage/lab");
    REQUIRE(none);
    CHECK_FALSE(none->billing);
    t.control("POST", "/settings", R"({"utilization":{"totalUsage":"37580963840"}})");  // 20 GiB above
    auto above = t.one("overage/lab");
    REQUIRE(above);
    CHECK(above->kind == AddOnKind::overage);
    CHECK(above->resource.value == "overage/lab");
    CHECK(above->billing);
    CHECK(above->bytes == std::int64_t{20} << 30);
    t.use([](AccountConfig& config) { config.storage_unit = "GiB"; });
    CHECK(t.one("overage/lab")->bytes == 20'000'000'000);
    t.control("POST", "/settings", R"({"utilization":{"totalUsage":7}})");  // a number, and below the plan
    CHECK_FALSE(t.one("overage/lab")->billing);
    for (const std::string wrong : {R"("much")", "null", "-1", "1e3"}) {
        CAPTURE(wrong);
        t.control("POST", "/settings", R"({"utilization":{"totalFreeStorage":)" + wrong + "}}");
        CHECK_FALSE(t.add_ons());
    }
}

TEST_CASE("add-ons that cannot all be seen are unknown, never few") {
    Team t;
    t.machine(R"("publicIpType":"static")");
    for (int i = 0; i < 103; ++i) {
        t.make("snapshot");
    }
    CHECK(t.add_ons()->size() == 106);  // over two pages
    for (
        const std::string fault :
        {R"({"kind":"status","status":500,"match":{"path":"/public-ips"}})",
         R"({"kind":"status","status":403,"match":{"path":"/shared-drives"}})",
         R"({"kind":"status","status":500,"match":{"path":"/snapshots?limit=100&after"}})",
         R"({"kind":"garbage_json","match":{"path":"/snapshots?limit=100&after"}})",
         R"({"kind":"drop","match":{"path":"/private-networks"}})",
         R"({"kind":"empty_2xx_error","match":{"path":"/custom-templates"}})",
         R"({"kind":"status","status":200,"body":{"items":[{}],"hasMore":false},"match":{"path":"/snapshots"}})",
         R"({"kind":"status","status":200,"html":"<h1>no</h1>","match":{"path":"/storage-providers"}})",
         R"({"kind":"status","status":200,"body":{"items":"none","hasMore":false},"match":{"path":"/public-ips"}})"}) {
        CAPTURE(fault);
        t.fault(fault);
        CHECK_FALSE(t.add_ons());
        t.control("DELETE", "/faults");
    }
    t.fault(R"({"kind":"status","status":500,"match":{"path":"machine-events"}})");
    t.cloud = t.with(t.key);
    const auto listing = t.list();
    REQUIRE(listing);
    CHECK_FALSE(listing->complete);
    CHECK_FALSE(listing->add_ons);
    t.control("DELETE", "/faults");
    CHECK(t.add_ons()->size() == 106);
}

TEST_CASE("add-ons are asked for no more often than the configuration says, and only where they belong") {
    Team t;
    t.use([](AccountConfig& config) { config.add_on_interval = minutes{10}; });
    CHECK(t.add_ons());
    const std::int64_t before = t.calls("path=/public-ips");
    CHECK_FALSE(t.add_ons());
    CHECK(t.calls("path=/public-ips") == before);
    t.machine(R"("publicIpType":"static")");
    const auto notebooks = t.loop.run(t.with(t.key, true, false)->list(t.in(seconds{60})));
    REQUIRE(notebooks);
    REQUIRE(notebooks->add_ons);
    CHECK(notebooks->add_ons->size() == 1);  // the storage
    const auto machines = t.loop.run(t.with(t.key, false, true)->list(t.in(seconds{60})));
    REQUIRE(machines);
    REQUIRE(machines->add_ons);
    CHECK(machines->add_ons->size() == 2);  // a disk and an address
}

TEST_CASE("runs of a machine that came and went are told by its events") {
    Team t;
    const std::string id = t.machine(R"("publicIpType":"none")");
    REQUIRE(t.becomes(id, "ready"));
    t.verb(id, "stop");
    REQUIRE(t.becomes(id, "off"));
    const auto since = t.loop.scheduler().wall();
    for (int i = 0; i < 3; ++i) {
        t.verb(id, "start");
        REQUIRE(t.becomes(id, "ready"));
        t.verb(id, "stop");
        REQUIRE(t.becomes(id, "off"));
    }
    t.verb(id, "start");
    t.add_ons();
    auto past = t.past(ResourceKind::machine, id, since);
    REQUIRE(past);
    REQUIRE(past->size() == 3);  // not the one before, nor the one that runs
    const json::Value invoice = t.control("GET", "/invoice");
    std::size_t at = 0;
    for (const json::Value& line : invoice["lines"].items()) {
        if (line["kind"].text() == "compute" && at > 0 && at < 4) {
            const Run& run = (*past)[at - 1];
            CHECK(run.id.value.starts_with(id + "@evt"));
            CHECK(run.state == RunState::stopped);
            CHECK(run.machine_type == "A4000");
            CHECK(run.listed_rate);
            CHECK(equal(run.started_at, line["from"].time()));
            CHECK(equal(run.ended_at, line["to"].time()));
        }
        at += line["kind"].text() == "compute" ? 1 : 0;
    }
    CHECK(at == 5);
    // Another type since then: of which they were is not known, and nothing is made up.
    REQUIRE(t.becomes(id, "ready"));
    t.verb(id, "stop");
    REQUIRE(t.becomes(id, "off"));
    t.control("POST", "/machines/" + id + "/upgrade", R"({"machineType":"C5"})");
    t.add_ons();
    past = t.past(ResourceKind::machine, id, since);
    REQUIRE(past);
    REQUIRE(past->size() == 4);
    CHECK(past->front().machine_type.empty());
    CHECK_FALSE(past->front().listed_rate);
    // Events that cannot be read are no empty past.
    t.fault(R"({"kind":"status","status":500,"match":{"path":"machine-events"}})");
    CHECK_FALSE(t.past(ResourceKind::machine, id, since));
}

TEST_CASE("a machine's past over many pages ends where it is not asked for") {
    Team t;
    const std::string id = t.machine(R"("publicIpType":"none")");
    REQUIRE(t.becomes(id, "ready"));
    t.verb(id, "destroy");
    const auto past = t.past(ResourceKind::machine, id, WallTime{0});
    REQUIRE(past);
    REQUIRE(past->size() == 1);  // destroyed while it ran
    CHECK(past->front().ended_at);
    CHECK(past->front().machine_type.empty());
}

TEST_CASE(
    "runs of a notebook that came and went are told by the list, with their ends where those are known") {
    Team t;
    const RunRef first = t.notebook();
    const auto since = t.loop.scheduler().wall() - hours{1};
    t.end(first);
    const RunRef second = t.start(first);
    t.end(second);
    const RunRef third = t.start(second);
    t.add_ons();
    CHECK(t.past(ResourceKind::notebook, first.resource.value, since)->empty());  // one item: nothing is seen
    t.fault(R"({"kind":"several_items"})");
    t.add_ons();
    const auto past = t.past(ResourceKind::notebook, first.resource.value, since);
    REQUIRE(past);
    REQUIRE(past->size() == 2);
    CHECK(past->at(0).id == first.run);
    CHECK(past->at(1).id == second.run);
    CHECK(past->at(0).started_at);
    CHECK(past->at(0).machine_type == "A4000");
    CHECK(past->at(0).token.empty());
    CHECK_FALSE(past->at(0).ended_at);  // the older API knows a notebook's newest run only
    CHECK(t.calls("path=getNotebook&run=" + first.run.value) == 1);
    CHECK(
        t.past(ResourceKind::notebook, first.resource.value, t.loop.scheduler().wall() + hours{1})->empty());
}

TEST_CASE("the provider's own figure of the month") {
    Team t;
    t.notebook("small", R"("machineType":"A4000")");  // far below ten cents
    t.control("POST", "/settings", R"({"balance_drift":"12.5"})");
    const auto figure = t.reported();
    REQUIRE(figure);
    REQUIRE(*figure);
    CHECK(to_decimal((*figure)->month_to_date).starts_with("12.5"));
    CHECK((*figure)->month == utc_month_begin((*figure)->generated_at));
    CHECK(std::abs(((*figure)->generated_at - t.loop.scheduler().wall()).count()) < 60'000);
    CHECK(t.calls("host=balance") == 1);
    // Of another month once that is what it is from.
    t.control("POST", "/settings", R"({"balance_drift":"0","balance_delay_ms":5184000000})");
    const auto old = t.reported();
    REQUIRE(old);
    CHECK((*old)->month < (*figure)->month);
    CHECK((*old)->month_to_date == Money{0, usd});
    t.use([](AccountConfig& config) { config.balance_url.clear(); });
    const auto off = t.reported();
    REQUIRE(off);
    CHECK_FALSE(*off);
    CHECK(t.calls("host=balance") == 2);
}

TEST_CASE("a figure that cannot be used is an error, and a refused key tells nothing of the other one") {
    Team t;
    struct Row {
        std::string fault;
        Errc code;
    };
    const std::string usage = R"("month_to_date_usage")";
    const std::string at = R"("generated_at":"2026-11-20T08:00:00Z")";
    const auto body = [](const std::string& members) {
        return R"({"kind":"status","status":200,"body":{)" + members + "}}";
    };
    const std::vector<Row> rows{
        {R"({"kind":"status","status":401})", Errc::unauthorized},
        {R"({"kind":"status","status":429})", Errc::rate_limited},
        {R"({"kind":"status","status":200,"html":"<h1>Log in</h1>"})", Errc::protocol},
        {R"({"kind":"garbage_json"})", Errc::protocol},
        {R"({"kind":"status","status":302,"location":"https://example.com/"})", Errc::unsafe},
        {body(usage + R"(:"-3.50",)" + at), Errc::protocol},
        {body(usage + R"(:"9000000000",)" + at), Errc::protocol},
        {body(usage + R"(:"12,50",)" + at), Errc::protocol},
        {body(usage + ":null," + at), Errc::protocol},
        {body(at), Errc::protocol},
        {body(usage + R"(:"3.50")"), Errc::protocol},
        {body(usage + R"(:"3.50","generated_at":"soon")"), Errc::protocol},
        {body(usage + R"(:"3.50","generated_at":"2126-11-20T08:00:00Z")"), Errc::protocol}};
    for (const Row& row : rows) {
        CAPTURE(row.fault);
        t.fault(row.fault);
        const auto figure = t.reported();
        REQUIRE_FALSE(figure);
        CHECK(figure.error().code == row.code);
        CHECK(to_string(figure.error()).find("account lab") != std::string::npos);
        t.control("DELETE", "/faults");
    }
    t.balance_key = t.key;
    t.use([](AccountConfig&) {});
    const auto refused = t.reported();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::unauthorized);
    CHECK(to_string(refused.error()).find(t.key) == std::string::npos);
}
