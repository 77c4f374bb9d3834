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

    Result<Receipt> pack() {
        PackOrder order;
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
