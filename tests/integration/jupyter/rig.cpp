#include "rig.hpp"

#include "adapters/http/json.hpp"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <thread>

namespace support {

namespace fs = std::filesystem;
using namespace curfew;

TempFolder::TempFolder() {
    std::string name = (fs::temp_directory_path() / "curfew-jupyter-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void write_file(const fs::path& path, const std::string& bytes) {
    fs::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << bytes;
    out.close();
    REQUIRE(out.good());
}

std::string file_text(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    REQUIRE(in.good());
    return {std::istreambuf_iterator<char>(in), {}};
}

void age(const fs::path& path, Duration before_now) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= before_now.count() / 1000;
    const std::array<timespec, 2> both{now, now};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), both.data(), AT_SYMLINK_NOFOLLOW) == 0);
}

void write_old(const fs::path& path, const std::string& bytes) {
    write_file(path, bytes);
    age(path, hours{1});
}

int shell(const std::string& command, std::string& output) {
    std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> chunk{};
    for (std::size_t got = 0; (got = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) {
        output.append(chunk.data(), got);
    }
    const int status = ::pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Task<Result<void>> MemorySink::write(std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    co_return Result<void>{};
}

namespace {

clock::ClockOptions clock_at(int speed) {
    const WallTime now{static_cast<std::int64_t>(std::time(nullptr)) * 1000};
    return {.speed = speed, .origin = now, .start_real = now};
}

http::ClientOptions client_at(int speed) {
    http::ClientOptions options;
    options.connect_timeout *= speed;
    options.stall_timeout *= speed;
    return options;
}

}  // namespace

Rig::Rig(int port, std::string with_token, int speed)
    : scheduler(io.get_executor(), clock_at(speed)), client(io.get_executor(), scheduler, client_at(speed)),
      token(std::move(with_token)), workers(std::make_shared<vault::Workers>(io.get_executor(), 2)),
      door_(client, scheduler, [this](const AccountName&) { return &account; }, [] { return 4; }) {
    account.name = AccountName{"lab"};
    account.guest_url = "http://{fqdn}:" + std::to_string(port);
}

Rig::~Rig() {
    boost::asio::co_spawn(io, client.close(), [](const std::exception_ptr&) {});
    io.restart();
    io.poll();
    workers->join();
}

std::shared_ptr<Guest> Rig::guest() {
    Resource resource{.id = ResourceId{"r1"},
                      .account = account.name,
                      .kind = ResourceKind::notebook,
                      .name = "study",
                      .project = {},
                      .owner = {},
                      .tags = {},
                      .run = {},
                      .other_runs = {}};
    resource.run.id = RunId{"n1"};
    resource.run.address = "127.0.0.1";
    resource.run.token = Secret{token};
    std::shared_ptr<Guest> guest = door_.open(account.name, resource, resource.run);
    REQUIRE(guest);
    return guest;
}

Result<Walk> Rig::walk(WalkLimits limits) {
    const auto there = guest();
    return run(there->walk(limits, in(seconds{60})));
}

Result<std::vector<Observation>> Rig::observe() {
    const auto there = guest();
    return run(there->observe({}, in(seconds{60})));
}

Rig::Got Rig::read(const FileEntry& file, Duration settle, std::int64_t offset) {
    const auto there = guest();
    MemorySink sink;
    auto report = run(there->read(file, offset, settle, sink, in(seconds{60})));
    return {std::move(report), std::move(sink.text)};
}

http::Response Rig::ask(const std::string& method, const std::string& target, const std::string& body) {
    http::Request request;
    request.method = method;
    request.url = *http::parse_url(
        "http://127.0.0.1:" + account.guest_url.substr(account.guest_url.rfind(':') + 1) + target);
    request.credential = {.header = "Authorization", .prefix = "token ", .secret = Secret{token}};
    request.body = body;
    request.content_type = "application/json";
    auto response = run(client.send(std::move(request), in(seconds{60})));
    INFO(method << " " << target << (response ? std::string{} : ": " + to_string(response.error())));
    REQUIRE(response);
    return std::move(*response);
}

Packing::Packing(Rig& rig)
    : rig_(rig),
      packer_(rig.scheduler,
              {std::make_shared<vault::FolderVault>(VaultName{"disk"}, (folder.path() / "vault").string(),
                                                    true, rig.scheduler, rig.workers)},
              json::is_whole_notebook) {
    policy.settle = seconds{1};
    policy.html = false;
}

Result<Receipt> Packing::pack(std::optional<Receipt> previous, Duration patience) {
    PackOrder order{.receipt = ReceiptId{"receipt-" + std::to_string(++packs_)},
                    .enforcement = {},
                    .account = rig_.account.name,
                    .resource = {},
                    .policy = policy,
                    .previous = std::move(previous)};
    order.resource.id = ResourceId{"r1"};
    order.resource.name = "study";
    order.resource.run.id = RunId{"n1"};
    return rig_.run(packer_.pack(rig_.guest(), std::move(order), rig_.in(patience)));
}

Result<bool> Packing::unchanged(const Receipt& receipt) {
    return rig_.run(packer_.unchanged(rig_.guest(), receipt, policy, rig_.in(minutes{20})));
}

fs::path Packing::snapshot(const Receipt& receipt) {
    REQUIRE(receipt.proofs.size() == 1);
    return receipt.proofs.front().locator;
}

std::vector<ManifestEntry> Packing::manifest(const Receipt& receipt) {
    vault::FolderVault vault(VaultName{"disk"}, (folder.path() / "vault").string(), true, rig_.scheduler,
                             rig_.workers);
    auto entries = rig_.run(vault.manifest(receipt));
    REQUIRE(entries);
    return std::move(*entries);
}

ManifestEntry Packing::entry(const Receipt& receipt, const std::string& path) {
    const auto entries = manifest(receipt);
    const auto found = std::ranges::find(entries, path, &ManifestEntry::path);
    INFO(path);
    REQUIRE(found != entries.end());
    return *found;
}

std::string Packing::packed(const Receipt& receipt, const std::string& path) {
    return file_text(snapshot(receipt) / "files" / entry(receipt, path).local_path);
}

bool Packing::sums_hold(const Receipt& receipt) {
    std::string output;
    const int status = shell(
        "cd '" + (snapshot(receipt) / "files").string() + "' && sha256sum --strict --quiet -c ../SHA256SUMS",
        output);
    INFO(output);
    CHECK(status == 0);
    return status == 0;
}

const NotCovered* Packing::missing(const Receipt& receipt, const std::string& what) {
    const auto found = std::ranges::find(receipt.not_covered, what, &NotCovered::what);
    return found == receipt.not_covered.end() ? nullptr : &*found;
}

Packing::~Packing() {
    no_temporary_left();
}

bool Packing::no_temporary_left() const {
    const fs::path snapshots = folder.path() / "vault" / "lab" / "r1" / "snapshots";
    for (int i = 0; i < 6000; ++i) {
        bool left = false;
        std::error_code error;
        for (const auto& item : fs::directory_iterator(snapshots, error)) {
            left = left || item.path().filename().string().starts_with(".tmp-");
        }
        if (!left) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    return false;
}

bool Packing::nothing_written() {
    if (!no_temporary_left()) {
        return false;
    }
    for (const auto& item : fs::recursive_directory_iterator(folder.path())) {
        const fs::path inside = item.path().lexically_relative(folder.path());
        const bool skeleton = inside == "vault" || inside == "vault/lab" || inside == "vault/lab/r1" ||
                              inside == "vault/lab/r1/snapshots";
        if (!skeleton) {
            UNSCOPED_INFO("written: " << inside);
            return false;
        }
    }
    return true;
}

FileEntry file_of(const Walk& walk, const std::string& path) {
    const auto found = std::ranges::find(walk.files, path, &FileEntry::path);
    INFO(path);
    REQUIRE(found != walk.files.end());
    return *found;
}

const NotCovered* missing_in(const Walk& walk, const std::string& what) {
    const auto found = std::ranges::find(walk.not_covered, what, &NotCovered::what);
    return found == walk.not_covered.end() ? nullptr : &*found;
}

}  // namespace support
