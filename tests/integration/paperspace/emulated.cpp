#include "integration/paperspace/emulated.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace support {

using namespace curfew;

namespace {

constexpr const char* keys[] = {"0123456789abcdef0123456789abcd", "fedcba9876543210fedcba98765432"};

std::string line_of(int fd) {
    std::string line;
    for (char c = 0; ::read(fd, &c, 1) == 1 && c != '\n';) {
        line += c;
    }
    return line;
}

}  // namespace

Emulator::Emulator() {
    const char* bin = std::getenv("CURFEW_BIN");  // NOLINT(concurrency-mt-unsafe): no other thread yet
    const std::string program = std::string{bin != nullptr ? bin : "."} + "/curfew-emulator";
    std::string name = (std::filesystem::temp_directory_path() / "curfew-emulated-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    std::array<int, 2> out{};
    if (::pipe(out.data()) != 0) {
        throw std::runtime_error("no pipe");
    }
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        ::dup2(out[1], 1);
        ::close(out[0]);
        ::execl(program.c_str(), program.c_str(), "--state-dir", folder_.c_str(), "--guests", "standin",
                "--boot-ms", "150", "--teardown-ms", "150", "--key", keys[0], "--key", keys[1], nullptr);
        ::_exit(127);
    }
    ::close(out[1]);
    const std::string line = line_of(out[0]);
    ::close(out[0]);
    auto ready = json::parse(line);
    if (line.empty() || !ready) {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
        ::waitpid(pid_, nullptr, 0);
        throw std::runtime_error(program + " does not start");
    }
    ready_ = std::move(*ready);
}

Emulator::~Emulator() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

Account::Account() : key(keys[0]), cloud(with(key)) {}

std::shared_ptr<Cloud> Account::with(const std::string& other_key, bool notebooks, bool machines) {
    AccountConfig config;
    config.name = AccountName{"lab"};
    config.v1_url = emulator.of("v1");
    config.legacy_url = emulator.of("legacy");
    config.metrics_connect = emulator.of("metrics_connect");
    config.ca_file = emulator.of("ca_file");
    config.notebooks = notebooks;
    config.machines = machines;
    adjust(config);
    return paperspace::make_cloud(config, {.key = Secret{other_key}, .balance_key = Secret{balance_key}},
                                  client, loop.scheduler());
}

json::Value Account::control(const std::string& method, const std::string& path, const std::string& body) {
    http::Request request;
    request.method = method;
    request.url = http::parse_url(emulator.of("control") + path).value();
    request.body = body;
    request.content_type = "application/json";
    request.body_max = std::size_t{16} << 20;
    auto response = loop.run(client.send(std::move(request), in(seconds{60})));
    if (!response) {
        throw std::runtime_error(path + ": " + to_string(response.error()));
    }
    if (response->status != 200) {
        throw std::runtime_error(path + ": " + response->body);
    }
    return json::parse(response->body).value();
}

RunRef Account::notebook(const std::string& name, const std::string& more) {
    const json::Value made = control(
        "POST", "/standins", R"({"count":1,"name":")" + name + "\"" + (more.empty() ? "" : ",") + more + "}");
    const json::Value& one = made["notebooks"].items().at(0);
    return {ResourceKind::notebook, ResourceId{one["notebookRepoId"].text()}, RunId{one["id"].text()}};
}

RunRef Account::start(const RunRef& ref) {
    const json::Value one = control("POST", "/notebooks/" + ref.resource.value + "/start",
                                    R"({"wait":true})");
    return {ref.kind, ref.resource, RunId{one["id"].text()}};
}

void Account::end(const RunRef& ref) {
    control("POST", "/notebooks/" + ref.resource.value + "/end", R"({"wait":true})");
}

std::int64_t Account::calls(const std::string& query) {
    return control("GET", "/calls?count=1&" + query)["count"].integer().value_or(-1);
}

std::string Account::truth(const RunRef& ref, const std::string& member) {
    const json::Value state = control("GET", "/state");
    for (const char* kind : {"notebooks", "machines"}) {
        for (const json::Value& row : state[kind].items()) {
            if (row["notebookRepoId"].text() == ref.resource.value ||
                row["id"].text() == ref.resource.value) {
                return row[member].text();
            }
        }
    }
    return {};
}

bool Account::goes_off(const RunRef& ref) {
    for (int i = 0; i < 3000; ++i) {
        const auto seen = look(ref);
        if (seen && seen->listed && is_off(seen->run.state)) {
            return true;
        }
        loop.wait(Duration{20});
    }
    return false;
}

const Resource* find(const Listing& listing, const ResourceId& id) {
    const auto found = std::ranges::find(listing.resources, id, &Resource::id);
    return found == listing.resources.end() ? nullptr : &*found;
}

}  // namespace support
