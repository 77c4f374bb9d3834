// A vault, a channel and a supervisor that keep what they are given.
#pragma once

#include "curfew/ports/channel.hpp"
#include "curfew/ports/supervisor.hpp"
#include "curfew/ports/vault.hpp"
#include "support/manual_scheduler.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace curfew::test {

/// Keeps the bytes; "hashes" with their length and first bytes.
class FakeVault final : public Vault {
public:
    explicit FakeVault(ManualScheduler& time) : scheduler(time) {}
    ManualScheduler& scheduler;
    std::optional<Error> failing;
    std::map<std::string, std::vector<ManifestEntry>> published;  // by receipt

    class File final : public VaultFile {
    public:
        Task<Result<void>> write(std::span<const std::byte> bytes) override {
            text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            co_return Result<void>{};
        }
        Task<Result<Sha256>> finish() override {
            Sha256 hash{};
            for (std::size_t i = 0; i < text_.size(); ++i) {
                hash[i % hash.size()] = static_cast<std::uint8_t>(hash[i % hash.size()] * 31 +
                                                                  static_cast<unsigned char>(text_[i]));
            }
            co_return hash;
        }
        std::int64_t bytes() const override { return static_cast<std::int64_t>(text_.size()); }

    private:
        std::string text_;
    };
    class Shot final : public Snapshot {
    public:
        explicit Shot(FakeVault& vault) : vault_(vault) {}
        Task<Result<std::optional<ManifestEntry>>> reuse(FileEntry) override {
            co_return std::optional<ManifestEntry>{};
        }
        Task<Result<std::unique_ptr<VaultFile>>> create(std::string) override {
            std::unique_ptr<VaultFile> file = std::make_unique<File>();
            co_return file;
        }
        Task<Result<std::string>> read_back(std::string, std::int64_t) override { co_return std::string{}; }
        Task<Result<void>> add_html(std::string, std::string) override { co_return Result<void>{}; }
        Task<Result<void>> drop(std::string) override { co_return Result<void>{}; }
        Task<Result<Receipt>> publish(Receipt receipt, std::vector<ManifestEntry> manifest) override {
            if (vault_.failing) {
                co_return std::unexpected(*vault_.failing);
            }
            receipt.verified_at = vault_.scheduler.wall();
            receipt.proofs = {{VaultName{"home"}, "memory", "none"}};
            vault_.published[receipt.id.value] = std::move(manifest);
            co_return receipt;
        }

    private:
        FakeVault& vault_;
    };

    const VaultName& name() const override { return name_; }
    bool required() const override { return true; }
    Task<Result<std::unique_ptr<Snapshot>>> begin(AccountName, ResourceId, RunId, ReceiptId,
                                                  std::int64_t) override {
        std::unique_ptr<Snapshot> shot = std::make_unique<Shot>(*this);
        co_return shot;
    }
    Task<Result<void>> verify(Receipt) override { co_return Result<void>{}; }
    Task<Result<std::vector<ManifestEntry>>> manifest(Receipt receipt) override {
        co_return published[receipt.id.value];
    }

private:
    VaultName name_{"home"};
};

class FakeChannel final : public Channel {
public:
    FakeChannel(ManualScheduler& scheduler, std::string name)
        : scheduler_(scheduler), name_(std::move(name)) {}
    std::deque<Result<void>> answers;  // then success
    Duration takes{0};
    std::vector<Message> delivered;
    int attempts = 0;
    bool grouped = true;
    const ChannelName& name() const override { return name_; }
    bool groups() const override { return grouped; }
    Task<Result<Delivered>> deliver(Parcel parcel, Deadline) override {
        ++attempts;
        co_await scheduler_.sleep_for(takes);
        if (!answers.empty()) {
            Result<void> answer = answers.front();
            answers.pop_front();
            if (!answer) {
                co_return std::unexpected(answer.error());
            }
        }
        delivered.push_back(std::move(parcel.message));
        co_return Delivered{.answer = "taken"};
    }

private:
    ManualScheduler& scheduler_;
    ChannelName name_;
};

class FakeSupervisor final : public Supervisor {
public:
    void ready() override { ++readies; }
    void reloading() override {}
    void stopping() override {}
    void status(const std::string& line) override { said = line; }
    void alive() override { ++lives; }
    std::optional<Duration> watchdog_interval() const override { return seconds{60}; }
    std::string said;  // the newest status line
    int readies = 0;
    int lives = 0;
};

}  // namespace curfew::test
