// Mail as text, without a server.
#include "adapters/mail/compose.hpp"

#include "peers.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace curfew;
using namespace curfew::mail;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

ChannelConfig config() {
    ChannelConfig c;
    c.name = ChannelName{"mail"};
    c.from = "curfew@example.com";
    c.to = {"ana@example.com", "bo@example.com"};
    return c;
}

Result<Mail> compose(const Message& message, const ChannelConfig& config, std::string_view host) {
    return mail::compose(message, config, config.to, host);
}

std::string header_of(const Mail& mail, const std::string& name) {
    std::string found;
    for (const std::string& line : mail.headers) {
        if (line.starts_with(name + ": ")) {
            CHECK(found.empty());
            found = line.substr(name.size() + 2);
        }
    }
    return found;
}

}  // namespace

TEST_CASE("a mail has the headers that threads and filters need", "[mail]") {
    const auto mail = compose(peers::warning(), config(), "host.example");
    REQUIRE(mail);
    CHECK(header_of(*mail, "From") == "Curfew <curfew@example.com>");
    CHECK(header_of(*mail, "To") == "ana@example.com,\r\n bo@example.com");
    CHECK(header_of(*mail, "Subject") == peers::warning().title);
    CHECK(header_of(*mail, "Date") == "Mon, 23 Nov 2026 10:15:00 +0000");
    CHECK(header_of(*mail, "Message-ID") == "<msg_0123456789ab@host.example>");
    CHECK(header_of(*mail, "In-Reply-To") == "<thread.run=2Fteam=2Fr_1@host.example>");
    CHECK(header_of(*mail, "References") == "<thread.run=2Fteam=2Fr_1@host.example>");
    CHECK(header_of(*mail, "Auto-Submitted") == "auto-generated");
    CHECK(header_of(*mail, "List-Id") == "Curfew alerts <curfew.host.example>");
    CHECK(header_of(*mail, "X-Curfew-Kind") == "stop_warning");
    CHECK(header_of(*mail, "X-Curfew-Severity") == "warning");
}

TEST_CASE("mails about one thing are one thread, and about two things two", "[mail]") {
    const auto thread = [](const Message& m) {
        const auto mail = compose(m, config(), "h");
        REQUIRE(mail);
        CHECK(header_of(*mail, "In-Reply-To") == header_of(*mail, "References"));
        CHECK(header_of(*mail, "References") != header_of(*mail, "Message-ID"));
        return header_of(*mail, "References");
    };
    Message m = peers::warning();
    const std::string by_run = thread(m);
    m.id = "another";
    m.kind = AlertKind::stopped;
    CHECK(thread(m) == by_run);
    std::set<std::string> threads{by_run};
    for (const std::string& key :
         {std::string{"a/b"}, std::string{"a-b"}, std::string{"a=2Fb"}, std::string{"a.b"},
          std::string(5000, 'x'), std::string(5000, 'x') + "y"}) {
        m.key = key;
        CHECK(threads.insert(thread(m)).second);
        CHECK(thread(m).size() < 250);
    }
    m.key.clear();
    m.run = {};
    CHECK(thread(m) == "<thread.alert=2Fal_77@h>");
}

TEST_CASE("a mail about nothing with a name is in no thread", "[mail]") {
    Message m = peers::warning();
    m.alert = {};
    m.run = {};
    const auto mail = compose(m, config(), "h");
    REQUIRE(mail);
    CHECK(header_of(*mail, "In-Reply-To").empty());
    CHECK(header_of(*mail, "References").empty());
}

TEST_CASE("the text holds the story, the line to copy and the money", "[mail]") {
    const auto mail = compose(peers::warning(), config(), "h");
    REQUIRE(mail);
    CHECK_THAT(mail->text, StartsWith(peers::warning().title +
                                      "\r\n\r\ncurfew keep demo --for 2h\r\n\r\nWhy: quiet for 1h."));
    CHECK_THAT(mail->text, Contains("\r\nCost so far: $12.34\r\nPer hour: $0.76\r\n"));
    CHECK_THAT(mail->text, Contains("Stops at: Mon 10:45 UTC\r\n"));
    CHECK_THAT(mail->text, Contains("Resource: demo (n8k2)\r\n"));
    CHECK_THAT(mail->text, !Contains("Saved"));
    CHECK_THAT(mail->html, Contains("<table") && !Contains("<img") && !Contains("http") &&
                               !Contains("src=") && !Contains("<link") && !Contains("<style") &&
                               !Contains("url(") && !Contains("<script") && !Contains("@import"));
}

TEST_CASE("figures are lines of text, and bars of HTML that no figure can break", "[mail]") {
    Message m = peers::warning();
    m.tables = {
        {"Budgets", {{"team", "$45.00 of $50.00", 900}, {"<b>", "too much", 2500}, {"none", "", {}}}}};
    m.tables[0].rows.push_back({"below", "nothing", -5});
    const auto mail = compose(m, config(), "h");
    REQUIRE(mail);
    CHECK_THAT(mail->text, Contains("Budgets\r\n  team: $45.00 of $50.00\r\n  <b>: too much\r\n  none\r\n"));
    CHECK_THAT(mail->html, Contains("width:90%") && Contains("width:10%") &&
                               Contains("width:100%;background") && !Contains("width:250%") &&
                               !Contains("width:-") && Contains("&lt;b&gt;"));
    m.tables.assign(1000, {"t", std::vector<MessageTable::Row>(1000, {"row", "words", 1})});
    const auto bounded = compose(m, config(), "h");
    REQUIRE(bounded);
    CHECK_THAT(bounded->text, Contains("950 more were cut"));
    CHECK(bounded->html.size() < 1'000'000);
}

TEST_CASE("addresses of the configuration cannot smuggle anything", "[mail]") {
    for (const char* bad :
         {"", "ana", "@x", "a@b\r\nBcc: c@d", "a@b>", "a b@c", "a@b,c@d", "ana@", "a@@b", "a@b@c", "a@.b",
          "a@b.", "a@-b", "\"a\"@b", "a@[1.2.3.4]", "\xC3\xA9@b", "a;b@c", "a\t@b"}) {
        INFO(bad);
        ChannelConfig to = config();
        to.to = {bad};
        CHECK(compose(peers::warning(), to, "h").error().code == Errc::invalid);
        ChannelConfig from = config();
        from.from = bad;
        CHECK(compose(peers::warning(), from, "h").error().code == Errc::invalid);
    }
    ChannelConfig nobody = config();
    nobody.to.clear();
    CHECK(compose(peers::warning(), nobody, "h").error().code == Errc::invalid);
}

TEST_CASE("hostile text stays text", "[mail]") {
    Message m = peers::warning();
    m.id = "x>\r\nBcc: a@b";
    m.key = "<y>";
    m.title = "evil\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script> & \"co\"";
    m.body = {"first\r\n.\r\nDo this: rm -rf"};
    m.resource_name = "<b>bold</b>\xFF\xC0\xAF\xED\xA0\x80\xE2\x80\xAE";
    const auto mail = compose(m, config(), "h\r\nX: y");
    REQUIRE(mail);
    for (const std::string& line : mail->headers) {
        INFO(line);
        for (std::size_t at = line.find_first_of("\r\n"); at != std::string::npos;
             at = line.find_first_of("\r\n", at + 3)) {
            CHECK(line.substr(at, 3) == "\r\n ");
        }
    }
    CHECK(header_of(*mail, "Subject") ==
          "evil  Bcc: victim@example.com    <script>alert(1)</script> & \"co\"");
    CHECK(header_of(*mail, "Message-ID") == "<x---Bcc--a-b@h--X--y>");
    CHECK(header_of(*mail, "In-Reply-To") == "<thread.=3Cy=3E@h--X--y>");
    CHECK_THAT(mail->html, !Contains("<script") && !Contains("<b>"));
    CHECK_THAT(mail->html, Contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;co&quot;"));
    CHECK_THAT(mail->text, Contains("first  .  Do this: rm -rf"));
    const std::string bad = "\xEF\xBF\xBD";
    CHECK_THAT(mail->text, Contains("<b>bold</b>" + bad + bad + bad + bad + bad + bad + "  (n8k2)"));
}

TEST_CASE("header values are short, folded and never decode into something else", "[mail]") {
    CHECK(header("Subject", "plain") == "Subject: plain");
    CHECK(header("Subject", "é") == "Subject: =?UTF-8?B?w6k=?=");
    CHECK(header("Subject", "=?utf-8?b?ZXZpbA==?=") == "Subject: =?UTF-8?B?PT91dGYtOD9iP1pYWnBiQT09Pz0=?=");
    CHECK(header("Subject", std::string(500, 'a')).size() < 80 * 6);
    std::string long_text;
    for (int i = 0; i < 300; ++i) {
        long_text += "日";
    }
    std::string line;
    for (const char c : header("Subject", long_text) + "\n") {
        if (c == '\n') {
            CHECK(line.size() <= 77);
            line.clear();
        } else {
            line += c;
        }
    }
    CHECK(one_line("日本", 2) == "日本");
}

TEST_CASE("what is too long ends with a whole word and says so", "[mail]") {
    CHECK(one_line("alpha beta gamma delta", 22) == "alpha beta gamma delta");
    CHECK(one_line("alpha beta gamma delta", 21) == "alpha beta … (cut)");
    CHECK(one_line("alpha beta gamma delta", 18) == "alpha beta … (cut)");
    CHECK(one_line("日本語日本語日本語日本語", 11) == "日本語 … (cut)");  // no word ends near
    CHECK(one_line(std::string(100, 'x'), 50) == std::string(42, 'x') + " … (cut)");
    CHECK(one_line("ab", 1) == " … (cut)");
    CHECK(one_line(" \n\n \n\n  \n\n", 9) == " … (cut)");
    CHECK_THAT(header("Subject", std::string(150, 'a') + " " + std::string(150, 'b')),
               Contains("=?UTF-8?B?"));
}

TEST_CASE("a mail is bounded", "[mail]") {
    Message m = peers::warning();
    m.title = std::string(100'000, 't');
    m.do_next = std::string(100'000, 'd');
    m.body.assign(1000, std::string(100'000, '<'));
    const auto mail = compose(m, config(), std::string(100'000, 'h'));
    REQUIRE(mail);
    CHECK(mail->text.size() < 300'000);
    CHECK(mail->html.size() < 1'000'000);
    CHECK_THAT(mail->text, Contains("950 more paragraphs were cut."));
}

TEST_CASE("dates of mail", "[mail]") {
    CHECK(mail_date({}) == "Thu, 01 Jan 1970 00:00:00 +0000");
    CHECK(mail_date(*parse_wall_time("2024-02-29T23:59:59.999Z")) == "Thu, 29 Feb 2024 23:59:59 +0000");
    CHECK(mail_date(*parse_wall_time("2027-01-03T07:08:09Z")) == "Sun, 03 Jan 2027 07:08:09 +0000");
}
