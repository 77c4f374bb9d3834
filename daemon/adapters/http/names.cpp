#include "adapters/http/names.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace curfew::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr Duration address_age_max = minutes{5};
constexpr Duration address_stale_max = hours{1};
constexpr int threads_max = 8;

struct Found {
    std::string error;  // empty = it is known
    Endpoints endpoints;
};

/// Blocks for as long as the system's resolver likes.
Found ask_system(const std::string& host, std::uint16_t port) {
    addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &list);
    if (code != 0) {
        return {::gai_strerror(code), {}};
    }
    Found found;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        tcp::endpoint endpoint;
        if (entry->ai_addrlen <= endpoint.capacity()) {
            std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
            endpoint.resize(entry->ai_addrlen);
            found.endpoints.push_back(endpoint);
        }
    }
    ::freeaddrinfo(list);
    return found;
}

/// What the threads share with the loop. They outlive everybody else, and then only find that nobody listens.
struct Desk {
    struct Job {
        std::string host;
        std::uint16_t port = 0;
        std::function<void(Found)> tell;  // owns nothing of the loop
    };
    std::mutex mutex;
    std::deque<Job> jobs;
    int threads = 0;
    std::optional<asio::any_io_executor> loop;  // none = closed

    static void serve(const std::shared_ptr<Desk>& desk) {
        for (;;) {
            Job job;
            {
                const std::lock_guard guard(desk->mutex);
                if (desk->jobs.empty()) {
                    --desk->threads;
                    return;
                }
                job = std::move(desk->jobs.front());
                desk->jobs.pop_front();
            }
            Found found = ask_system(job.host, job.port);
            const std::lock_guard guard(desk->mutex);
            if (desk->loop) {
                asio::post(*desk->loop, [tell = std::move(job.tell), found = std::move(found)]() mutable {
                    tell(std::move(found));
                });
            }
        }
    }

    static void take(const std::shared_ptr<Desk>& desk, Job job) {
        const std::lock_guard guard(desk->mutex);
        if (!desk->loop) {
            return;
        }
        desk->jobs.push_back(std::move(job));
        if (desk->threads == threads_max) {
            return;
        }
        // Signals are the business of the loop's thread.
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            std::thread([desk] { serve(desk); }).detach();
            ++desk->threads;
        } catch (const std::system_error& none) {
            if (desk->threads == 0) {
                asio::post(*desk->loop, [tell = std::move(desk->jobs.back().tell),
                                         text = none.code().message()] { tell({text, {}}); });
                desk->jobs.pop_back();
            }
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
};

}  // namespace

struct Names::Impl : std::enable_shared_from_this<Names::Impl> {
    struct Addresses {
        Endpoints endpoints;
        Instant at;
        bool doubted = false;
    };
    struct Lookup {
        explicit Lookup(const asio::any_io_executor& loop)
            : done(loop, asio::steady_timer::time_point::max()) {}
        asio::steady_timer done;
        std::optional<Found> found;
    };

    Impl(asio::any_io_executor l, Scheduler& s, Duration p) : loop(std::move(l)), scheduler(s), patience(p) {
        desk->loop = loop;
    }

    std::shared_ptr<Lookup> look_up(const std::string& key, const std::string& host, std::uint16_t port) {
        std::shared_ptr<Lookup>& slot = lookups[key];
        if (!slot) {
            slot = std::make_shared<Lookup>(loop);
            Desk::take(desk, {host, port, [weak = weak_from_this(), key](Found found) {
                                  if (const auto self = weak.lock()) {
                                      self->learn(key, std::move(found));
                                  }
                              }});
        }
        return slot;
    }

    void learn(const std::string& key, Found found) {
        const Instant now = scheduler.mono();
        std::erase_if(addresses, [&](const auto& a) { return now - a.second.at >= address_stale_max; });
        if (found.error.empty()) {
            addresses[key] = {found.endpoints, now};
        }
        if (const auto lookup = lookups.find(key); lookup != lookups.end()) {
            lookup->second->found = std::move(found);
            lookup->second->done.cancel();
            lookups.erase(lookup);
        }
    }

    asio::any_io_executor loop;
    Scheduler& scheduler;
    Duration patience;
    std::shared_ptr<Desk> desk = std::make_shared<Desk>();
    std::map<std::string, Addresses> addresses;
    std::map<std::string, std::shared_ptr<Lookup>> lookups;
};

Names::Names(asio::any_io_executor loop, Scheduler& scheduler, Duration patience)
    : impl_(std::make_shared<Impl>(std::move(loop), scheduler, patience)) {}

Names::~Names() {
    close();
}

void Names::close() {
    const std::lock_guard guard(impl_->desk->mutex);
    impl_->desk->loop.reset();
    impl_->desk->jobs.clear();
}

std::size_t Names::kept() const {
    return impl_->addresses.size();
}

void Names::doubt(const std::string& host, std::uint16_t port) {
    const auto known = impl_->addresses.find(host + ":" + std::to_string(port));
    if (known != impl_->addresses.end()) {
        known->second.doubted = true;
    }
}

Task<Result<Endpoints>> Names::resolve(std::string host, std::uint16_t port, Deadline deadline) {
    const std::shared_ptr<Impl> impl = impl_;
    boost::system::error_code not_an_address;
    const auto literal = asio::ip::make_address(host, not_an_address);
    if (!not_an_address) {
        co_return Endpoints{tcp::endpoint{literal, port}};
    }
    if (host == "localhost" || host.ends_with(".localhost")) {  // RFC 6761, also where no hosts file says so
        co_return Endpoints{tcp::endpoint{asio::ip::address_v4::loopback(), port},
                            tcp::endpoint{asio::ip::address_v6::loopback(), port}};
    }
    const std::string key = host + ":" + std::to_string(port);
    const auto known = impl->addresses.find(key);
    if (known != impl->addresses.end() && !known->second.doubted &&
        impl->scheduler.mono() - known->second.at < address_age_max) {
        co_return known->second.endpoints;
    }
    const std::shared_ptr<Impl::Lookup> lookup = impl->look_up(key, host, port);
    const Instant until = std::min(deadline.at, impl->scheduler.mono() + impl->patience);
    while (!lookup->found && impl->scheduler.mono() < until) {  // another waiter's deadline wakes all
        const Scheduler::Alarm alarm = impl->scheduler.at(until, [lookup] { lookup->done.cancel(); });
        boost::system::error_code ended;
        co_await lookup->done.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    }
    if (lookup->found && lookup->found->error.empty()) {
        co_return lookup->found->endpoints;
    }
    const auto stale = impl->addresses.find(key);
    if (stale != impl->addresses.end() && impl->scheduler.mono() - stale->second.at < address_stale_max) {
        co_return stale->second.endpoints;
    }
    co_return fail(
        Errc::unavailable,
        lookup->found ? "cannot find the host: " + lookup->found->error : "finding the host took too long",
        host, Retry::later());
}

}  // namespace curfew::http
