#include "hostile_server.hpp"

#include "adapters/http/client.hpp"
#include "curfew/core/time.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>

namespace support {

using nlohmann::json;

namespace {

std::string http_date(std::time_t at) {
    std::tm parts{};
    ::gmtime_r(&at, &parts);
    std::array<char, 64> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return {text.data(), size};
}

std::string decoded(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
            out += static_cast<char>(value);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

bool send_all(int fd, const char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

std::optional<Asked> parse(const std::string& head) {
    Asked asked;
    const std::size_t first = head.find(' ');
    const std::size_t second = head.find(' ', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
        return std::nullopt;
    }
    asked.method = head.substr(0, first);
    asked.target = head.substr(first + 1, second - first - 1);
    asked.path = decoded(asked.target.substr(0, asked.target.find('?')));
    const std::string range = "\r\nRange: bytes=";
    if (const std::size_t at = head.find(range); at != std::string::npos) {
        std::size_t from = 0;
        std::from_chars(head.data() + at + range.size(), head.data() + head.size(), from);
        asked.range_from = from;
    }
    return asked;
}

std::size_t content_length(const std::string& head) {
    const std::string name = "\r\nContent-Length: ";
    const std::size_t at = head.find(name);
    std::size_t length = 0;
    if (at != std::string::npos) {
        std::from_chars(head.data() + at + name.size(), head.data() + head.size(), length);
    }
    return length;
}

}  // namespace

std::string listed(const std::string& name, const std::string& type, const std::string& path) {
    return json{{"name", name},
                {"path", path.empty() ? name : path},
                {"type", type},
                {"size", 3},
                {"writable", true},
                {"last_modified", "2020-01-01T00:00:00.123457Z"},
                {"created", "2020-01-01T00:00:00Z"},
                {"content", nullptr}}
        .dump();
}

Reply listing(const std::string& entries) {
    return HostileServer::json(
        R"({"name": "", "path": "", "type": "directory", "format": "json", "content": [)" + entries + "]}");
}

HostileServer::HostileServer() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    REQUIRE(::listen(listener_, 64) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { accept_all(); });
}

HostileServer::~HostileServer() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
        for (const Talk& one : talks_) {
            ::shutdown(one.fd, SHUT_RDWR);
        }
    }
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    for (Talk& one : talks_) {
        one.thread.join();
        ::close(one.fd);
    }
    ::close(listener_);
}

void HostileServer::put(const std::string& path, const std::string& bytes, const std::string& stamp) {
    const std::lock_guard lock(mutex_);
    files_[path] = {bytes, stamp};
}

void HostileServer::remove(const std::string& path) {
    const std::lock_guard lock(mutex_);
    files_.erase(path);
}

void HostileServer::set_trap(Trap trap) {
    const std::lock_guard lock(mutex_);
    trap_ = std::move(trap);
}

int HostileServer::times_asked(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return asked_[path];
}

bool HostileServer::saw_write() {
    const std::lock_guard lock(mutex_);
    return wrote_;
}

Reply HostileServer::json(const std::string& body) {
    return {.status = 200,
            .headers = {{"Content-Type", "application/json"}},
            .body = body,
            .says_length = {},
            .cut_after = {}};
}

Reply HostileServer::page(int status) {
    std::string body = "<!DOCTYPE html><html><body>Log in";
    body.append(2000, ' ');
    return {.status = status,
            .headers = {{"Content-Type", "text/html; charset=UTF-8"}},
            .body = body + "</body></html>",
            .says_length = {},
            .cut_after = {}};
}

Reply HostileServer::redirect(const std::string& location) {
    return {
        .status = 302, .headers = {{"Location", location}}, .body = {}, .says_length = {}, .cut_after = {}};
}

Reply HostileServer::cut(const Asked& asked, std::size_t bytes) {
    Reply reply = honest(asked);
    reply.cut_after = bytes;
    return reply;
}

std::string HostileServer::listing_of(const std::string& folder, bool& exists) {
    const std::string prefix = folder.empty() ? "" : folder + "/";
    nlohmann::json entries = nlohmann::json::array();
    std::string last;
    exists = folder.empty();
    for (const auto& [path, file] : files_) {
        if (!path.starts_with(prefix)) {
            continue;
        }
        exists = true;
        const std::string rest = path.substr(prefix.size());
        const std::string name = rest.substr(0, rest.find('/'));
        if (name == last) {
            continue;
        }
        last = name;
        const bool is_folder = name != rest;
        entries.push_back({{"name", name},
                           {"path", prefix + name},
                           {"type", is_folder                  ? "directory"
                                    : name.ends_with(".ipynb") ? "notebook"
                                                               : "file"},
                           {"size", is_folder ? nlohmann::json(nullptr) : nlohmann::json(file.bytes.size())},
                           {"last_modified", is_folder ? "2020-01-01T00:00:00Z" : file.stamp}});
    }
    return nlohmann::json{{"type", "directory"}, {"name", ""}, {"path", folder}, {"content", entries}}.dump();
}

Reply HostileServer::honest(const Asked& asked) {
    const std::lock_guard lock(mutex_);
    const Reply missing{.status = 404,
                        .headers = {{"Content-Type", "application/json"}},
                        .body = R"({"message": "no such thing"})",
                        .says_length = {},
                        .cut_after = {}};
    if (asked.is("/api/status")) {
        return json(R"({"connections": 0, "kernels": 0, "last_activity": "2020-01-01T00:00:00.1Z",)"
                    R"( "started": "2019-12-31T00:00:00.5Z"})");
    }
    if (asked.is("/api/kernels") || asked.is("/api/terminals")) {
        return json("[]");
    }
    const std::string contents = "/api/contents/";
    if (asked.below(contents) && asked.target.find("type=directory") != std::string::npos) {
        bool exists = false;
        const std::string text = listing_of(asked.path.substr(contents.size()), exists);
        return exists ? json(text) : missing;
    }
    const std::string files = "/files/";
    const bool raw = asked.below(files);
    const auto found = files_.find(
        asked.path.substr(std::min(asked.path.size(), raw ? files.size() : contents.size())));
    if ((!raw && !asked.below(contents)) || found == files_.end()) {
        return missing;
    }
    const auto& [path, file] = *found;
    if (!raw) {
        return json(nlohmann::json{
            {"type", "file"},
            {"name", path},
            {"size", file.bytes.size()},
            {"last_modified", file.stamp},
            {"content",
             nullptr}}.dump());
    }
    const auto stamp = curfew::parse_wall_time(file.stamp);
    Reply reply{.status = 200,
                .headers = {{"Content-Type", "application/octet-stream"}},
                .body = file.bytes,
                .says_length = {},
                .cut_after = {}};
    reply.headers.emplace_back("Last-Modified", http_date(stamp ? stamp->ms / 1000 : 0));
    if (asked.range_from && *asked.range_from < file.bytes.size()) {
        reply.status = 206;
        reply.body = file.bytes.substr(*asked.range_from);
        reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(*asked.range_from) + "-" +
                                                        std::to_string(file.bytes.size() - 1) + "/" +
                                                        std::to_string(file.bytes.size()));
    }
    return reply;
}

Reply HostileServer::answer(const Asked& asked) {
    Trap trap;
    {
        const std::lock_guard lock(mutex_);
        trap = trap_;
    }
    if (trap) {
        if (auto reply = trap(asked)) {
            return std::move(*reply);
        }
    }
    return honest(asked);
}

void HostileServer::accept_all() {
    for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        const std::lock_guard lock(mutex_);
        talks_.push_back({fd, {}});
        talks_.back().thread = std::thread([this, fd] { talk(fd); });
        if (closing_) {
            ::shutdown(fd, SHUT_RDWR);
        }
    }
}

void HostileServer::talk(int fd) {
    std::string buffer;
    for (;;) {
        std::size_t end = 0;
        std::array<char, 16384> chunk{};
        const auto more = [&] {
            const ssize_t got = ::recv(fd, chunk.data(), chunk.size(), 0);
            if (got > 0) {
                buffer.append(chunk.data(), static_cast<std::size_t>(got));
            }
            return got > 0;
        };
        while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
            if (!more()) {
                return;
            }
        }
        const std::string head = buffer.substr(0, end + 2);
        const std::size_t whole = end + 4 + content_length(head);
        while (buffer.size() < whole) {
            if (!more()) {
                return;
            }
        }
        buffer.erase(0, whole);
        auto asked = parse(head);
        if (!asked) {
            return;
        }
        {
            const std::lock_guard lock(mutex_);
            asked->number = asked_[asked->path]++;
            wrote_ = wrote_ || (asked->method != "GET" && !asked->is("/nbconvert/html"));
        }
        const Reply reply = answer(*asked);
        std::string text = "HTTP/1.1 " + std::to_string(reply.status) + " X\r\n";
        for (const auto& [name, value] : reply.headers) {
            text += name + ": " + value + "\r\n";
        }
        if (reply.says_date) {
            text += "Date: " + http_date(std::time(nullptr)) + "\r\n";
        }
        text += "Content-Length: " +
                std::to_string(reply.says_length.value_or(reply.body.size() * reply.repeat)) + "\r\n\r\n";
        const std::size_t limit = reply.cut_after.value_or(reply.body.size() * reply.repeat);
        // In one piece where it can be: a second small packet would wait for the first one's acknowledgement.
        const bool at_once = reply.drip_ms == 0 && reply.repeat == 1;
        if (at_once) {
            text += reply.body.substr(0, limit);
        }
        if (!send_all(fd, text.data(), text.size())) {
            return;
        }
        if (reply.drip_ms > 0) {
            for (std::size_t i = 0; i < std::min(limit, reply.body.size()); ++i) {
                std::this_thread::sleep_for(std::chrono::milliseconds{reply.drip_ms});
                if (!send_all(fd, reply.body.data() + i, 1)) {
                    return;
                }
            }
        } else if (!at_once) {
            for (std::size_t sent = 0; sent < limit;) {
                const std::size_t piece = std::min(limit - sent, reply.body.size());
                if (!send_all(fd, reply.body.data(), piece)) {
                    return;
                }
                sent += piece;
            }
        }
        const bool lied = reply.cut_after || (reply.says_length && *reply.says_length != reply.body.size());
        if (lied) {
            ::shutdown(fd, SHUT_RDWR);
            return;
        }
    }
}

}  // namespace support
