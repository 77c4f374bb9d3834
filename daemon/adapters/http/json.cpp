#include "adapters/http/json.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>

namespace curfew::json {

namespace {

const Value null_value;
const Value::Array no_items;
const Value::Object no_members;

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// The code unit of an escape "\u0041" at `at`, or -1.
int escape_at(std::string_view text, std::size_t at) {
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') {
        return -1;
    }
    int value = 0;
    for (std::size_t i = at + 2; i < at + 6; ++i) {
        if (!is_hex(text[i])) {
            return -1;
        }
    }
    std::from_chars(text.data() + at + 2, text.data() + at + 6, value, 16);
    return value;
}

bool is_high(int unit) {
    return unit >= 0xD800 && unit <= 0xDBFF;
}
bool is_low(int unit) {
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

bool needs_repair(std::string_view text) {
    return text.find("\\ud") != std::string_view::npos || text.find("\\uD") != std::string_view::npos ||
           text.find("NaN") != std::string_view::npos || text.find("Infinity") != std::string_view::npos;
}

std::string repaired(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    bool in_string = false;
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        if (in_string && c == '\\') {
            const int unit = escape_at(text, i);
            if (is_high(unit) && is_low(escape_at(text, i + 6))) {
                out += text.substr(i, 12);
                i += 12;
            } else if (is_high(unit) || is_low(unit)) {
                out += "\\uffff";
                i += 6;
            } else {
                out += text.substr(i, 2);
                i += 2;
            }
            continue;
        }
        in_string = c == '"' ? !in_string : in_string;
        static constexpr std::array<std::string_view, 3> odd{"NaN", "-Infinity", "Infinity"};
        std::size_t skip = 0;
        for (const std::string_view word : odd) {
            if (!in_string && skip == 0 && text.substr(i, word.size()) == word) {
                skip = word.size();
            }
        }
        if (skip > 0) {
            out += "null";
            i += skip;
        } else {
            out += c;
            ++i;
        }
    }
    return out;
}

class Builder final : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit Builder(Limits limits) : limits_(limits) {}

    bool null() override { return add(Value{}); }
    bool boolean(bool value) override { return add(Value{value}); }
    bool number_integer(number_integer_t value) override {
        return add(Value{Value::Number{std::to_string(value)}});
    }
    bool number_unsigned(number_unsigned_t value) override {
        return add(Value{Value::Number{std::to_string(value)}});
    }
    bool number_float(number_float_t, const string_t& text) override {
        return add(Value{Value::Number{text}});
    }
    bool string(string_t& value) override { return add(Value{std::move(value)}); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Value{Value::Object{}}); }
    bool key(string_t& value) override {
        keys_.back() = std::move(value);
        return true;
    }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(Value{Value::Array{}}); }
    bool end_array() override { return close(); }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
        error_ = "not JSON at byte " + std::to_string(position);
        return false;
    }

    Value root;
    const std::string& error() const { return error_; }

private:
    bool count() {
        if (++nodes_ > limits_.nodes_max) {
            error_ = "more than " + std::to_string(limits_.nodes_max) + " values";
            return false;
        }
        return true;
    }
    bool place(Value value) {
        if (open_.empty()) {
            root = std::move(value);
        } else if (Value::Array* array = open_.back().array_for_building()) {
            array->push_back(std::move(value));
        } else {
            open_.back().object_for_building()->emplace_back(std::move(keys_.back()), std::move(value));
        }
        return true;
    }
    bool add(Value value) { return count() && place(std::move(value)); }
    bool open(Value value) {
        if (static_cast<int>(open_.size()) >= limits_.depth_max) {
            error_ = "nested deeper than " + std::to_string(limits_.depth_max);
            return false;
        }
        open_.push_back(std::move(value));
        keys_.emplace_back();
        return count();
    }
    bool close() {
        Value done = std::move(open_.back());
        open_.pop_back();
        keys_.pop_back();
        return place(std::move(done));
    }

    Limits limits_;
    std::size_t nodes_ = 0;
    std::vector<Value> open_;
    std::vector<std::string> keys_;
    std::string error_;
};

/// Only looks at the keys of the outermost object.
class NotebookShape final : public nlohmann::json_sax<nlohmann::json> {
public:
    bool null() override { return depth_ > 0; }
    bool boolean(bool) override { return depth_ > 0; }
    bool number_integer(number_integer_t) override { return depth_ > 0; }
    bool number_unsigned(number_unsigned_t) override { return depth_ > 0; }
    bool number_float(number_float_t, const string_t&) override { return depth_ > 0; }
    bool string(string_t&) override { return depth_ > 0; }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return ++depth_ <= depth_max; }
    bool key(string_t& value) override {
        if (depth_ == 1) {
            nbformat_ = nbformat_ || value == "nbformat";
            cells_ = cells_ || value == "cells" || value == "worksheets";
        }
        return true;
    }
    bool end_object() override {
        --depth_;
        return true;
    }
    bool start_array(std::size_t) override { return depth_ > 0 && ++depth_ <= depth_max; }
    bool end_array() override {
        --depth_;
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
        return false;
    }
    bool whole() const { return nbformat_ && cells_; }

private:
    static constexpr int depth_max = 512;
    int depth_ = 0;
    bool nbformat_ = false;
    bool cells_ = false;
};

std::string_view number_text(
    const std::variant<std::monostate, bool, Value::Number, std::string, Value::Array, Value::Object>& data) {
    if (const auto* number = std::get_if<Value::Number>(&data)) {
        return number->text;
    }
    if (const auto* text = std::get_if<std::string>(&data)) {
        return *text;
    }
    return {};
}

}  // namespace

const Value& Value::operator[](std::string_view key) const {
    if (const Object* object = std::get_if<Object>(&data_)) {
        for (const auto& [name, value] : *object) {
            if (name == key) {
                return value;
            }
        }
    }
    return null_value;
}

const Value::Array& Value::items() const {
    const Array* array = std::get_if<Array>(&data_);
    return array != nullptr ? *array : no_items;
}

const Value::Object& Value::members() const {
    const Object* object = std::get_if<Object>(&data_);
    return object != nullptr ? *object : no_members;
}

std::optional<std::string> Value::string() const {
    const auto* text = std::get_if<std::string>(&data_);
    return text != nullptr ? std::optional{*text} : std::nullopt;
}

std::optional<bool> Value::boolean() const {
    const auto* flag = std::get_if<bool>(&data_);
    return flag != nullptr ? std::optional{*flag} : std::nullopt;
}

std::optional<std::int64_t> Value::integer() const {
    const std::string_view text = number_text(data_);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc{} && end == text.data() + text.size() && !text.empty();
    return whole ? std::optional{value} : std::nullopt;
}

std::optional<std::int64_t> Value::thousandths() const {
    const std::string_view text = number_text(data_);
    double value = 0;  // a measurement, not money
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty() ||
        !(value < 9e12 && value > -9e12)) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(value * 1000 + (value < 0 ? -0.5 : 0.5));
}

std::optional<Money> Value::money() const {
    const std::string_view text = number_text(data_);
    if (text.empty()) {
        return std::nullopt;
    }
    auto amount = parse_money(text);
    return amount ? std::optional{*amount} : std::nullopt;
}

std::optional<WallTime> Value::time() const {
    const auto* text = std::get_if<std::string>(&data_);
    if (text == nullptr) {
        return std::nullopt;
    }
    auto parsed = parse_wall_time(*text);
    return parsed ? std::optional{*parsed} : std::nullopt;
}

Result<Value> parse(std::string_view text, Limits limits) {
    if (text.find('\0') != std::string_view::npos) {
        return fail(Errc::protocol, "not JSON: it holds a zero byte");  // the parser would end there
    }
    std::string fixed;
    if (needs_repair(text)) {
        fixed = repaired(text);
        text = fixed;
    }
    Builder builder(limits);
    if (!nlohmann::json::sax_parse(text, &builder)) {
        return fail(Errc::protocol, builder.error().empty() ? "not JSON" : builder.error());
    }
    return std::move(builder.root);
}

bool is_whole_notebook(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) {
        return false;
    }
    std::string fixed;
    if (needs_repair(text)) {
        fixed = repaired(text);
        text = fixed;
    }
    NotebookShape shape;
    return nlohmann::json::sax_parse(text, &shape) && shape.whole();
}

}  // namespace curfew::json
