#include "curfew/core/secret.hpp"

#include <cstring>
#include <utility>

namespace curfew {

namespace {

// A short or moved-from string keeps its bytes in its own buffer, beyond its size.
void wipe_text(std::string& text) {
    text.resize(text.capacity());
    explicit_bzero(text.data(), text.size());
    text.clear();
}

}  // namespace

Secret::Secret(std::string text) : text_(std::move(text)) {
    wipe_text(text);  // NOLINT(bugprone-use-after-move): that is where the bytes still are
}
Secret::Secret(const Secret& other) = default;

Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) {
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
        text_ = std::move(other.text_);
        other.wipe();
    }
    return *this;
}

Secret::~Secret() {
    wipe();
}

void Secret::wipe() {
    wipe_text(text_);
}

std::string Secret::hidden_in(std::string text) const {
    constexpr std::string_view instead = "[secret]";
    for (std::size_t at = text_.empty() ? text.npos : text.find(text_); at != text.npos;
         at = text.find(text_, at + instead.size())) {
        text.replace(at, text_.size(), instead);
    }
    return text;
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
