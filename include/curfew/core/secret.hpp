// A value that cannot be printed, compared into a log, or serialised by accident (I12): no stream, no
// fmt, no JSON. Zeroed when it dies. `reveal()` is called only where bytes leave for their origin.
#pragma once

#include <string>
#include <string_view>

namespace curfew {

class Secret {
public:
    Secret() = default;
    explicit Secret(std::string text);
    Secret(const Secret& other);
    Secret(Secret&& other) noexcept;
    Secret& operator=(const Secret& other);
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    bool empty() const { return text_.empty(); }
    std::string_view reveal() const { return text_; }
    /// In constant time, so that a comparison tells nothing about the value.
    bool equals(std::string_view other) const;
    /// `text` without it: for words of somebody who knows it and may say it back to us.
    std::string hidden_in(std::string text) const;

private:
    void wipe();
    std::string text_;
};

}  // namespace curfew
