// renderings FOLDER: writes messages.md there, and messages/NAME.html of each.
#include "page.hpp"

#include <filesystem>
#include <fstream>
#include <iostream>

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "renderings FOLDER\n";
        return 2;
    }
    const std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder / "messages");
    std::ofstream(folder / "messages.md") << curfew::renderings::page();
    for (const auto& sample : curfew::renderings::samples()) {
        std::ofstream(folder / "messages" / (sample.name + ".html"))
            << curfew::renderings::mail_of(sample).html;
    }
    return 0;
}
