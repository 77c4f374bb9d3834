#include "adapters/mail/mail_channel.hpp"

#include "adapters/mail/compose.hpp"
#include "adapters/mail/smtp.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace curfew::mail {

namespace asio = boost::asio;

namespace {

constexpr std::size_t queue_max = 64;
constexpr std::size_t remembered_max = 64;

struct Job {
    Job(const asio::any_io_executor& loop, std::string message_id, std::vector<std::string> receivers, Mail m,
        Duration l)
        : id(std::move(message_id)), to(std::move(receivers)), mail(std::move(m)), limit(l),
          ready(loop, asio::steady_timer::time_point::max()) {}
    std::string id;
    std::vector<std::string> to;
    Mail mail;
    Duration limit;
    std::atomic<bool> given_up = false;
    // Of the loop:
    asio::steady_timer ready;
    std::optional<Result<Delivered>> result;
};

/// Who has a message already, so that trying again for one does not write to all.
class Told {
public:
    std::set<std::string>& of(const std::string& id) {
        const auto known = std::ranges::find(entries_, id, &Entry::id);
        if (known != entries_.end()) {
            return known->recipients;
        }
        if (entries_.size() == remembered_max) {
            entries_.pop_front();
        }
        return entries_.emplace_back(Entry{id, {}}).recipients;
    }
    void forget(const std::string& id) {
        std::erase_if(entries_, [&](const Entry& e) { return e.id == id; });
    }

private:
    struct Entry {
        std::string id;
        std::set<std::string> recipients;
    };
    std::deque<Entry> entries_;
};

/// Which of two errors decides what happens next: the one that asks for more.
bool asks_for_more(const Error& a, const Error& b) {
    const auto rank = [](const Error& e) { return e.ambiguous() ? 2 : e.may_retry() ? 1 : 0; };
    return rank(a) > rank(b);
}

}  // namespace

struct MailChannel::Impl {
    Impl(const ChannelConfig& config, std::optional<Secret> password, std::string host,
         asio::any_io_executor l, Scheduler& s)
        : account{config, std::move(password), token(host)}, host_name(std::move(host)), loop(std::move(l)),
          scheduler(s), thread([this] { serve(); }) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    ~Impl() {
        {
            const std::lock_guard guard(mutex);
            ending = true;
            for (const auto& job : jobs) {
                job->given_up = true;
            }
            if (current) {
                current->given_up = true;
            }
            wake.notify_one();
        }
        thread.join();
    }

    bool push(std::shared_ptr<Job> job) {
        const std::lock_guard guard(mutex);
        if (jobs.size() >= queue_max) {
            return false;
        }
        jobs.push_back(std::move(job));
        wake.notify_one();
        return true;
    }

    void serve() {
        // Signals are the business of the loop's thread, and a peer that hangs up must not send one.
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        for (;;) {
            std::unique_lock guard(mutex);
            current = nullptr;
            wake.wait(guard, [this] { return ending || !jobs.empty(); });
            if (jobs.empty()) {
                return;
            }
            const std::shared_ptr<Job> job = std::move(jobs.front());
            jobs.pop_front();
            current = job;
            guard.unlock();
            asio::post(loop, [job, result = work_on(*job)]() mutable {
                job->result = std::move(result);
                job->ready.cancel();
            });
        }
    }

    Result<Delivered> work_on(const Job& job) {
        if (job.given_up) {
            return fail(Errc::timeout, "its turn did not come in time", account.config.host, Retry::later());
        }
        std::set<std::string>& told = told_of.of(job.id);
        auto done = tell(job, told);
        if (done) {
            told_of.forget(job.id);
        }
        return done;
    }

    Result<Delivered> tell(const Job& job, std::set<std::string>& told) const {
        std::vector<std::string> left;
        std::ranges::copy_if(job.to, std::back_inserter(left),
                             [&](const auto& to) { return !told.contains(to); });
        Conversation conversation(account, job.mail, job.given_up);
        Duration limit = job.limit;
        std::optional<Error> decisive;
        std::string answer;
        for (const std::string& recipient : left) {
            auto sent = conversation.send(recipient, limit, &recipient == &left.back());
            if (sent) {
                told.insert(recipient);
                answer = conversation.answer();
            } else {
                if (!decisive || asks_for_more(sent.error(), *decisive)) {
                    decisive = sent.error();
                }
                if (!conversation.about_recipient()) {
                    break;
                }
            }
            limit -= conversation.took();
        }
        const bool trying_helps = decisive && (decisive->may_retry() || decisive->ambiguous());
        if (decisive && (trying_helps || told.empty())) {
            return std::unexpected(std::move(*decisive));
        }
        if (decisive) {
            answer += (answer.empty() ? "" : "; ") + std::to_string(job.to.size() - told.size()) + " of " +
                      std::to_string(job.to.size()) + " refused: " + decisive->text;
        }
        return Delivered{.answer = answer.empty() ? "taken before" : std::move(answer)};
    }

    const Account account;
    const std::string host_name;
    const asio::any_io_executor loop;
    Scheduler& scheduler;
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::shared_ptr<Job>> jobs;
    std::shared_ptr<Job> current;
    bool ending = false;
    Told told_of;  // of the thread
    std::thread thread;
};

MailChannel::MailChannel(const ChannelConfig& config, std::optional<Secret> password, std::string host_name,
                         asio::any_io_executor loop, Scheduler& scheduler)
    : impl_(std::make_unique<Impl>(config, std::move(password), std::move(host_name), std::move(loop),
                                   scheduler)) {}

MailChannel::~MailChannel() = default;

const ChannelName& MailChannel::name() const {
    return impl_->account.config.name;
}

Task<Result<Delivered>> MailChannel::deliver(Parcel parcel, Deadline deadline) {
    const Message& message = parcel.message;
    const ChannelConfig& config = impl_->account.config;
    std::vector<std::string> to = parcel.to.empty() ? config.to : std::vector{parcel.to};
    auto mail = compose(message, config, to, impl_->host_name);
    if (!mail) {
        co_return std::unexpected(mail.error());
    }
    const Instant now = impl_->scheduler.mono();
    const Deadline until = deadline.earlier(now + config.timeout);
    if (until.at <= now) {
        co_return fail(Errc::timeout, "no time was left", config.host, Retry::later());
    }
    const auto job = std::make_shared<Job>(impl_->loop, message.id, std::move(to), std::move(*mail),
                                           until.at - now);
    if (!impl_->push(job)) {
        co_return fail(Errc::overloaded, "too many mails wait", config.host, Retry::later());
    }
    const Scheduler::Alarm alarm = impl_->scheduler.at(until.at, [job] { job->given_up = true; });
    while (!job->result) {
        boost::system::error_code ended;
        co_await job->ready.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    }
    co_return std::move(*job->result);
}

}  // namespace curfew::mail
