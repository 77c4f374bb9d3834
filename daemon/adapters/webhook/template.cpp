#include "adapters/webhook/template.hpp"

#include "adapters/http/client.hpp"
#include "adapters/webhook/payload.hpp"
#include "adapters/webhook/words.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <kainjow/mustache.hpp>

namespace curfew::webhook {

namespace {

namespace mustache = kainjow::mustache;
using Json = nlohmann::ordered_json;

constexpr std::size_t template_bytes_max = std::size_t{64} << 10;
constexpr std::size_t body_bytes_max = std::size_t{256} << 10;
constexpr std::size_t value_bytes_max = 16'000;

enum class Form : std::uint8_t { json, markup, form, plain };

bool is_media_type(std::string_view text) {
    const std::string_view type = text.substr(0, text.find(';'));
    const std::size_t slash = type.find('/');
    return slash != type.npos && slash > 0 && slash + 1 < type.size() && text.size() <= 200 &&
           std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
}

Form form_of(std::string_view content_type) {
    std::string type{content_type.substr(0, content_type.find(';'))};
    type.erase(type.find_last_not_of(' ') + 1);
    std::ranges::transform(type, type.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    if (type.ends_with("/json") || type.ends_with("+json")) {
        return Form::json;
    }
    if (type.ends_with("html") || type.ends_with("/xml") || type.ends_with("+xml")) {
        return Form::markup;
    }
    return type == "application/x-www-form-urlencoded" ? Form::form : Form::plain;
}

std::string inside_json(std::string_view text) {
    const std::string quoted = dump(Json(std::string{text}));
    return quoted.substr(1, quoted.size() - 2);
}

std::string escaped(Form form, std::string_view text) {
    switch (form) {
        case Form::json:
            return inside_json(text);
        case Form::markup:
            return mustache::html_escape(std::string{text});
        case Form::form:
            return http::percent_encode(text);
        case Form::plain:
            break;
    }
    return std::string{text};
}

/// Remembers what a template asks for and is not there.
class Names final : public mustache::context<std::string> {
public:
    using mustache::context<std::string>::context;
    const mustache::data* get(const std::string& name) const override {
        const mustache::data* found = mustache::context<std::string>::get(name);
        const bool itself = name == "." && found != nullptr && !found->is_string();  // would show nothing
        if ((found == nullptr || itself) && unknown_.empty()) {
            unknown_ = name;
        }
        return found;
    }
    const mustache::data* get_partial(const std::string& name) const override {
        unknown_ = unknown_.empty() ? "> " + name : unknown_;
        return nullptr;
    }
    const std::string& unknown() const { return unknown_; }

private:
    mutable std::string unknown_;
};

class Fields {
public:
    explicit Fields(Form form) : form_(form) {}

    void add(const std::string& name, std::string_view value) {
        if (value.empty()) {
            all_.set(name, mustache::data(false));
        } else {
            all_.set(name, escaped(form_, fitted(value, value_bytes_max)));
        }
    }
    void line(const std::string& name, std::string_view value) { add(name, plain_line(value)); }
    void money(const std::string& name, const std::optional<Money>& amount) {
        add(name, amount ? to_decimal(*amount) : "");
        add(name + "_text", amount ? to_string(*amount) : "");
    }
    /// Each with `text`, and `last` for the comma.
    void list(const std::string& name, const std::vector<std::string>& values) {
        mustache::data items(mustache::data::type::list);
        for (std::size_t i = 0; i < values.size(); ++i) {
            mustache::data item;
            item.set("text", escaped(form_, fitted(values[i], value_bytes_max)));
            item.set("last", mustache::data(i + 1 == values.size()));
            items << item;
        }
        all_.set(name, items);
    }
    /// As it is.
    void raw(const std::string& name, const std::string& text) { all_.set(name, text); }
    const mustache::data& data() const { return all_; }

private:
    Form form_;
    mustache::data all_;
};

mustache::data fields_of(const Parcel& parcel, Form form) {
    const Message& m = parcel.message;
    Fields fields(form);
    std::string text = plain_line(m.title);
    const std::vector<std::string> told = told_in(m);
    for (const std::string& paragraph : told) {
        text += "\n\n" + paragraph;
    }
    fields.line("id", m.id);
    fields.line("alert", m.alert.value);
    fields.line("type", type_of(m));
    fields.line("kind", to_string(m.kind));
    fields.line("severity", to_string(m.severity));
    fields.line("state", to_string(m.state));
    fields.line("telling", to_string(m.telling));
    fields.line("key", m.key);
    fields.line("title", m.title);
    fields.add("text", m.do_next.empty() ? text : text + "\n\n" + plain_line(m.do_next));
    fields.list("body", told);
    fields.line("do_next", m.do_next);
    fields.line("account", m.account.value);
    fields.line("resource", m.resource.value);
    fields.line("resource_name", m.resource_name);
    fields.line("run", m.run.value);
    fields.line("cause", m.cause);
    fields.line("rule", m.rule.value);
    fields.line("budget", m.budget.value);
    fields.line("to", parcel.to);
    fields.line("at", to_string(m.at));
    fields.line("stops_at", m.stops_at ? to_string(*m.stops_at) : "");
    fields.money("cost_so_far", m.cost_so_far);
    fields.money("per_hour", m.per_hour);
    fields.money("saved", m.saved);
    if (form == Form::json) {
        fields.raw("record", payload_of(parcel, [](Json record) { return record; }));
    }
    return fields.data();
}

/// With everything, or with as little as there can be; `odd` in every field.
Parcel sample(bool full, const std::string& odd) {
    Parcel parcel;
    Message& m = parcel.message;
    m.id = "msg_1";
    m.title = "title" + odd;
    if (!full) {
        return parcel;
    }
    m.alert = AlertId{"al_1" + odd};
    m.key = "blind/team" + odd;
    m.body = {"one" + odd, "two" + odd};
    m.do_next = "curfew status" + odd;
    m.account = AccountName{"team" + odd};
    m.resource = ResourceId{"n1" + odd};
    m.resource_name = "demo" + odd;
    m.run = RunId{"r1" + odd};
    m.cause = "rule night" + odd;
    m.rule = RuleName{"night" + odd};
    m.budget = BudgetName{"month" + odd};
    m.stops_at = WallTime{0};
    m.cost_so_far = m.per_hour = m.saved = Money{1'500'000'000, usd};
    parcel.to = "ana" + odd;
    return parcel;
}

class Template final : public Target {
public:
    Template(const std::string& text, std::string content_type)
        : mustache_(text), content_type_(std::move(content_type)), form_(form_of(content_type_)) {
        mustache_.set_custom_escape([](const std::string& s) { return s; });  // values come escaped
    }

    Result<Letter> letter(const Parcel& parcel) const override {
        auto body = rendered(parcel);
        if (!body) {
            return std::unexpected(body.error());
        }
        return Letter{.body = std::move(*body), .content_type = content_type_, .path = {}};
    }

    Result<void> check() const {
        if (!mustache_.is_valid()) {
            return fail(Errc::invalid, "the template does not parse: " + mustache_.error_message());
        }
        for (const bool full : {true, false}) {
            for (const std::string odd : {"", "\"}],\\ \n<&> \xE2\x82\xAC{{x}}"}) {
                const auto body = rendered(sample(full, odd));
                if (!body) {
                    return std::unexpected(body.error());
                }
                if (full && body->empty()) {
                    return fail(Errc::invalid, "the template makes an empty body");
                }
            }
        }
        return {};
    }

private:
    Result<std::string> rendered(const Parcel& parcel) const {
        const mustache::data fields = fields_of(parcel, form_);
        Names names(&fields);
        std::string body = mustache_.render(names);
        if (!mustache_.is_valid()) {
            return fail(Errc::invalid, "the template cannot be filled: " + mustache_.error_message());
        }
        if (!names.unknown().empty()) {
            return fail(Errc::invalid,
                        "the template names what there is not: {{" + plain_line(names.unknown()) + "}}");
        }
        if (body.size() > body_bytes_max) {
            return fail(Errc::invalid, "the template makes a body above 256 KiB");
        }
        if (form_ == Form::json && !Json::accept(body)) {
            return fail(Errc::invalid, "the template does not make JSON: " + fault_in(body));
        }
        return body;
    }

    /// Where it stops to be JSON, in the words of the body.
    static std::string fault_in(const std::string& body) {
        try {
            (void)Json::parse(body);
        } catch (const Json::parse_error& error) {
            const std::size_t at = std::min(error.byte, body.size());
            const std::size_t from = at > 40 ? at - 40 : 0;
            return "it stops being any after \"" + plain_line(body.substr(from, at - from)) + "\"";
        }
        return {};
    }

    mutable mustache::mustache mustache_;  // rendering keeps its last error in it
    std::string content_type_;
    Form form_;
};

}  // namespace

Result<std::unique_ptr<Target>> template_target(std::string text, std::string content_type) {
    if (!is_media_type(content_type)) {
        return fail(Errc::invalid, "content_type is no media type");
    }
    if (text.size() > template_bytes_max) {
        return fail(Errc::too_large, "a template has at most 64 KiB");
    }
    auto made = std::make_unique<Template>(text, std::move(content_type));
    if (auto good = made->check(); !good) {
        return std::unexpected(good.error());
    }
    return made;
}

}  // namespace curfew::webhook
