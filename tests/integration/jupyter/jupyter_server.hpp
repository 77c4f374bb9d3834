// A real Jupyter server of the system's packages as a child process with a folder of its own.
#pragma once

#include "rig.hpp"
#include "support/port.hpp"

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace support {

enum class Kind { jupyter_server, notebook };

struct Settings {
    std::string shell;                 // of terminals; empty = the server's own choice, sh
    std::vector<std::string> options;  // "terminals_enabled=False", without the name of the application
    std::string profile;               // what the login shell reads first
};

class JupyterServer {
public:
    explicit JupyterServer(Kind kind, const Settings& settings = {});
    ~JupyterServer();
    JupyterServer(const JupyterServer&) = delete;
    JupyterServer& operator=(const JupyterServer&) = delete;

    int port() const { return port_.number(); }
    const std::string& token() const { return token_; }
    std::filesystem::path home() const { return home_.path(); }
    std::filesystem::path root() const { return home_.path() / "root"; }
    /// Beside the root, for what links lead to.
    std::filesystem::path outside() const { return home_.path() / "outside"; }
    void empty_root() const;
    void kill();
    bool ended_within(curfew::Duration time);

private:
    TempFolder home_;
    std::string token_ = "t0ken";
    Port port_;
    pid_t pid_ = -1;
};

/// One of each kind serves all the test cases, with an empty root at the start of each.
JupyterServer& shared(Kind kind);

/// A python script of this folder, as a child that ends with this object.
class Script {
public:
    explicit Script(std::vector<std::string> words);
    ~Script();
    Script(const Script&) = delete;
    Script& operator=(const Script&) = delete;
    int wait();

private:
    pid_t pid_ = -1;
};

}  // namespace support
