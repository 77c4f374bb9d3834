#include "adapters/clock/real_scheduler.hpp"
#include "adapters/systemd/journal.hpp"
#include "adapters/systemd/supervisor.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <spdlog/details/log_msg.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

using namespace curfew;
namespace asio = boost::asio;

TEST_CASE("alarms fire in order, and a cancelled one never") {
    asio::io_context io;
    clock::RealScheduler scheduler(io.get_executor(), {});
    std::vector<int> fired;
    const Instant now = scheduler.mono();
    auto late = scheduler.at(now + Duration{20}, [&] { fired.push_back(2); });
    auto early = scheduler.at(now + Duration{5}, [&] { fired.push_back(1); });
    auto never = scheduler.at(now + Duration{1}, [&] { fired.push_back(9); });
    never.cancel();
    auto far = scheduler.at(now + hours{24 * 3650}, [&] { fired.push_back(8); });
    auto last = scheduler.at(now + Duration{30}, [&] { io.stop(); });
    io.run();
    CHECK(fired == std::vector<int>{1, 2});
}

TEST_CASE("an alarm may be renewed from its own callback") {
    asio::io_context io;
    clock::RealScheduler scheduler(io.get_executor(), {});
    int count = 0;
    Scheduler::Alarm alarm;
    std::function<void()> again = [&] {
        if (++count == 3) {
            io.stop();
        } else {
            alarm = scheduler.at(scheduler.mono() + Duration{1}, again);
        }
    };
    alarm = scheduler.at(scheduler.mono(), again);
    io.run();
    CHECK(count == 3);
}

TEST_CASE("a sleep ends early when its coroutine is cancelled") {
    asio::io_context io;
    clock::RealScheduler scheduler(io.get_executor(), {});
    asio::cancellation_signal cancel;
    bool ended = false;
    asio::co_spawn(io, scheduler.sleep_for(hours{10}),
                   asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr) {
                       ended = true;
                       io.stop();
                   }));
    auto alarm = scheduler.at(scheduler.mono() + Duration{5},
                              [&] { cancel.emit(asio::cancellation_type::terminal); });
    io.run();
    CHECK(ended);
}

TEST_CASE("accelerated clocks with the same options agree and run faster") {
    asio::io_context io;
    const clock::ClockOptions options{
        .speed = 100, .origin = {1'795'399'800'000}, .start_real = {1'700'000'000'000}};
    clock::RealScheduler a(io.get_executor(), options);
    clock::RealScheduler b(io.get_executor(), options);
    const Now first = a.now();
    const Now second = b.now();
    const Now third = a.now();
    CHECK(second.wall >= first.wall);
    CHECK(second.wall <= third.wall);
    ::usleep(20'000);
    CHECK(a.wall() - first.wall >= Duration{2'000});
    CHECK(a.mono() - first.mono >= Duration{2'000});
    CHECK(a.boot_id() != clock::RealScheduler(io.get_executor(), {}).boot_id());
}

TEST_CASE("zones come out of the system's database as data") {
    const auto rome = clock::load_zone("Europe/Rome");
    REQUIRE(rome);
    CHECK(rome->offset_at(*parse_wall_time("2026-07-01T00:00:00Z")) == hours{2});
    CHECK(rome->offset_at(*parse_wall_time("2026-12-01T00:00:00Z")) == hours{1});
    CHECK(month_of(*parse_wall_time("2026-10-31T23:30:00Z"), *rome).id == "2026-11@Europe/Rome");
    // New York's first of November 2026 is 25 hours long.
    const auto new_york = clock::load_zone("America/New_York");
    REQUIRE(new_york);
    const Period day = day_of(*parse_wall_time("2026-11-01T12:00:00Z"), *new_york);
    CHECK(day.to - day.from == hours{25});
    CHECK(clock::load_zone("UTC")->transitions.empty());
    CHECK(clock::load_zone("Europe/Roma").error().code == Errc::invalid);
    CHECK_FALSE(clock::load_zone("../../etc/passwd"));
    CHECK_FALSE(clock::load_zone(""));
}

TEST_CASE("secrets: private files only, one line") {
    char folder[] = "/tmp/curfew-secret-XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    const std::string path = std::string{folder} + "/key";
    const auto put = [&](const std::string& text, mode_t mode) {
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
    };
    put("s3cret\n", 0600);
    CHECK(systemd::read_secret(path)->reveal() == "s3cret");
    put("s3cret", 0640);
    CHECK(systemd::read_secret(path).error().code == Errc::unsafe);
    put("s3cret", 0604);
    CHECK(systemd::read_secret(path).error().code == Errc::unsafe);
    put("two\nlines", 0600);
    CHECK(systemd::read_secret(path).error().code == Errc::invalid);
    put("", 0600);
    CHECK(systemd::read_secret(path).error().code == Errc::invalid);
    put(std::string(70'000, 'x'), 0600);
    CHECK(systemd::read_secret(path).error().code == Errc::invalid);
    CHECK(systemd::read_secret(folder).error().code == Errc::invalid);
    CHECK(systemd::read_secret(path + "missing").error().code == Errc::not_found);
    put("a key\nof many lines\n", 0600);
    CHECK(systemd::private_file(path) == path);
    put("a key", 0644);
    CHECK(systemd::private_file(path).error().code == Errc::unsafe);
    put("a key", 0620);
    CHECK(systemd::private_file(path).error().code == Errc::unsafe);
    CHECK(systemd::private_file(folder).error().code == Errc::invalid);
    CHECK(systemd::private_file(path + "missing").error().code == Errc::not_found);
    put("from systemd", 0600);
    ::setenv("CREDENTIALS_DIRECTORY", folder, 1);
    CHECK(systemd::read_secret("credential:key")->reveal() == "from systemd");
    CHECK_FALSE(systemd::read_secret("credential:../key"));
    CHECK(systemd::private_file("credential:key") == path);
    CHECK_FALSE(systemd::private_file("credential:../key"));
    ::unsetenv("CREDENTIALS_DIRECTORY");
    CHECK_FALSE(systemd::read_secret("credential:key"));
    ::unlink(path.c_str());
    ::rmdir(folder);
}

TEST_CASE("without a manager there are no sockets and no watchdog") {
    CHECK(systemd::inherited_sockets()->empty());
    CHECK_FALSE(systemd::SystemdSupervisor{}.watchdog_interval());
}

TEST_CASE("every line for the journal has its message's priority") {
    CHECK(systemd::with_priority(spdlog::level::err, "event=x\nmore") == "<3>event=x\n<3>more");
    spdlog::memory_buf_t line;
    systemd::JournalFormatter{}.format({"curfewd", spdlog::level::warn, "event=y"}, line);
    CHECK(std::string(line.data(), line.size()) == "<4>event=y\n");
    systemd::JournalFormatter{}.clone()->format({"curfewd", spdlog::level::debug, "event=z"}, line);
    CHECK(std::string(line.data(), line.size()) == "<4>event=y\n<7>event=z\n");
}
