// The mail channel against a real SMTP server.
#include "adapters/mail/compose.hpp"
#include "adapters/mail/mail_channel.hpp"
#include "peers.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using Catch::Matchers::Contains;

namespace {

constexpr const char* password = "pa55 word-CANARY";

struct Fixture {
    peers::Folder folder;
    peers::Certificates certificates{folder};
    peers::Loop loop;

    ChannelConfig config(const peers::Server& server, const std::string& security) const {
        ChannelConfig c;
        c.name = ChannelName{"mail"};
        c.kind = "mail";
        c.host = "localhost";
        c.port = server.port();
        c.security = security;
        c.from = "curfew@example.com";
        c.to = {"ana@example.com"};
        c.ca_file = certificates.ca;
        c.timeout = seconds{60};
        return c;
    }
    Result<Delivered> send(const ChannelConfig& config, std::optional<Secret> secret = {},
                           Message message = peers::warning()) {
        mail::MailChannel channel(config, std::move(secret), "host.example", loop.context.get_executor(),
                                  loop.scheduler);
        return loop.deliver(channel, std::move(message), seconds{120});
    }
    Result<Delivered> send_to(ChannelConfig config, const std::string& recipient) {
        config.to = {recipient};
        return send(config);
    }
    std::vector<nlohmann::json> mails() const { return peers::records(folder.path()); }
};

std::string header_of(const nlohmann::json& mail, const std::string& name) {
    std::string found;
    for (const auto& pair : mail["headers"]) {
        if (pair[0] == name) {
            CHECK(found.empty());
            found = pair[1].get<std::string>();
        }
    }
    return found;
}

void check_mail(const nlohmann::json& mail) {
    CHECK(mail["from"] == "curfew@example.com");
    CHECK(mail["to"] == std::vector<std::string>{"ana@example.com"});
    CHECK(mail["defects"].empty());
    CHECK(mail["header_defects"].empty());
    CHECK(mail["longest_line"] <= 200);
    CHECK(header_of(mail, "Subject") == peers::warning().title);
    CHECK(header_of(mail, "From") == "Curfew <curfew@example.com>");
    CHECK(header_of(mail, "To") == "ana@example.com");
    CHECK(header_of(mail, "Message-ID") == "<msg_0123456789ab@host.example>");
    CHECK(header_of(mail, "In-Reply-To") == "<thread.run=2Fteam=2Fr_1@host.example>");
    CHECK(header_of(mail, "Auto-Submitted") == "auto-generated");
    REQUIRE(mail["parts"].size() == 2);
    CHECK(mail["parts"][0]["type"] == "text/plain");
    CHECK(mail["parts"][1]["type"] == "text/html");
    CHECK_THAT(mail["parts"][0]["text"].get<std::string>(), Contains("\ncurfew keep demo --for 2h\n"));
    CHECK_THAT(mail["parts"][1]["text"].get<std::string>(), Contains("$12.34") && Contains("</html>"));
}

}  // namespace

TEST_CASE_METHOD(Fixture, "mail is delivered over TLS, STARTTLS and a plain loopback", "[mail]") {
    for (const std::string security : {"tls", "starttls", "none"}) {
        INFO(security);
        const peers::Folder box;
        const peers::Server server("smtp_server.py", {box.path(), security, certificates.server});
        const auto sent = send(config(server, security));
        INFO((sent ? "" : to_string(sent.error())));
        REQUIRE(sent);
        CHECK(sent->answer == "250 2.0.0 Ok: queued as 0001");
        const auto got = peers::records(box.path());
        REQUIRE(got.size() == 1);
        check_mail(got[0]);
    }
}

TEST_CASE_METHOD(Fixture, "a certificate of a stranger or of another name is refused", "[mail]") {
    for (const std::string security : {"tls", "starttls"}) {
        const peers::Server right("smtp_server.py", {folder.path(), security, certificates.server});
        const peers::Server wrong("smtp_server.py", {folder.path(), security, certificates.other});
        ChannelConfig stranger = config(right, security);
        stranger.ca_file.clear();
        for (const ChannelConfig& c : {stranger, config(wrong, security)}) {
            const auto sent = send(c);
            REQUIRE(!sent);
            INFO(to_string(sent.error()));
            CHECK(sent.error().code == Errc::unsafe);
            CHECK(sent.error().retry == Retry::later());
        }
        ChannelConfig missing = config(right, security);
        missing.ca_file = folder / "no-such.pem";
        CHECK(send(missing).error().code == Errc::unsafe);
    }
    CHECK(mails().empty());
}

TEST_CASE_METHOD(Fixture, "a server without encryption gets nothing", "[mail]") {
    const peers::Server server("smtp_server.py",
                               {folder.path(), "plain", certificates.server, "ana", password});
    ChannelConfig c = config(server, "starttls");
    c.user = "ana";
    const auto sent = send(c, Secret{password});
    REQUIRE(!sent);
    INFO(to_string(sent.error()));
    CHECK(sent.error().code == Errc::unsafe);
    CHECK(sent.error().retry == Retry::later());
    ChannelConfig far = config(server, "none");
    far.host = "mail.example.com";
    CHECK(send(far).error().code == Errc::unsafe);
    CHECK(mails().empty());
}

TEST_CASE_METHOD(Fixture, "refusals say how to go on", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    const ChannelConfig c = config(server, "tls");
    struct Case {
        const char* recipient;
        Retry retry;
        Errc code;
        const char* text;
    };
    for (const Case& one :
         {Case{"gray@x.test", Retry::later(), Errc::unavailable, "451 4.7.1"},
          Case{"full@x.test", Retry::later(), Errc::unavailable, "452 4.2.2"},
          Case{"nobody@x.test", Retry::never(), Errc::protocol, "550 5.1.1 no such user"},
          Case{"refused@x.test", Retry::never(), Errc::protocol, "554 5.7.1"},
          Case{"drop@x.test", Retry::ambiguous(), Errc::unavailable, "after the message was sent"}}) {
        INFO(one.recipient);
        const auto sent = send_to(c, one.recipient);
        REQUIRE(!sent);
        INFO(to_string(sent.error()));
        CHECK(sent.error().retry == one.retry);
        CHECK(sent.error().code == one.code);
        CHECK_THAT(sent.error().text, Contains(one.text));
    }
    CHECK(mails().empty());
}

TEST_CASE_METHOD(Fixture, "silence after DATA is ambiguous, silence before it is a timeout", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    ChannelConfig c = config(server, "tls");
    c.timeout = seconds{6};  // enough to send it
    const auto silent = send_to(c, "silent@x.test");
    REQUIRE(!silent);
    CHECK(silent.error().ambiguous());

    // A TLS greeting is never answered by a server that waits for a plain one.
    const peers::Server plain("smtp_server.py", {folder.path(), "silent-tls", certificates.server});
    ChannelConfig deaf = config(plain, "tls");
    deaf.timeout = seconds{2};
    const auto late = send(deaf);
    REQUIRE(!late);
    INFO(to_string(late.error()));
    CHECK(late.error().retry == Retry::later());
}

TEST_CASE_METHOD(Fixture, "nobody there is tried again later", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    ChannelConfig c = config(server, "tls");
    c.host = "127.0.0.1";
    c.port = peers::closed_port();
    const auto sent = send(c);
    REQUIRE(!sent);
    CHECK(sent.error().code == Errc::unavailable);
    CHECK(sent.error().retry == Retry::later());
    c.host = "bad host";
    CHECK(send(c).error().code == Errc::invalid);
}

TEST_CASE_METHOD(Fixture, "a server that never says good-bye delays nothing for long", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    ChannelConfig c = config(server, "tls");
    c.timeout = seconds{6};  // enough to send it
    CHECK(send_to(c, "nobye@x.test"));
    CHECK(mails().size() == 1);
}

TEST_CASE_METHOD(Fixture, "a password opens the door and is never seen in an error", "[mail]") {
    for (const std::string security : {"tls", "starttls"}) {
        const peers::Folder box;
        const peers::Server server("smtp_server.py",
                                   {box.path(), security, certificates.server, "ana", password});
        ChannelConfig c = config(server, security);
        c.user = "ana";
        const auto sent = send(c, Secret{password});
        INFO((sent ? "" : to_string(sent.error())));
        CHECK(sent);
        CHECK(peers::records(box.path()).size() == 1);

        const auto wrong = send(c, Secret{"wrong-CANARY"});
        REQUIRE(!wrong);
        CHECK(wrong.error().code == Errc::unauthorized);
        CHECK(wrong.error().retry == Retry::never());
        CHECK_THAT(to_string(wrong.error()), !Contains("CANARY"));

        c.to = {"echo@x.test"};
        const auto echo = send(c, Secret{password});
        REQUIRE(!echo);
        CHECK(echo.error().retry == Retry::never());
        CHECK_THAT(to_string(echo.error()), !Contains("CANARY"));
        CHECK(peers::records(box.path()).size() == 1);
    }
}

TEST_CASE_METHOD(Fixture, "one bad mailbox keeps the mail from nobody else, and nobody gets it twice",
                 "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    ChannelConfig c = config(server, "tls");
    c.to = {"gray@x.test", "ana@example.com", "nobody@x.test", "bo@example.com"};
    mail::MailChannel channel(c, {}, "h", loop.context.get_executor(), loop.scheduler);
    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto sent = loop.deliver(channel, peers::warning(), seconds{120});
        REQUIRE(!sent);
        INFO(to_string(sent.error()));
        CHECK(sent.error().retry == Retry::later());
        REQUIRE(mails().size() == 2);
    }
    CHECK(mails()[0]["to"] == std::vector<std::string>{"ana@example.com"});
    CHECK(mails()[1]["to"] == std::vector<std::string>{"bo@example.com"});
    Message other = peers::warning();
    other.id = "msg_other";
    CHECK(!loop.deliver(channel, other, seconds{120}));
    CHECK(mails().size() == 4);

    c.to = {"nobody@x.test", "ana@example.com"};
    const auto sent = send(c);
    REQUIRE(sent);
    CHECK(sent->answer ==
          "250 2.0.0 Ok: queued as 0005; 1 of 2 refused: the mail server answered: "
          "550 5.1.1 no such user");
    CHECK(mails().size() == 5);
}

TEST_CASE_METHOD(Fixture, "a parcel for one address goes there alone, and only if it is one", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    ChannelConfig c = config(server, "tls");
    c.to = {"team@example.com", "boss@example.com"};
    mail::MailChannel channel(c, {}, "h", loop.context.get_executor(), loop.scheduler);
    REQUIRE(loop.deliver(channel, peers::warning(), seconds{30}, "owner+gpu@example.com"));
    REQUIRE(mails().size() == 1);
    CHECK(mails()[0]["to"] == std::vector<std::string>{"owner+gpu@example.com"});
    CHECK(header_of(mails()[0], "To") == "owner+gpu@example.com");
    for (const char* bad : {"a@b\r\nBcc: c@d", "a@b,c@d", "a@b c@d", "Ana <a@b>", "a@b\n", "no-at", "a@@b",
                            "\"a b\"@c", "a@b>\r\nDATA"}) {
        INFO(bad);
        const auto sent = loop.deliver(channel, peers::warning(), seconds{30}, bad);
        REQUIRE(!sent);
        CHECK(sent.error().code == Errc::invalid);
        CHECK(sent.error().retry == Retry::never());
        CHECK(sent.error().text.find_first_of("\r\n") == std::string::npos);
    }
    CHECK(mails().size() == 1);
}

TEST_CASE_METHOD(Fixture, "every command may be refused for now or for good", "[mail]") {
    for (const std::string command :
         {"GREETING", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "END"}) {
        for (const bool for_good : {false, true}) {
            const std::string reply = for_good ? "554 5.3.2 never" : "451 4.3.2 not now";
            INFO(command << " " << reply);
            const peers::Server server("smtp_server.py",
                                       {folder.path(), command == "STARTTLS" ? "starttls" : "tls",
                                        certificates.server, "ana", password, command + "=" + reply});
            ChannelConfig c = config(server, command == "STARTTLS" ? "starttls" : "tls");
            c.user = "ana";
            const auto sent = send(c, Secret{password});
            REQUIRE(!sent);
            INFO(to_string(sent.error()));
            // Who takes the encryption away may also be somebody in between: that ends.
            const bool later = !for_good || command == "STARTTLS";
            CHECK(sent.error().retry == (later ? Retry::later() : Retry::never()));
            CHECK(sent.error().code == (command == "STARTTLS"           ? Errc::unsafe
                                        : for_good && command == "AUTH" ? Errc::unauthorized
                                        : for_good                      ? Errc::protocol
                                                                        : Errc::unavailable));
            CHECK_THAT(to_string(sent.error()), Contains(for_good ? "554" : "451") && !Contains("CANARY"));
        }
    }
    CHECK(mails().empty());
}

TEST_CASE_METHOD(Fixture, "greylisted once, a mail is taken the second time, under the same id", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    const ChannelConfig c = config(server, "tls");
    const auto first = send_to(c, "later@x.test");
    REQUIRE(!first);
    CHECK(first.error().retry == Retry::later());
    CHECK(mails().empty());
    CHECK(send_to(c, "later@x.test"));
    REQUIRE(mails().size() == 1);
    CHECK(header_of(mails()[0], "Message-ID") == "<msg_0123456789ab@host.example>");
}

TEST_CASE_METHOD(Fixture, "an acknowledgement that is lost brings the same mail once more", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    const ChannelConfig c = config(server, "tls");
    const auto first = send_to(c, "lost@x.test");
    REQUIRE(!first);
    INFO(to_string(first.error()));
    CHECK(first.error().ambiguous());
    CHECK(send_to(c, "lost@x.test"));
    REQUIRE(mails().size() == 2);
    for (const char* name : {"Message-ID", "Date", "Subject", "References", "In-Reply-To"}) {
        INFO(name);
        CHECK(!header_of(mails()[0], name).empty());
        CHECK(header_of(mails()[0], name) == header_of(mails()[1], name));
    }
}

TEST_CASE_METHOD(Fixture, "what is said before the encryption begins is not believed", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "inject", certificates.server});
    const auto sent = send(config(server, "starttls"));
    REQUIRE(!sent);
    INFO(to_string(sent.error()));
    CHECK(sent.error().code == Errc::unsafe);
    CHECK(sent.error().retry == Retry::later());
    CHECK_THAT(sent.error().text, Contains("before the encryption"));
}

TEST_CASE_METHOD(Fixture, "a server that says nothing at all is tried again later", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "hang", certificates.server});
    for (const std::string security : {"tls", "starttls"}) {
        ChannelConfig c = config(server, security);
        c.timeout = seconds{1};
        const auto sent = send(c);
        REQUIRE(!sent);
        INFO(to_string(sent.error()));
        CHECK(sent.error().code == Errc::timeout);
        CHECK(sent.error().retry == Retry::later());
    }
}

TEST_CASE_METHOD(Fixture, "all mails of one budget and period are one thread, also the first", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    const ChannelConfig c = config(server, "tls");
    Message m = peers::warning();
    m.kind = AlertKind::budget_threshold;
    m.budget = BudgetName{"team"};
    for (const char* id : {"msg_1", "msg_2"}) {
        m.id = id;
        m.key = std::string{"budget/team/2026-11@Europe/Rome/threshold "} + id;
        REQUIRE(send(c, {}, m));
    }
    REQUIRE(mails().size() == 2);
    const std::string root = "<thread.budget=2Fteam=2F2026-11=40Europe=2FRome@host.example>";
    for (const auto& mail : mails()) {
        CHECK(header_of(mail, "References") == root);
        CHECK(header_of(mail, "In-Reply-To") == root);
    }
    CHECK(header_of(mails()[0], "Message-ID") != header_of(mails()[1], "Message-ID"));
}

TEST_CASE_METHOD(Fixture, "hostile names arrive as harmless text", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    Message m = peers::warning();
    m.title = "nb\r\nBcc: victim@example.com\r\n\r\nböse <script>alert(1)</script> =?utf-8?q?x?=";
    m.body = {"one\r\n.\r\nMAIL FROM:<x@y>", ".", "\xFF\xFE", std::string{"nul\0 here", 9},
              "\xE2\x80\xAE"
              "desrever"};
    m.tables = {{"<h1>x</h1>", {{"<style>*{display:none}</style>", "a\r\nb", 5000}}}};
    m.key = "</style>\r\nBcc: victim@example.com";
    m.resource_name = "\"><img src=http://evil.example/x>";
    m.cause = std::string(3000, 'x');
    const auto sent = send(config(server, "tls"), {}, m);
    INFO((sent ? "" : to_string(sent.error())));
    REQUIRE(sent);
    REQUIRE(mails().size() == 1);
    const nlohmann::json got = mails()[0];
    CHECK(got["to"] == std::vector<std::string>{"ana@example.com"});
    CHECK(got["defects"].empty());
    CHECK(got["header_defects"].empty());
    CHECK(header_of(got, "Bcc").empty());
    CHECK(header_of(got, "Subject") ==
          "nb  Bcc: victim@example.com    böse <script>alert(1)</script> =?utf-8?q?x?=");
    const auto text = got["parts"][0]["text"].get<std::string>();
    const auto html = got["parts"][1]["text"].get<std::string>();
    CHECK_THAT(text, Contains("one  .  MAIL FROM:<x@y>") && Contains("\n.\n") &&
                         Contains("\xEF\xBF\xBD\xEF\xBF\xBD") && Contains("\nnul  here\n") &&
                         Contains("\n desrever\n") && Contains("\n  <style>*{display:none}</style>: a  b\n"));
    CHECK_THAT(html, !Contains("<script") && !Contains("<img") && !Contains("<h1") && !Contains("<style"));
    CHECK_THAT(html, Contains("&quot;&gt;&lt;img src="));
}

TEST_CASE_METHOD(Fixture, "a deadline ends a delivery, and a channel ends with work under way", "[mail]") {
    const peers::Server server("smtp_server.py", {folder.path(), "tls", certificates.server});
    ChannelConfig c = config(server, "tls");
    c.to = {"silent@x.test"};
    c.timeout = hours{1};  // only the deadline ends it
    mail::MailChannel channel(c, {}, "h", loop.context.get_executor(), loop.scheduler);
    const auto late = loop.deliver(channel, peers::warning(), seconds{6});  // enough to send it
    REQUIRE(!late);
    CHECK(late.error().ambiguous());
    const auto over = loop.deliver(channel, peers::warning(), Duration{0});
    REQUIRE(!over);
    CHECK(over.error().code == Errc::timeout);
    CHECK(over.error().retry == Retry::later());
}
