// A webhook's body and signature, without a server.
#include "adapters/webhook/payload.hpp"

#include "adapters/webhook/signature.hpp"
#include "adapters/webhook/target.hpp"
#include "peers.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::webhook;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

namespace {

std::string standard(const Message& message) {
    return standard_target()->letter({.message = message, .to = {}})->body;
}

}  // namespace

TEST_CASE("a payload holds the whole message", "[webhook]") {
    const auto event = nlohmann::json::parse(standard(peers::warning()));
    CHECK(event["type"] == "curfew." + std::string{to_string(AlertKind::stop_warning)});
    CHECK(event["timestamp"] == "2026-11-23T10:15:00Z");
    const auto& data = event["data"];
    CHECK(data["id"] == "msg_0123456789ab");
    CHECK(data["alert"] == "al_77");
    CHECK(data["severity"] == "warning");
    CHECK(data["state"] == "firing");
    CHECK(data["title"] == peers::warning().title);
    CHECK(data["body"] == peers::warning().body);
    CHECK(data["do_next"] == "curfew keep demo --for 2h");
    CHECK(data["account"] == "team");
    CHECK(data["resource"] == "n8k2");
    CHECK(data["resource_name"] == "demo");
    CHECK(data["run"] == "r_1");
    CHECK(data["cause"] == "rule night");
    CHECK(data["stops_at"] == "2026-11-23T10:45:00Z");
    CHECK(data["cost_so_far"] == nlohmann::json{{"amount", "12.340000000"}, {"currency", "USD"}});
    CHECK(data["per_hour"]["amount"] == "0.760000000");
    CHECK(data["saved"].is_null());
    CHECK_THAT(data["text"].get<std::string>(),
               Contains("will be packed") && EndsWith("\n\ncurfew keep demo --for 2h"));
}

TEST_CASE("a payload stays below its bound and says what it leaves out", "[webhook]") {
    for (const std::string piece : {"a", "\"", "\xFF", "\n", "日", "\\"}) {
        INFO(piece);
        std::string long_text;
        while (long_text.size() < 50'000) {
            long_text += piece;
        }
        Message m = peers::warning();
        m.id = long_text;
        m.alert = AlertId{long_text};
        m.title = long_text;
        m.body.assign(100, long_text);
        m.do_next = long_text;
        m.account = AccountName{long_text};
        m.resource = ResourceId{long_text};
        m.resource_name = long_text;
        m.run = RunId{long_text};
        m.cause = long_text;
        const std::string text = standard(m);
        CHECK(text.size() < payload_bytes_max);
        const auto event = nlohmann::json::parse(text);
        CHECK_THAT(event["data"]["body"].back().get<std::string>(), Contains("cut here"));
    }
    Message one = peers::warning();
    one.body = {std::string(3000, 'x'), "kept"};
    const auto event = nlohmann::json::parse(standard(one));
    REQUIRE(event["data"]["body"].size() == 2);
    CHECK_THAT(event["data"]["body"][0].get<std::string>(), EndsWith("… (cut)"));
}

TEST_CASE("a signature is the one of the specification", "[webhook]") {
    // The example of Standard Webhooks' own libraries.
    const auto key = key_of(Secret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    REQUIRE(key);
    CHECK(signature_of(*key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}") ==
          "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST_CASE("signing keys are checked at start-up", "[webhook]") {
    CHECK(key_of(Secret{"whsec_" + std::string(32, 'A')}));
    CHECK(key_of(Secret{"whsec_" + std::string(84, 'A') + "AA=="}));
    for (const std::string& bad :
         {std::string{}, std::string{"whsec_"}, std::string(32, 'A'), "whsec_" + std::string(28, 'A'),
          "whsec_" + std::string(88, 'A'), "whsec_" + std::string(31, 'A'),
          "whsec_" + std::string(31, 'A') + "!", "whsec_" + std::string(30, 'A') + "=A",
          "whsec_" + std::string(32, 'A') + "\n", "whsec_" + std::string(32, 'A') + "===="}) {
        INFO(bad);
        const auto checked = key_of(Secret{bad});
        REQUIRE(!checked);
        CHECK(checked.error().code == Errc::invalid);
        CHECK_THAT(to_string(checked.error()), !Contains("AAAA"));
    }
}
