// Real servers as child processes, a certificate authority, and a loop to deliver on.
#pragma once

#include "adapters/clock/real_scheduler.hpp"
#include "curfew/ports/channel.hpp"

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace peers {

/// Gone with everything in it when it dies.
class Folder {
public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

/// An authority and two leaves: `server` for localhost and 127.0.0.1, `other` for another name.
struct Certificates {
    explicit Certificates(const Folder& folder);
    std::string ca;
    std::string server;  // certificate and key in one file
    std::string other;
};

/// A Python or Node program of this folder. It prints "port N" when it listens, and ends with its standard input.
class Server {
public:
    Server(const std::string& script, const std::vector<std::string>& arguments);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    int port() const { return port_; }

private:
    pid_t pid_ = -1;
    int input_ = -1;
    int port_ = 0;
};

/// The records that a server wrote into `folder`, in the order of their coming.
std::vector<nlohmann::json> records(const std::string& folder);

/// A port of this host on which nobody listens.
int closed_port();

struct Loop {
    boost::asio::io_context context;
    curfew::clock::RealScheduler scheduler{context.get_executor(), {}};

    curfew::Result<curfew::Delivered> deliver(curfew::Channel& channel, curfew::Message message,
                                              curfew::Duration within, std::string to = {});
};

/// A warning with everything in it.
curfew::Message warning();

}  // namespace peers
