// Reads choices out of the fuzzer's bytes, so that any bytes are some sequence of them. After the end everything is 0.
#pragma once

#include "fuzz/target.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace curfew::fuzz {

class FuzzedData {
public:
    explicit FuzzedData(Bytes data) : data_(data) {}

    bool empty() const { return data_.empty(); }
    unsigned byte() {
        if (data_.empty()) {
            return 0;
        }
        const unsigned value = data_.front();
        data_ = data_.subspan(1);
        return value;
    }
    bool flag() { return (byte() & 1U) != 0; }
    /// 0 … `most`, at most 255.
    unsigned up_to(unsigned most) { return byte() % (most + 1); }
    template <class Word>
    Word word(unsigned count) {
        return static_cast<Word>(byte() % count);
    }
    std::int64_t number() {
        std::uint64_t value = 0;
        for (int i = 0; i < 8; ++i) {
            value = value << 8U | byte();
        }
        return static_cast<std::int64_t>(value);
    }
    /// Up to the next 0xFF, or all that is left. (0xFF is in no UTF-8.)
    std::string_view piece() {
        const std::string_view all = text_of(data_);
        const std::size_t end = std::min(all.find('\xFF'), all.size());
        data_ = data_.subspan(std::min(end + 1, all.size()));
        return all.substr(0, end);
    }
    std::string_view rest() {
        const std::string_view all = text_of(data_);
        data_ = {};
        return all;
    }

private:
    Bytes data_;
};

}  // namespace curfew::fuzz
