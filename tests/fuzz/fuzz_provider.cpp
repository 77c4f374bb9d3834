// What Paperspace and Jupyter send: typed values or errors, and never a path that leads elsewhere.
#include "adapters/jupyter/wire.hpp"
#include "adapters/paperspace/wire.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace curfew;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto body = json::parse({reinterpret_cast<const char*>(data), size},
                                  {.depth_max = 12, .nodes_max = 2000});
    if (!body) {
        return 0;
    }
    std::vector<paperspace::NotebookItem> items;
    for (const json::Value& value : (*body)["items"].items()) {
        if (auto item = paperspace::notebook_item(value)) {
            items.push_back(std::move(*item));
        }
        (void)paperspace::machine_item(value);
    }
    (void)paperspace::notebooks_from(std::move(items), AccountName{"me"});
    (void)paperspace::newest_run(*body);
    (void)paperspace::hidden_error(*body);
    (void)paperspace::read_metrics(*body, WallTime{0}, false, true);
    (void)jupyter::read_kernels(*body, WallTime{1'795'399'800'000});
    (void)jupyter::read_terminals(*body, WallTime{1'795'399'800'000});
    (void)jupyter::read_status(*body, std::nullopt);
    if (const auto directory = jupyter::read_directory(*body, "top")) {
        for (const FileEntry& file : directory->files) {
            const std::string_view path = file.path;
            if (!path.starts_with("top/") || path.find("/../") != std::string_view::npos ||
                path.ends_with("/..") || path.find('\0') != std::string_view::npos ||
                path.find('/', 4) != std::string_view::npos) {
                std::abort();
            }
        }
    }
    return 0;
}
