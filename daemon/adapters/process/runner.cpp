#include "adapters/process/runner.hpp"

#include "adapters/process/spawn.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

namespace curfew::process {

namespace asio = boost::asio;
using boost::system::error_code;
using Descriptor = asio::posix::stream_descriptor;
using Never = asio::steady_timer::time_point;

namespace {

constexpr std::size_t chunk = std::size_t{16} << 10;

std::string kept(const char* name, const char* standard) {
    const char* value = std::getenv(name);
    return std::string{name} + "=" + (value != nullptr && *value != '\0' ? value : standard);
}

std::vector<std::string> environment_of(const Program& program) {
    std::vector<std::string> environment = program.environment;
    for (const std::string& line : {kept("PATH", "/usr/bin:/bin"), kept("LANG", "C.UTF-8")}) {
        const std::string_view name = std::string_view{line}.substr(0, line.find('=') + 1);
        if (std::ranges::none_of(environment, [&](const auto& given) { return given.starts_with(name); })) {
            environment.push_back(line);
        }
    }
    return environment;
}

Error late(const std::string& program) {
    return {Errc::timeout, Retry::later(), "did not end in time", program};
}
Error given_up(const std::string& program) {
    return {Errc::cancelled, Retry::later(), "given up", program};
}

/// One program under way. Its handlers keep it alive until the program is reaped, whoever asked for it.
class Job : public std::enable_shared_from_this<Job> {
public:
    Job(asio::any_io_executor loop, Scheduler& scheduler, const Options& options, Program program,
        Spawned spawned)
        : done(loop, Never::max()), scheduler_(scheduler), options_(options), program_(std::move(program)),
          pid_(spawned.pid), pidfd_(loop, spawned.pidfd.release()), input_(loop, spawned.input.release()),
          output_(loop, spawned.output.release()), errors_(loop, spawned.errors.release()) {}
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    ~Job() {
        if (!reaped_) {  // the loop itself has ended
            ::kill(-pid_, SIGKILL);
        }
    }

    void start() {
        feed();
        read_output();
        read_errors();
        pidfd_.async_wait(Descriptor::wait_read, [self = shared_from_this()](error_code error) {
            if (!error) {
                self->exited();
            }
        });
    }

    /// The deadline has come. What has ended already may still be drained.
    void too_late() {
        if (!reaped_) {
            give_up(late(program_.argv.front()));
        }
    }

    /// Nobody waits for it any more.
    void abandon() {
        kill_group();
        hang_up();
    }

    bool ended() const { return ended_; }
    Result<Ended> result() {
        return why_ ? Result<Ended>{std::unexpected(std::move(*why_))} : Result<Ended>{std::move(result_)};
    }

    asio::steady_timer done;  // never expires; is cancelled at the end

private:
    void feed() {
        asio::async_write(input_, asio::buffer(program_.input),
                          [self = shared_from_this()](error_code error, std::size_t) {
                              // A program need not read all of it. That it does not is its own matter.
                              if (error || !self->program_.hold_input) {
                                  self->close(self->input_);
                              }
                          });
    }

    void read_output() {
        output_.async_read_some(
            asio::buffer(output_chunk_),
            [self = shared_from_this()](error_code error, std::size_t got) { self->got_output(error, got); });
    }

    void got_output(error_code error, std::size_t got) {
        if (error || ended_) {
            close(output_);
            finish_if_whole();
            return;
        }
        if (!why_ && got > program_.output_max - result_.output.size()) {
            give_up({Errc::too_large, Retry::never(),
                     "printed more than " + std::to_string(program_.output_max) + " bytes",
                     program_.argv.front()});
        }
        if (!why_) {
            result_.output.append(output_chunk_.data(), got);
        }
        read_output();
    }

    void read_errors() {
        errors_.async_read_some(
            asio::buffer(errors_chunk_),
            [self = shared_from_this()](error_code error, std::size_t got) { self->got_errors(error, got); });
    }

    void got_errors(error_code error, std::size_t got) {
        if (error) {
            close(errors_);
            finish_if_whole();
            return;
        }
        result_.errors.append(errors_chunk_.data(), got);
        if (result_.errors.size() > program_.errors_max) {
            result_.errors.erase(0, result_.errors.size() - program_.errors_max);
        }
        read_errors();
    }

    /// Weak, for the alarm is our own: while anything is under way a handler keeps us alive.
    void after(Duration wait, void (Job::*act)()) {
        next_ = scheduler_.at(scheduler_.mono() + wait, [weak = weak_from_this(), act] {
            if (const auto self = weak.lock()) {
                (self.get()->*act)();
            }
        });
    }

    /// Ends the program because of `why`, which becomes the result.
    void give_up(Error why) {
        if (why_) {
            return;
        }
        why_ = std::move(why);
        if (reaped_) {
            finish();
            return;
        }
        close(input_);  // the outputs are read on: a closed one would kill it before it has tidied up
        ::kill(-pid_, SIGTERM);
        after(options_.grace, &Job::kill_group);
    }

    void kill_group() {
        if (!reaped_) {
            ::kill(-pid_, SIGKILL);
        }
    }

    void exited() {
        // Until it is reaped its number is nobody else's, and so is that of its group.
        ::kill(-pid_, SIGKILL);
        siginfo_t info{};
        ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.native_handle()), &info, WEXITED);
        reaped_ = true;
        close(pidfd_);
        close(input_);
        const bool by_itself = info.si_code == CLD_EXITED;
        result_.code = by_itself ? info.si_status : -1;
        result_.signal = by_itself ? 0 : info.si_status;
        after(options_.drain, &Job::finish);
        finish_if_whole();
    }

    void finish_if_whole() {
        if (reaped_ && (why_ || (!output_.is_open() && !errors_.is_open()))) {
            finish();
        }
    }

    void finish() {
        if (std::exchange(ended_, true)) {
            return;
        }
        hang_up();
        next_.cancel();
        done.cancel();
    }

    void hang_up() {
        close(input_);
        close(output_);
        close(errors_);
    }

    static void close(Descriptor& descriptor) {
        error_code ignored;
        descriptor.close(ignored);
    }

    Scheduler& scheduler_;
    Options options_;
    Program program_;
    pid_t pid_;
    Descriptor pidfd_;
    Descriptor input_;
    Descriptor output_;
    Descriptor errors_;
    std::array<char, chunk> output_chunk_{};
    std::array<char, chunk> errors_chunk_{};
    Ended result_;
    std::optional<Error> why_;
    Scheduler::Alarm next_;
    bool reaped_ = false;
    bool ended_ = false;
};

}  // namespace

/// A caller in the queue. `granted` when its place among those that run is already counted.
struct Runner::Turn {
    explicit Turn(const asio::any_io_executor& loop) : wake(loop, Never::max()) {}
    asio::steady_timer wake;
    bool granted = false;
    bool late = false;
};

Runner::Runner(asio::any_io_executor loop, Scheduler& scheduler, Options options)
    : loop_(std::move(loop)), scheduler_(scheduler), options_(options) {}

Task<Result<void>> Runner::wait_for_turn(Deadline deadline) {
    if (running_ < options_.at_once) {
        ++running_;
        co_return Result<void>{};
    }
    if (waiting_.size() >= options_.waiting_max) {
        co_return fail(Errc::overloaded, "too many programs wait for their turn", {}, Retry::later());
    }
    const auto turn = std::make_shared<Turn>(loop_);
    waiting_.push_back(turn);
    const Scheduler::Alarm alarm = scheduler_.at(deadline.at, [turn] {
        turn->late = true;
        turn->wake.cancel();
    });
    error_code ignored;
    co_await turn->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (turn->granted) {
        co_return Result<void>{};
    }
    waiting_.remove(turn);
    co_return std::unexpected(turn->late ? late({}) : given_up({}));
}

void Runner::leave() {
    if (waiting_.empty()) {
        --running_;
        return;
    }
    const auto turn = waiting_.front();
    waiting_.pop_front();
    turn->granted = true;
    turn->wake.cancel();
}

Task<Result<Ended>> Runner::run(Program program, Deadline deadline) {
    const std::string name = program.argv.empty() ? std::string{} : program.argv.front();
    auto turn = co_await wait_for_turn(deadline);
    if (!turn) {
        turn.error().where = name;
        co_return std::unexpected(turn.error());
    }
    struct Leaving {
        Runner& runner;
        explicit Leaving(Runner& r) : runner(r) {}
        Leaving(const Leaving&) = delete;
        Leaving& operator=(const Leaving&) = delete;
        ~Leaving() { runner.leave(); }
    } const leaving(*this);
    if (scheduler_.mono() >= deadline.at) {
        co_return std::unexpected(late(name));
    }
    // From here to the wait below nothing suspends, so that no program starts for somebody who has gone.
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
        co_return std::unexpected(given_up(name));
    }
    auto spawned = spawn(program.argv, environment_of(program), program.folder);
    if (!spawned) {
        co_return std::unexpected(spawned.error());
    }
    const auto job = std::make_shared<Job>(loop_, scheduler_, options_, std::move(program),
                                           std::move(*spawned));
    job->start();
    const Scheduler::Alarm alarm = scheduler_.at(deadline.at, [job] { job->too_late(); });
    error_code ignored;
    co_await job->done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (!job->ended()) {
        job->abandon();
        co_return std::unexpected(given_up(name));
    }
    co_return job->result();
}

}  // namespace curfew::process
