#include "adapters/disk/statvfs_gauge.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/statvfs.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

namespace curfew::disk {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds patience{10};

/// A folder that is made by its first use lies where its parent lies.
std::string existing(std::string folder) {
    std::filesystem::path path = folder;
    std::error_code error;
    while (!std::filesystem::exists(path, error) && path.has_relative_path()) {
        path = path.parent_path();
    }
    return path.string();
}

Result<Space> ask(const std::string& folder) {
    struct statvfs info{};
    if (::statvfs(existing(folder).c_str(), &info) != 0) {
        return fail(Errc::disk, std::strerror(errno), folder);
    }
    const auto block = static_cast<std::int64_t>(info.f_frsize);
    return Space{.free = static_cast<std::int64_t>(info.f_bavail) * block,
                 .total = static_cast<std::int64_t>(info.f_blocks) * block,
                 .volume = std::to_string(info.f_fsid)};
}

}  // namespace

struct StatvfsGauge::Question {
    explicit Question(const asio::any_io_executor& loop) : ready(loop, patience) {}
    asio::steady_timer ready;
    std::optional<Result<Space>> answer;
};

StatvfsGauge::StatvfsGauge(asio::any_io_executor loop) : loop_(std::move(loop)) {}

StatvfsGauge::~StatvfsGauge() {
    thread_.join();
}

Task<Result<Space>> StatvfsGauge::space(std::string folder) {
    const Error none{Errc::timeout, Retry::later(), "the file system does not answer", folder};
    if (!unanswered_.expired()) {
        co_return std::unexpected(none);
    }
    auto question = std::make_shared<Question>(loop_);
    unanswered_ = question;
    asio::post(thread_, [loop = loop_, question, folder] {
        Result<Space> answer = ask(folder);
        asio::post(loop, [question, answer = std::move(answer)]() mutable {
            question->answer = std::move(answer);
            question->ready.cancel();
        });
    });
    boost::system::error_code ended;
    co_await question->ready.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    if (!question->answer) {
        co_return std::unexpected(none);
    }
    unanswered_.reset();
    co_return *question->answer;
}

}  // namespace curfew::disk
