#include "curfew/core/secret.hpp"

#include <cstring>
#include <utility>

namespace curfew {

Secret::Secret(std::string text) : text_(std::move(text)) {}
Secret::Secret(const Secret& other) = default;

// A moved-from short string keeps its bytes, so both sides are wiped by hand.
Secret::Secret(Secret&& other) noexcept : text_(other.text_) {
    other.wipe();
}

Secret& Secret::operator=(const Secret& other) {
    if (this != &other) {
        wipe();
        text_ = other.text_;
    }
    return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        text_ = other.text_;
        other.wipe();
    }
    return *this;
}

Secret::~Secret() {
    wipe();
}

void Secret::wipe() {
    if (!text_.empty()) {
        explicit_bzero(text_.data(), text_.size());
    }
    text_.clear();
}

bool Secret::equals(std::string_view other) const {
    unsigned difference = text_.size() == other.size() ? 0U : 1U;
    for (std::size_t i = 0; i < text_.size(); ++i) {
        const char theirs = other.empty() ? '\0' : other[i % other.size()];
        difference |= static_cast<unsigned>(static_cast<unsigned char>(text_[i] ^ theirs));
    }
    return difference == 0;
}

}  // namespace curfew
