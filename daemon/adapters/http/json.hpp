// Reading JSON of strangers. A bounded reader (depth, nodes) over nlohmann's SAX parser into a small
// value that cannot be walked off: a missing member is null, a wrong type is nullopt. Numbers keep
// their text, since money must never pass through floating point.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/time.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace curfew::json {

class Value {
public:
    struct Number {
        std::string text;  // as it stood in the document
    };
    using Array = std::vector<Value>;
    using Object = std::vector<std::pair<std::string, Value>>;

    Value() = default;
    explicit Value(bool b) : data_(b) {}
    explicit Value(Number n) : data_(std::move(n)) {}
    explicit Value(std::string s) : data_(std::move(s)) {}
    explicit Value(Array a) : data_(std::move(a)) {}
    explicit Value(Object o) : data_(std::move(o)) {}

    bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
    bool is_object() const { return std::holds_alternative<Object>(data_); }
    bool is_array() const { return std::holds_alternative<Array>(data_); }

    /// A member; null when this is no object or has none. The first of equal keys counts.
    const Value& operator[](std::string_view key) const;
    /// Elements; empty when this is no array.
    const Array& items() const;
    const Object& members() const;

    std::optional<std::string> string() const;
    std::optional<bool> boolean() const;
    /// An integer, also when it comes as a string of digits (some providers quote their numbers).
    std::optional<std::int64_t> integer() const;
    /// A decimal, as number or as string, in thousandths (0.0233 → 23). Beyond ±9e15: nullopt.
    std::optional<std::int64_t> thousandths() const;
    /// Exact, from the raw text.
    std::optional<Money> money() const;
    /// RFC 3339 text.
    std::optional<WallTime> time() const;
    /// The text, or "" for anything else.
    std::string text() const { return string().value_or(std::string{}); }

    Array* array_for_building() { return std::get_if<Array>(&data_); }
    Object* object_for_building() { return std::get_if<Object>(&data_); }

private:
    std::variant<std::monostate, bool, Number, std::string, Array, Object> data_;
};

struct Limits {
    int depth_max = 64;
    std::size_t nodes_max = 200'000;
};

/// Escapes of lone surrogates become U+FFFF (no name of a file that can be asked for holds it) and bare
/// NaN and Infinity become null: Jupyter sends both. Errc::protocol otherwise.
Result<Value> parse(std::string_view text, Limits limits = {});

/// Marks a string that held a lone surrogate.
constexpr std::string_view lone_surrogate = "\xEF\xBF\xBF";

/// Is this a whole notebook document: an object with `nbformat` and `cells` or `worksheets`?
bool is_whole_notebook(std::string_view text);

}  // namespace curfew::json
