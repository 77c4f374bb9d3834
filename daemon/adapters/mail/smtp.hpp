// One conversation with a mail server through libcurl. Blocking: only for the channel's own thread.
#pragma once

#include "adapters/mail/compose.hpp"
#include "curfew/core/secret.hpp"

#include <curl/curl.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace curfew::mail {

/// Where and as whom. TLS is verified always; "none" is refused unless the host is a loopback.
struct Account {
    ChannelConfig config;
    std::optional<Secret> password;
    std::string hello;  // how this host greets
};

class Conversation {
public:
    /// `mail` and `given_up` must outlive it; `given_up` ends it within about a second.
    Conversation(const Account& account, const Mail& mail, const std::atomic<bool>& given_up);
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    /// One transaction for one recipient; the connection is kept for the next one unless it is the
    /// `last`. Errors: ambiguous when the server had taken DATA and then said nothing, later for 4xx,
    /// network and certificates, never for 5xx, unauthorized for a refused password.
    Result<void> send(const std::string& recipient, Duration limit, bool last);

    /// What the server said last, in a line: "250 2.0.0 Ok: queued as 4F1".
    std::string answer() const { return harmless(reply_line_); }
    /// Was the last error the server's answer to this recipient, so that others may fare better?
    bool about_recipient() const { return about_recipient_; }
    Duration took() const;

private:
    template <auto Free>
    struct Freer {
        template <class T>
        void operator()(T* thing) const {
            Free(thing);
        }
    };

    template <class T>
    void set(CURLoption option, T value);
    Result<void> prepare(const Mail& mail);
    void secure();
    bool build(const Mail& mail);
    void hear(std::string_view line);
    Error explain(CURLcode code) const;
    Error refused(CURLcode code) const;
    std::string harmless(std::string_view text) const;
    static int overhear(CURL* easy, curl_infotype type, char* data, std::size_t size, void* self);
    static int still_wanted(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

    const Account& account_;
    const std::atomic<bool>& given_up_;
    std::unique_ptr<CURL, Freer<curl_easy_cleanup>> easy_;
    std::unique_ptr<curl_slist, Freer<curl_slist_free_all>> headers_;
    std::unique_ptr<curl_mime, Freer<curl_mime_free>> mime_;
    std::string trouble_ = std::string(CURL_ERROR_SIZE, '\0');
    std::string url_;
    Result<void> ready_;
    bool accepted_options_ = true;
    bool about_recipient_ = false;
    int reply_ = 0;              // to the last command; 0 = none yet
    std::string reply_line_;     // its last line
    std::string hello_refusal_;  // EHLO was refused with this
    bool leaving_ = false;
    bool starting_tls_ = false;  // the last command asked for it
};

}  // namespace curfew::mail
