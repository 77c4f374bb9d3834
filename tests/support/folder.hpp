// A folder of a test's own, which goes with it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

namespace support {

class Folder {
public:
    explicit Folder(const std::string& purpose) {
        path = (std::filesystem::temp_directory_path() / ("curfew-" + purpose + "-XXXXXX")).string();
        if (::mkdtemp(path.data()) == nullptr) {
            throw std::runtime_error("no folder for the test");
        }
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }

    std::string path;
};

}  // namespace support
