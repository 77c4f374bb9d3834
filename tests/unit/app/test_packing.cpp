#include "support/life.hpp"

using namespace curfew;
using namespace curfew::test;

namespace {

/// Packs notebook "demo" into two vaults; what `on_read` does happens at every read of a file.
struct TwoVaults {
    Rig rig;
    std::shared_ptr<FakeVault> first = std::make_shared<FakeVault>(rig.scheduler);
    std::shared_ptr<FakeVault> second = std::make_shared<FakeVault>(rig.scheduler);
    FakeNotebook& notebook = rig.world.add("demo");
    Packer packer{rig.scheduler, {first, second}, [](std::string_view) { return true; }};

    bool partial_ok = false;

    Result<Receipt> pack() {
        PackOrder order;
        order.policy.partial_ok = partial_ok;
        order.receipt = ReceiptId{"rcp_1"};
        order.account = AccountName{"me"};
        order.resource = notebook.resource;
        return await(
            rig.io, rig.scheduler,
            packer.pack(std::make_shared<FakeGuest>(rig.world, "demo"), order, rig.scheduler.in(hours{1})));
    }
};

}  // namespace

TEST_CASE("one receipt speaks for vaults that hold the same files") {
    TwoVaults two;
    const auto receipt = two.pack();
    REQUIRE(receipt);
    CHECK(receipt->verified);
    CHECK(receipt->proofs.size() == 2);
}

TEST_CASE("files that change from one vault to the next are no verified copy (I1)") {
    TwoVaults two;
    int reads = 0;
    two.rig.world.on_read = [&] {
        if (++reads == 2) {
            two.notebook.files["more.txt"] = {"more", 1'500'000};
        }
    };
    const auto receipt = two.pack();
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == Errc::changing);
    CHECK(receipt.error().may_retry());
    CHECK(two.first->published.size() == 1);
    CHECK(two.second->published.empty());
    two.rig.world.on_read = {};
    CHECK(two.pack());
}

TEST_CASE("a file that only one of the vaults got makes no receipt for both (I1)") {
    TwoVaults two;
    two.partial_ok = true;
    two.notebook.files = {{"a.txt", {"a", 1'000'000}}, {"b.txt", {"b", 1'000'000}}};
    int reads = 0;
    bool in_both = false;
    SECTION("it could be read for the first alone") {}
    SECTION("nobody got it") {
        in_both = true;
    }
    // It cannot be read, and is listed again before the next look at the tree.
    two.rig.world.on_read = [&] {
        ++reads;
        if (reads == 3 || (in_both && reads == 1)) {
            two.notebook.files.erase("a.txt");
        } else {
            two.notebook.files["a.txt"] = {"a", 1'000'000};
        }
    };
    const auto receipt = two.pack();
    if (in_both) {
        REQUIRE(receipt);
        CHECK(receipt->partial());
        CHECK(receipt->proofs.size() == 2);
        return;
    }
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().may_retry());
    CHECK(two.second->published.empty());
    two.rig.world.on_read = {};
    CHECK(two.pack());
}

TEST_CASE("a look that hangs writes nothing meanwhile") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    int due = 0;
    rig.life->world.at_point = [&](std::string_view point) {
        due += point == "durable due" ? 1 : 0;
        n.guest_hangs = n.guest_hangs || point == "durable due";
    };
    rig.scheduler.run_for(minutes{75});
    CHECK(due == 1);  // and not once more every five seconds of the two minutes that the look may take
    CHECK(rig.world.stop_calls.empty());
}
