#include "adapters/mail/smtp.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <mutex>
#include <utility>

namespace curfew::mail {

namespace {

constexpr std::size_t shown_bytes_max = 200;
constexpr int data_wanted = 354;

bool is_loopback(std::string_view host) {
    return host == "localhost" || host == "::1" ||
           (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

bool is_host(std::string_view host) {
    return !host.empty() && std::ranges::all_of(host, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.' || c == '_' || c == ':';
    });
}

std::string url_of(const ChannelConfig& config, const std::string& hello) {
    const bool literal = config.host.find(':') != std::string::npos;
    return (config.security == "tls" ? "smtps://" : "smtp://") +
           (literal ? "[" + config.host + "]" : config.host) + ":" + std::to_string(config.port) + "/" +
           hello;
}

curl_slist* list_of(const std::vector<std::string>& lines) {
    curl_slist* list = nullptr;
    for (const std::string& line : lines) {
        curl_slist* longer = curl_slist_append(list, line.c_str());
        if (longer == nullptr) {
            curl_slist_free_all(list);
            return nullptr;
        }
        list = longer;
    }
    return list;
}

bool is_certificate_trouble(CURLcode code) {
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_INVALIDCERTSTATUS ||
           code == CURLE_SSL_PINNEDPUBKEYNOTMATCH;
}

}  // namespace

Conversation::Conversation(const Account& account, const Mail& mail, const std::atomic<bool>& given_up)
    : account_(account), given_up_(given_up) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    easy_.reset(curl_easy_init());
    ready_ = prepare(mail);
}

template <class T>
void Conversation::set(CURLoption option, T value) {
    accepted_options_ = curl_easy_setopt(easy_.get(), option, value) == CURLE_OK && accepted_options_;
}

Result<void> Conversation::prepare(const Mail& mail) {
    const ChannelConfig& config = account_.config;
    if (!is_host(config.host)) {
        return fail(Errc::invalid, "`host` is no host name", config.name.value);
    }
    if (config.security != "tls" && config.security != "starttls" && !is_loopback(config.host)) {
        return fail(Errc::unsafe, "mail without encryption may only go to this host", config.host);
    }
    if (!easy_) {
        return fail(Errc::internal, "libcurl does not start", config.host, Retry::later());
    }
    url_ = url_of(config, account_.hello);
    set(CURLOPT_URL, url_.c_str());
    set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // a name server that says nothing must not outlast the limit
    set(CURLOPT_ERRORBUFFER, trouble_.data());
    set(CURLOPT_MAIL_FROM, config.from.c_str());
    set(CURLOPT_VERBOSE, 1L);  // nothing is printed: it tells what was said last
    set(CURLOPT_DEBUGFUNCTION, &Conversation::overhear);
    set(CURLOPT_DEBUGDATA, static_cast<void*>(this));
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &Conversation::still_wanted);
    set(CURLOPT_XFERINFODATA, static_cast<void*>(this));
    if (!config.user.empty() && account_.password) {
        set(CURLOPT_USERNAME, config.user.c_str());
        set(CURLOPT_PASSWORD, std::string{account_.password->reveal()}.c_str());
    }
    secure();
    if (!build(mail) || !accepted_options_) {
        return fail(Errc::internal, "libcurl does not take this message", config.host, Retry::later());
    }
    return {};
}

void Conversation::secure() {
    const ChannelConfig& config = account_.config;
    const bool encrypted = config.security == "tls" || config.security == "starttls";
    set(CURLOPT_USE_SSL, static_cast<long>(encrypted ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!config.ca_file.empty()) {
        set(CURLOPT_CAINFO, config.ca_file.c_str());  // CAPATH stays, and with it the system's store
    }
}

bool Conversation::build(const Mail& mail) {
    headers_.reset(list_of(mail.headers));
    mime_.reset(curl_mime_init(easy_.get()));
    curl_mime* both = curl_mime_init(easy_.get());
    if (!headers_ || !mime_ || both == nullptr) {
        curl_mime_free(both);
        return false;
    }
    bool good = true;
    const auto add = [&](const std::string& content, const char* type) {
        curl_mimepart* part = curl_mime_addpart(both);
        good = good && part != nullptr && curl_mime_data(part, content.data(), content.size()) == CURLE_OK &&
               curl_mime_type(part, type) == CURLE_OK &&
               curl_mime_encoder(part, "quoted-printable") == CURLE_OK;
    };
    add(mail.text, "text/plain; charset=utf-8");
    add(mail.html, "text/html; charset=utf-8");
    curl_mimepart* body = curl_mime_addpart(mime_.get());
    if (body == nullptr || curl_mime_subparts(body, both) != CURLE_OK) {
        curl_mime_free(both);
        return false;
    }
    good = good && curl_mime_type(body, "multipart/alternative") == CURLE_OK;
    set(CURLOPT_HTTPHEADER, headers_.get());
    set(CURLOPT_MIMEPOST, mime_.get());
    return good;
}

int Conversation::overhear(CURL*, curl_infotype type, char* data, std::size_t size, void* self) {
    auto* me = static_cast<Conversation*>(self);
    // After a refusal libcurl says good-bye before it returns; what counts was said before.
    const bool good_bye = type == CURLINFO_HEADER_OUT && std::string_view{data, size}.starts_with("QUIT");
    me->leaving_ = me->leaving_ || good_bye;
    if (me->leaving_) {
        return 0;
    }
    if (type == CURLINFO_HEADER_OUT) {
        if (std::string_view{data, size}.starts_with("HELO")) {
            me->hello_refusal_ = me->reply_line_;
        }
        me->starting_tls_ = std::string_view{data, size}.starts_with("STARTTLS");
        me->reply_ = 0;
        me->reply_line_.clear();
    } else if (type == CURLINFO_HEADER_IN) {
        me->hear({data, size});
    }
    return 0;
}

/// The last line of a reply is the one that libcurl takes for it: "250 …", or a code alone. Five bytes with the end of
/// the line are that also when the fourth is "-"; what has no blank after its code is passed over.
void Conversation::hear(std::string_view line) {
    int code = 0;
    const auto [end, error] = std::from_chars(line.data(),
                                              line.data() + std::min<std::size_t>(3, line.size()), code);
    const bool last = line.size() > 3 && (line[3] == ' ' || line.size() == 5);
    if (error == std::errc{} && end == line.data() + 3 && last) {
        reply_ = code;
        reply_line_ = line.substr(0, shown_bytes_max);
    }
}

int Conversation::still_wanted(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Conversation*>(self)->given_up_ ? 1 : 0;
}

Duration Conversation::took() const {
    curl_off_t microseconds = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_TOTAL_TIME_T, &microseconds);
    return Duration{microseconds / 1000 + 1};
}

Result<void> Conversation::send(const std::string& recipient, Duration limit, bool last) {
    about_recipient_ = false;
    if (!ready_) {
        return ready_;
    }
    if (limit <= Duration{0}) {
        return fail(Errc::timeout, "no time was left", account_.config.host, Retry::later());
    }
    const std::unique_ptr<curl_slist, Freer<curl_slist_free_all>> to(list_of({recipient}));
    const auto limit_ms = static_cast<long>(limit.count());
    set(CURLOPT_MAIL_RCPT, to.get());
    set(CURLOPT_TIMEOUT_MS, limit_ms);
    set(CURLOPT_CONNECTTIMEOUT_MS, limit_ms);
    set(CURLOPT_SERVER_RESPONSE_TIMEOUT, limit_ms / 1000 + 1);  // also of the good-bye, which nobody needs
    set(CURLOPT_FORBID_REUSE, last ? 1L : 0L);
    trouble_.front() = '\0';
    reply_ = 0;
    leaving_ = false;
    const CURLcode code = curl_easy_perform(easy_.get());
    if (code == CURLE_OK) {
        return {};
    }
    Error error = explain(code);
    about_recipient_ = error.code != Errc::unauthorized && reply_ >= 400;
    return std::unexpected(std::move(error));
}

Error Conversation::explain(CURLcode code) const {
    const std::string& where = account_.config.host;
    const std::string why = harmless(trouble_.front() != '\0' ? trouble_.c_str() : curl_easy_strerror(code));
    if (reply_ == data_wanted) {
        return {Errc::unavailable, Retry::ambiguous(), "no answer after the message was sent: " + why, where};
    }
    if (reply_ >= 400) {
        return refused(code);
    }
    if (is_certificate_trouble(code)) {
        return {Errc::unsafe, Retry::later(), "the certificate cannot be trusted: " + why, where};
    }
    if (code == CURLE_USE_SSL_FAILED) {
        return {Errc::unsafe, Retry::later(), "the mail server offers no encryption: " + why, where};
    }
    if (code == CURLE_WEIRD_SERVER_REPLY && starting_tls_) {
        return {Errc::unsafe, Retry::later(), "something was said before the encryption began: " + why,
                where};
    }
    if (code == CURLE_OPERATION_TIMEDOUT || code == CURLE_ABORTED_BY_CALLBACK) {
        return {Errc::timeout, Retry::later(), "no answer in time: " + why, where};
    }
    if (code == CURLE_LOGIN_DENIED) {
        return {Errc::unauthorized, Retry::never(), "the mail server offers no way to log in", where};
    }
    return {Errc::unavailable, Retry::later(), why, where};
}

Error Conversation::refused(CURLcode code) const {
    const std::string& where = account_.config.host;
    const bool for_good = reply_ / 100 == 5;  // what is no reply at all may be one next time
    if (code == CURLE_LOGIN_DENIED) {
        // Its text is left out: a server may repeat what it was just given.
        const std::string text = "the mail server refused the user or the password (" +
                                 std::to_string(reply_) + ")";
        return for_good ? Error{Errc::unauthorized, Retry::never(), text, where}
                        : Error{Errc::unavailable, Retry::later(), text, where};
    }
    if (!hello_refusal_.empty() && !account_.config.user.empty()) {
        // Without EHLO there is no log-in, and what was refused then was refused to a stranger.
        const std::string text = "the mail server answered: " + harmless(hello_refusal_);
        return hello_refusal_.starts_with('5') ? Error{Errc::protocol, Retry::never(), text, where}
                                               : Error{Errc::unavailable, Retry::later(), text, where};
    }
    const std::string text = "the mail server answered: " + harmless(reply_line_);
    if (code == CURLE_USE_SSL_FAILED) {
        return {Errc::unsafe, Retry::later(), text, where};
    }
    return for_good ? Error{Errc::protocol, Retry::never(), text, where}
                    : Error{Errc::unavailable, Retry::later(), text, where};
}

/// Printable, and without the password in any form in which the server has seen it (I12).
std::string Conversation::harmless(std::string_view text) const {
    if (account_.password && !account_.password->empty()) {
        const std::string password{account_.password->reveal()};
        const std::string& user = account_.config.user;
        std::string joined = user;
        joined.insert(0, 1, '\0');
        joined += '\0' + password;
        for (const std::string& form : {password, base64(password), base64(joined)}) {
            if (text.find(form) != std::string_view::npos) {
                return "(its text held the password)";
            }
        }
    }
    std::string out;
    for (const char c : text.substr(0, shown_bytes_max)) {
        out += c >= 0x20 && c < 0x7F ? c : ' ';
    }
    while (out.ends_with(' ')) {
        out.pop_back();
    }
    return out;
}

}  // namespace curfew::mail
