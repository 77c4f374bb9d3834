#include "page.hpp"

#include <utility>

namespace curfew::renderings {

namespace {

std::string without_carriage_returns(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c != '\r') {
            out += c;
        }
    }
    return out;
}

}  // namespace

mail::Mail mail_of(const Sample& sample) {
    ChannelConfig config;
    config.name = ChannelName{"mail"};
    config.from = "curfew@example.com";
    return mail::compose(sample.message, config, {"ana@example.com"}, "gpu.example.com").value();
}

std::string page() {
    std::string out =
        "# What Curfew's messages look like\n\n"
        "The first line is the whole story with the money, and the subject of the mail. Below it is what to "
        "do "
        "next, one line\nthat can be copied; then why. Each is shown as the plain part of the mail and as "
        "its HTML "
        "on a phone. Every other channel\ncarries the same words.\n\n"
        "`tests/renderings/make.sh` makes this page; a test compares it with what the code says now.\n";
    for (const Sample& sample : samples()) {
        const mail::Mail mail = mail_of(sample);
        out += "\n## " + sample.heading + "\n\n" + sample.when + "\n\n![" + sample.heading + ": " +
               mail::one_line(sample.message.title, 200) + "](messages/" + sample.name +
               ".png)\n\n```text\n" + without_carriage_returns(mail.text) + "```\n";
    }
    return out;
}

}  // namespace curfew::renderings
