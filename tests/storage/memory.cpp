#include "storage/memory.hpp"

#include <sqlite3.h>

#include <atomic>

namespace curfew::storage {

namespace {

sqlite3_mem_methods real;
std::atomic<std::int64_t> at{0};
std::atomic<bool> sticky{false};
std::atomic<bool> paused{false};
std::atomic<std::int64_t> asked_so_far{0};
std::atomic<std::int64_t> refused_so_far{0};

bool refuses() {
    if (paused) {
        return false;
    }
    const std::int64_t number = ++asked_so_far;
    const bool now = at > 0 && (number == at || (sticky && number > at));
    refused_so_far += now ? 1 : 0;
    return now;
}
void* give(int size) {
    return refuses() ? nullptr : real.xMalloc(size);
}
void* give_more(void* old, int size) {
    return refuses() ? nullptr : real.xRealloc(old, size);
}

}  // namespace

void Memory::watch() {
    sqlite3_shutdown();
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    sqlite3_mem_methods watched = real;
    watched.xMalloc = give;
    watched.xRealloc = give_more;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &watched);
}

void Memory::plan(std::int64_t from, bool all) {
    at = from;
    sticky = all;
    asked_so_far = 0;
    refused_so_far = 0;
}

void Memory::mend() {
    at = 0;
}

void Memory::pause(bool on) {
    paused = on;
}

std::int64_t Memory::asked() {
    return asked_so_far;
}

std::int64_t Memory::refused() {
    return refused_so_far;
}

}  // namespace curfew::storage
