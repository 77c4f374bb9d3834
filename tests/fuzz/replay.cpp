// fuzz_replay NAME FOLDER: runs one target over every file of its corpus. Needs no libFuzzer, so that every build
// can do it. What fails names the file.
#include "fuzz/target.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace curfew::fuzz {

namespace {

std::map<std::string, Target>& targets() {
    static std::map<std::string, Target> all;
    return all;
}

const char* at_work = "";

void name_the_file(int signal) {
    (void)::write(STDERR_FILENO, at_work, std::strlen(at_work));
    (void)::write(STDERR_FILENO, "\n", 1);
    ::_exit(128 + signal);
}

int replay(Target target, const std::filesystem::path& folder) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        files.push_back(entry.path().string());
    }
    std::ranges::sort(files);
    for (const std::string& path : files) {
        std::ifstream file(path, std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
        at_work = path.c_str();
        target({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    }
    std::printf("%zu files\n", files.size());
    return files.empty() ? 1 : 0;
}

}  // namespace

Registration::Registration(const char* name, Target target) {
    targets()[name] = target;
}

}  // namespace curfew::fuzz

int main(int count, char** words) {
    using namespace curfew::fuzz;
    if (count != 3 || !targets().contains(words[1])) {
        std::fputs("usage: fuzz_replay NAME FOLDER; the names are\n", stderr);
        for (const auto& [name, target] : targets()) {
            std::fprintf(stderr, "  %s\n", name.c_str());
        }
        return 2;
    }
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
        std::signal(signal, name_the_file);
    }
    return replay(targets()[words[1]], words[2]);
}
