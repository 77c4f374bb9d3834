// Free space by statvfs(3), on a thread of its own: a network file system that is gone may never answer.
#pragma once

#include "curfew/ports/disk.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <memory>

namespace curfew::disk {

class StatvfsGauge final : public DiskGauge {
public:
    explicit StatvfsGauge(boost::asio::any_io_executor loop);
    ~StatvfsGauge() override;

    /// Waits 10 s of real time, whatever the clock of the program does. While an earlier question has no answer,
    /// every later one is Errc::timeout at once.
    Task<Result<Space>> space(std::string folder) override;

private:
    struct Question;
    boost::asio::any_io_executor loop_;
    std::weak_ptr<Question> unanswered_;
    boost::asio::thread_pool thread_{1};
};

}  // namespace curfew::disk
