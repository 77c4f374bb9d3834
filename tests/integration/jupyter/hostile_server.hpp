// A stand-in for a Jupyter server that lies on demand: honest about a few files in memory until a trap
// answers in its place.
#pragma once

#include "curfew/core/receipt.hpp"

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace support {

struct Asked {
    std::string method;
    std::string target;  // as sent
    std::string path;    // decoded, without the query
    std::optional<std::size_t> range_from;
    int number = 0;  // how often this path was asked for before
    bool is(const std::string& what) const { return path == what; }
    bool below(const std::string& what) const { return path.starts_with(what); }
};

struct Reply {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    std::optional<std::size_t> says_length;  // instead of the body's length
    bool says_date = true;
    std::optional<std::size_t> cut_after;  // the connection ends after so many bytes of the body
    int drip_ms = 0;                       // before every byte
    std::size_t repeat = 1;                // the body so many times
};

class HostileServer {
public:
    using Trap = std::function<std::optional<Reply>(const Asked&)>;

    HostileServer();
    ~HostileServer();
    HostileServer(const HostileServer&) = delete;
    HostileServer& operator=(const HostileServer&) = delete;

    int port() const { return port_; }
    void put(const std::string& path, const std::string& bytes,
             const std::string& stamp = "2020-01-01T00:00:00.123457Z");
    void remove(const std::string& path);
    /// Asked before the honest answer; what it returns is sent instead.
    void set_trap(Trap trap);
    /// The honest answer, for traps that change a part of it.
    Reply honest(const Asked& asked);
    int times_asked(const std::string& path);
    bool saw_write();  // any method but GET, and POST to nbconvert

    static Reply json(const std::string& body);
    static Reply page(int status = 200);
    static Reply redirect(const std::string& location);
    /// The file as honest() gives it, but only its first bytes before the connection ends.
    Reply cut(const Asked& asked, std::size_t bytes);

private:
    struct File {
        std::string bytes;
        std::string stamp;
    };
    struct Talk {
        int fd = -1;
        std::thread thread;
    };

    void accept_all();
    void talk(int fd);
    Reply answer(const Asked& asked);
    std::string listing_of(const std::string& folder, bool& exists);

    int port_ = 0;
    int listener_ = -1;
    std::mutex mutex_;
    std::map<std::string, File> files_;
    std::map<std::string, int> asked_;
    bool wrote_ = false;
    bool closing_ = false;
    Trap trap_;
    std::list<Talk> talks_;
    std::thread thread_;
};

/// One entry of a listing, with any name and path.
std::string listed(const std::string& name, const std::string& type = "file", const std::string& path = {});
/// A listing of such entries.
Reply listing(const std::string& entries);

}  // namespace support
