// The two envelopes of our own record: Standard Webhooks and CloudEvents.
#include "adapters/http/client.hpp"
#include "adapters/webhook/payload.hpp"
#include "adapters/webhook/target.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace curfew::webhook {

namespace {

using Json = nlohmann::ordered_json;

class Standard final : public Target {
public:
    Result<Letter> letter(const Parcel& parcel) const override {
        return Letter{.body = payload_of(parcel,
                                         [&](Json record) {
                                             return Json{{"type", type_of(parcel.message)},
                                                         {"timestamp", to_string(parcel.message.at)},
                                                         {"data", std::move(record)}};
                                         }),
                      .content_type = "application/json",
                      .path = {}};
    }
};

class CloudEvents final : public Target {
public:
    /// A source is a URI reference.
    explicit CloudEvents(const std::string& source) : source_("curfew://" + http::percent_encode(source)) {}

    Result<Letter> letter(const Parcel& parcel) const override {
        const Message& m = parcel.message;
        const auto event = [&](Json record) {
            Json json = {{"specversion", "1.0"},
                         {"id", record["id"]},
                         {"source", source_},
                         {"type", type_of(m)},
                         {"time", to_string(m.at)}};
            const Json& subject = record[m.resource.value.empty() ? "key" : "resource"];
            if (subject != "") {  // an attribute that is there is not empty
                json["subject"] = subject;
            }
            json["datacontenttype"] = "application/json";
            json["data"] = std::move(record);
            return json;
        };
        return Letter{
            .body = payload_of(parcel, event), .content_type = "application/cloudevents+json", .path = {}};
    }

private:
    std::string source_;
};

}  // namespace

std::unique_ptr<Target> standard_target() {
    return std::make_unique<Standard>();
}

std::unique_ptr<Target> cloudevents_target(const std::string& source) {
    return std::make_unique<CloudEvents>(source);
}

}  // namespace curfew::webhook
