// Bytes to the daemon's own sockets: the real server on Unix sockets and on the listener of keep links, up to the
// decoding of queries and bodies. What reaches an answer is within the bounds; what comes back is whole HTTP; no
// connection outlives its limits.
#include "curfew/api/api.hpp"
#include "fuzz/fuzzed_data.hpp"
#include "fuzz/peer.hpp"
#include "replies.hpp"
#include "support/manual_scheduler.hpp"

#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

using namespace curfew;
using curfew::fuzz::Descriptor;
using curfew::fuzz::FuzzedData;
using curfew::fuzz::must;

namespace {

enum class Room { read, admin, keep };

bool is_deeper(const api::Json& json, int levels) {
    return json.is_structured() && (levels == 0 || std::ranges::any_of(json, [levels](const api::Json& part) {
                                        return is_deeper(part, levels - 1);
                                    }));
}

/// The routes' own decoding of what a request brings.
api::Reply decoded(const api::Request& request) {
    const WallTime now{1'795'399'800'000};
    auto body = api::body_of(request);
    // Whole, or refused for what it is.
    const auto everything = [](int, api::Json::parse_event_t, api::Json&) { return true; };
    const api::Json plain = api::Json::parse(request.body, everything, false);
    if (!body) {
        must(!plain.is_object() || is_deeper(plain, 8));
        return api::problem(body.error());
    }
    must(body->is_object() && (request.body.empty() || *body == plain));
    const std::string since = api::value_of(request, "since");
    const auto from = api::time_of(since.empty() ? api::text_of(*body, "since") : since, now);
    const auto moment = api::moment_of(api::value_of(request, "at"), Zone{});
    must(!moment || (moment->ms >= 0 && *moment < WallTime{7'258'118'400'000}));
    if (const auto end = api::end_of(*body, Zone{}, "a test")) {
        must(!end->until || end->until->ms >= 0);
    }
    if (const auto month = api::month_named(api::value_of(request, "month"))) {
        must(month->from < month->to);
    }
    must(api::number_of(request, "limit", 50) >= 0);
    return from ? api::good(api::Json{{"path", request.path},
                                      {"reason", api::text_of(*body, "reason")},
                                      {"pack", api::flag_of(*body, "pack", true)}})
                : api::problem(from.error());
}

class Stage {
public:
    Stage()
        : tasks(io.get_executor(), [](const std::string&) { must(false); }),
          server(io.get_executor(), scheduler, answer(), tasks, 1), read(listen_unix()),
          admin(listen_unix()) {
        must(server
                 .start({.api_path = {},
                         .admin_path = {},
                         .api_fd = ::dup(read.get()),
                         .admin_fd = ::dup(admin.get())})
                 .has_value());
        must(server.start_keep_links("0.0.0.0:0", answer()).has_value());
        for (int fd = 0; fd < 256 && keep_port == 0; ++fd) {
            int domain = 0;
            int listens = 0;
            socklen_t size = sizeof domain;
            const bool tcp = ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
                             domain == AF_INET &&
                             ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
                             listens != 0;
            keep_port = tcp ? fuzz::port_of(fd) : 0;
        }
        must(keep_port != 0);
        scheduler.settle();
        at_rest = tasks.running();
    }

    Descriptor connect(Room to) const {
        if (to == Room::keep) {
            Descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const sockaddr_in address = fuzz::tcp_address(fuzz::next_host(), keep_port);
            must(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
            return fd;
        }
        Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        socklen_t size = sizeof address;
        must(::getsockname((to == Room::admin ? admin : read).get(), reinterpret_cast<sockaddr*>(&address),
                           &size) == 0);
        must(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
        return fd;
    }

    boost::asio::io_context io{1};
    test::ManualScheduler scheduler{io};
    Room room = Room::read;  // that the request at work came to
    int answered = 0;
    TaskGroup tasks;
    api::Server server;
    Descriptor read;
    Descriptor admin;
    int keep_port = 0;
    std::size_t at_rest = 0;  // tasks

private:
    /// On an abstract name of the kernel's choice.
    static Descriptor listen_unix() {
        Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        must(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address.sun_family) == 0);
        must(::listen(fd.get(), 8) == 0);
        return fd;
    }

    api::Answer answer() {
        return [this](const api::Request& request, const api::Peer& peer) -> Task<api::Reply> {
            ++answered;
            must(!request.method.empty() && request.path.size() <= 2048);
            must(request.body.size() <= (room == Room::keep ? 1024U : 64U * 1024));
            must(request.method != "GET" || request.body.empty());
            must(peer.admin == (room == Room::admin) && (room == Room::keep) == peer.actor.empty());
            must(room == Room::keep || request.origin.empty());
            co_return decoded(request);
        };
    }
};

/// What comes back is nothing but whole answers. How many?
int whole_answers(std::string_view text) {
    int count = 0;
    while (!text.empty()) {
        must(text.starts_with("HTTP/1."));
        const std::size_t head = text.find("\r\n\r\n");
        must(head != text.npos);
        const std::string_view fields = text.substr(0, head);
        must(fields.find("Cache-Control: no-store") != fields.npos);
        const std::size_t length = fields.find("Content-Length: ");
        must(length != fields.npos);
        std::size_t bytes = 0;
        std::from_chars(fields.data() + length + 16, fields.data() + fields.size(), bytes);
        must(text.size() >= head + 4 + bytes);
        const int status = std::stoi(std::string{text.substr(9, 3)});
        must(status == 200 || (status >= 400 && status <= 503));
        text.remove_prefix(head + 4 + bytes);
        ++count;
    }
    return count;
}

}  // namespace

CURFEW_FUZZ_TARGET(socket) {
    static Stage& stage = *new Stage;
    FuzzedData in(data);
    const unsigned how = in.byte();
    stage.room = static_cast<Room>(how % 3);
    const bool hangs_up = (how & 0x40U) != 0;
    stage.answered = 0;
    std::string replies;
    {
        const Descriptor client = stage.connect(stage.room);
        bool closed = false;
        for (int i = 0; i < 64 && !in.empty() && !closed; ++i) {
            fuzz::write_some(client, in.piece());
            stage.scheduler.settle();
            closed = fuzz::read_some(client, replies);
        }
        if (hangs_up) {
            ::shutdown(client.get(), SHUT_WR);
        }
        stage.scheduler.settle();
        closed = closed || fuzz::read_some(client, replies);
        must(closed || !hangs_up);
        stage.scheduler.run_for(seconds{61});  // whatever it still waits for is over by then
        must(closed || fuzz::read_some(client, replies));
    }
    must(stage.tasks.running() == stage.at_rest);  // I13
    const int whole = whole_answers(replies);
    must(whole == stage.answered || whole == stage.answered + 1);  // and one refusal at the end
}
