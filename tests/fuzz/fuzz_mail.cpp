// What a mail server says, by way of libcurl, and what becomes of a message: the verdict that the outbox acts upon. And
// mail made of hostile names: no header line more than ours, no tag that is not ours.
#include "adapters/mail/compose.hpp"
#include "adapters/mail/smtp.hpp"
#include "fuzz/fuzzed_data.hpp"
#include "fuzz/peer.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace curfew;
using curfew::fuzz::Descriptor;
using curfew::fuzz::FuzzedData;
using curfew::fuzz::must;

namespace {

constexpr std::string_view password = "correct-horse-battery";

/// Says everything at once to each that connects: libcurl takes a line at a time, as it comes to it.
class Server {
public:
    Server() : listener_(fuzz::listen_anywhere(0)), port(fuzz::port_of(listener_.get())) {
        std::thread([this] { serve(); }).detach();
    }
    void says(std::string_view words) {
        words_ = words;
        ready_.store(true, std::memory_order_release);
    }

private:
    void serve() {
        while (true) {
            const Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (ready_.exchange(false, std::memory_order_acquire)) {
                fuzz::write_some(client, words_);
            }
            ::shutdown(client.get(), SHUT_WR);
            std::string heard;
            std::array<char, 4096> space;
            while (::recv(client.get(), space.data(), space.size(), 0) > 0) {
            }
        }
    }

    Descriptor listener_;
    std::string words_;
    std::atomic<bool> ready_ = false;

public:
    const int port;
};

bool shows(std::string_view text, std::string_view secret) {
    return text.find(secret) != text.npos;
}

/// Only 2xx after the message was sent is "taken"; only after 354 may it have been.
void conversation(FuzzedData& in) {
    static Server& server = *new Server;
    static const mail::Mail letter{{"Subject: x"}, "text\r\n", "<p>html</p>\r\n"};
    const bool login = in.flag();
    const std::string_view words = in.rest();
    mail::Account account{.config = {.host = fuzz::host_text(fuzz::next_host()),
                                     .port = server.port,
                                     .security = "none",
                                     .user = login ? "ana" : "",
                                     .from = "a@example.com"},
                          .password = Secret{std::string{password}},
                          .hello = "host"};
    server.says(words);
    const std::atomic<bool> given_up = false;
    mail::Conversation talk(account, letter, given_up);
    const auto sent = talk.send("b@example.com", seconds{5}, true);
    const std::string answer = talk.answer();
    must(answer.size() <= 400 && !shows(answer, password));
    if (sent) {
        must(words.find("354") != words.npos && (answer.starts_with('2') || answer.starts_with("(its text")));
        return;
    }
    const Error& error = sent.error();
    must(!error.text.empty() && !shows(error.text, password) && error.where == account.config.host);
    must(std::ranges::none_of(error.text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
    must(!error.ambiguous() || words.find("354") != words.npos);
    const bool for_good = error.retry == Retry::never();
    must(!for_good || error.code == Errc::unauthorized || error.code == Errc::protocol);
    must(!for_good || words.find('5') != words.npos || error.code == Errc::unauthorized);
}

void check_line(std::string_view text) {
    must(text.find_first_of("\r\n") == text.npos);
}

void letter(FuzzedData& in) {
    Message m;
    m.kind = in.word<AlertKind>(static_cast<unsigned>(AlertKind::test) + 1);
    m.severity = in.word<Severity>(3);
    m.id = in.piece();
    m.title = in.piece();
    m.do_next = in.piece();
    m.body = {std::string{in.piece()}, std::string{in.piece()}};
    m.resource_name = in.piece();
    m.cause = in.piece();
    m.tables = {
        {.title = std::string{in.piece()}, .rows = {{.label = std::string{in.piece()}, .words = "w"}}}};
    const std::string to{in.piece()};
    ChannelConfig config;
    config.from = "curfew@example.com";
    const auto made = mail::compose(m, config, {to.empty() ? "ana@example.com" : to}, in.piece());
    must(made.has_value() || !to.empty());
    if (!made) {
        must(made.error().code == Errc::invalid);
        return;
    }
    for (std::string_view header : made->headers) {
        must(header.find(':') != header.npos);
        for (std::size_t end = header.find('\n'); end != header.npos; end = header.find('\n')) {
            must(end > 0 && header[end - 1] == '\r' && header.size() > end + 1 && header[end + 1] == ' ');
            header.remove_prefix(end + 1);
        }
        must(std::ranges::all_of(header, [](char c) { return static_cast<unsigned char>(c) < 0x7F; }));
    }
    must(made->html.find("<script") == made->html.npos && made->html.find("<img") == made->html.npos);
    for (const std::string& body : {made->text, made->html}) {
        for (std::size_t i = 0; i < body.size(); ++i) {
            must(body[i] != '\n' || (i > 0 && body[i - 1] == '\r'));
        }
    }
    check_line(mail::one_line(m.title, 60));
    must(mail::one_line(mail::one_line(m.title, 60), 60) == mail::one_line(m.title, 60));
}

}  // namespace

CURFEW_FUZZ_TARGET(mail) {
    FuzzedData in(data);
    if (in.byte() == 'c') {
        return letter(in);
    }
    conversation(in);
}
