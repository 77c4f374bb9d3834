// Any bytes: a value within the limits or an error; a notebook check that ends.
#include "adapters/http/json.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto value = curfew::json::parse(text, {.depth_max = 16, .nodes_max = 1000});
    if (value) {
        (void)(*value)["items"].items().size();
        (void)(*value)["a"].integer();
        (void)(*value)["b"].money();
        (void)(*value)["c"].thousandths();
        (void)(*value)["d"].time();
    }
    (void)curfew::json::is_whole_notebook(text);
    return 0;
}
