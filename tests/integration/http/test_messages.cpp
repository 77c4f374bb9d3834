// Addresses, dates, statuses: what needs no connection.
#include "adapters/http/client.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::http;

TEST_CASE("addresses are split into what a credential may be shown to and what is asked") {
    struct Row {
        std::string text;
        Origin origin;
        std::string target;
    };
    const std::vector<Row> rows{
        {"http://host", {"http", "host", 80}, "/"},
        {"https://Host.Example./a?b=c", {"https", "host.example", 443}, "/a?b=c"},
        {"http://host:8080?x", {"http", "host", 8080}, "/?x"},
        {"http://[::1]:81/p", {"http", "::1", 81}, "/p"},
        {"https://[FE80::1]/", {"https", "fe80::1", 443}, "/"},
        {"http://127.0.0.1:65535//x", {"http", "127.0.0.1", 65535}, "//x"},
        {"http://host/a@b:c", {"http", "host", 80}, "/a@b:c"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto url = parse_url(row.text);
        REQUIRE(url);
        CHECK(url->origin == row.origin);
        CHECK(url->target == row.target);
    }
    for (const std::string bad : {"",
                                  "host",
                                  "ftp://host",
                                  "HTTP://host",
                                  "http:/host",
                                  "http://",
                                  "http:///x",
                                  "http://:80",
                                  "http://user@host",
                                  "http://user:pw@host/",
                                  "http://host/#top",
                                  "http://host:",
                                  "http://host:0",
                                  "http://host:65536",
                                  "http://host:+1",
                                  "http://host:-1",
                                  "http://host:80x",
                                  "http://host /",
                                  "http://host/a b",
                                  "http://host/\r\nX: y",
                                  "http://ho\nst/",
                                  "http://host\\@evil/",
                                  "http://[::1",
                                  "http://[::1]x",
                                  "http://[::1]:",
                                  "http://::1/",
                                  "http://[host]/",
                                  "http://a:b:80/",
                                  "http://a../",
                                  "http://.a/",
                                  "http://a..b/",
                                  "http://h\xC3\xB6st/",
                                  "http://ho%73t/",
                                  "file:///etc/passwd",
                                  "http://host/\x7F"}) {
        CAPTURE(bad);
        const auto url = parse_url(bad);
        REQUIRE_FALSE(url);
        CHECK(url.error().code == Errc::invalid);
    }
}

TEST_CASE("a bad address is repeated without control characters") {
    const auto url = parse_url("http://ho\x1b[2Jst/\r\n");
    REQUIRE_FALSE(url);
    CHECK(to_string(url.error()).find('\x1b') == std::string::npos);
    CHECK(to_string(url.error()).find('\n') == std::string::npos);
}

TEST_CASE("values are percent-encoded byte by byte") {
    CHECK(percent_encode("aZ09-._~") == "aZ09-._~");
    CHECK(percent_encode("a/b c?&=%+#") == "a%2Fb%20c%3F%26%3D%25%2B%23");
    CHECK(percent_encode(std::string{"\0\r\n\xff", 4}) == "%00%0D%0A%FF");
}

TEST_CASE("dates of HTTP in their one form") {
    CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == WallTime{784'111'777'000});
    CHECK(parse_http_date("Thu, 29 Feb 2024 23:59:59 GMT") == WallTime{1'709'251'199'000});
    for (const std::string bad :
         {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 CET",
          "Sun, 06 Xxx 1994 08:49:37 GMT", "Sun, 06 anF 1994 08:49:37 GMT", "Sun, -6 Nov 1994 08:49:37 GMT",
          "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
          "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov -994 08:49:37 GMT",
          "Sun, 06 Nov 1994 08:-9:37 GMT"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_http_date(bad));
    }
}

TEST_CASE("Retry-After in both forms, capped, odd values ignored") {
    const WallTime wall{784'111'777'000};  // Sun, 06 Nov 1994 08:49:37 GMT
    struct Row {
        std::string text;
        std::optional<Duration> wait;
    };
    const std::vector<Row> rows{{"0", Duration{0}},
                                {"7", seconds{7}},
                                {"600", minutes{10}},
                                {"86400", minutes{10}},
                                {"-5", std::nullopt},
                                {"1.5", std::nullopt},
                                {"soon", std::nullopt},
                                {"99999999999999999999", std::nullopt},
                                {"Sun, 06 Nov 1994 08:49:47 GMT", seconds{10}},
                                {"Sun, 06 Nov 1994 08:49:07 GMT", Duration{0}},
                                {"Sun, 06 Nov 2094 08:49:37 GMT", minutes{10}},
                                {"", std::nullopt}};
    for (const Row& row : rows) {
        CAPTURE(row.text);
        Response response{.status = 429, .headers = {{"retry-after", row.text}}, .body = {}, .date = {}};
        CHECK(retry_after_of(response, wall) == row.wait);
    }
    Response own_clock{.status = 429,
                       .headers = {{"Retry-After", "Sun, 06 Nov 1994 08:49:47 GMT"}},
                       .body = {},
                       .date = wall + seconds{4}};
    CHECK(retry_after_of(own_clock, wall) == Duration{seconds{6}});
    const Response patient{.status = 429, .headers = {{"Retry-After", "7200"}}, .body = {}, .date = {}};
    CHECK(retry_after_of(patient, wall, hours{24}) == Duration{hours{2}});
    CHECK(error_of(patient, "host", hours{1}).retry == Retry::after(hours{1}));
}

TEST_CASE("statuses become errors in one place") {
    struct Row {
        int status;
        Errc code;
        Retry::Kind retry;
    };
    const std::vector<Row> rows{
        {400, Errc::protocol, Retry::Kind::never},     {401, Errc::unauthorized, Retry::Kind::never},
        {403, Errc::forbidden, Retry::Kind::never},    {404, Errc::not_found, Retry::Kind::never},
        {408, Errc::timeout, Retry::Kind::later},      {409, Errc::conflict, Retry::Kind::never},
        {410, Errc::forbidden, Retry::Kind::never},    {425, Errc::unavailable, Retry::Kind::later},
        {429, Errc::rate_limited, Retry::Kind::later}, {500, Errc::unavailable, Retry::Kind::later},
        {600, Errc::protocol, Retry::Kind::never},     {802, Errc::protocol, Retry::Kind::never},
        {502, Errc::unavailable, Retry::Kind::later},  {504, Errc::unavailable, Retry::Kind::later},
        {301, Errc::unsafe, Retry::Kind::never},       {308, Errc::unsafe, Retry::Kind::never},
        {418, Errc::protocol, Retry::Kind::never},     {200, Errc::protocol, Retry::Kind::never}};
    for (const Row& row : rows) {
        CAPTURE(row.status);
        const Error error = error_of(Response{.status = row.status, .headers = {}, .body = {}, .date = {}},
                                     "host");
        CHECK(error.code == row.code);
        CHECK(error.retry.kind == row.retry);
        CHECK(error.where == "host");
    }
    const Response limited{.status = 429, .headers = {{"Retry-After", "3"}}, .body = {}, .date = {}};
    CHECK(error_of(limited, "").retry == Retry::after(seconds{3}));
    const Response busy{.status = 503, .headers = {{"Retry-After", "3"}}, .body = {}, .date = {}};
    CHECK(error_of(busy, "").retry == Retry::after(seconds{3}));
    const Response relative{
        .status = 429, .headers = {{"Retry-After", "Sun, 06 Nov 1994 08:49:47 GMT"}}, .body = {}, .date = {}};
    CHECK(error_of(relative, "").retry == Retry::later());  // relative to no known clock
}

TEST_CASE("an error shows at most 200 printable characters of a body") {
    const Response page{
        .status = 500, .headers = {}, .body = "<b>\r\n\x1b[31m" + std::string(5000, 'x'), .date = {}};
    const std::string text = error_of(page, "").text;
    CHECK(text.size() < 230);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
}

TEST_CASE("header names are found in any case, the first of several") {
    const Response r{.status = 200, .headers = {{"X-One", "1"}, {"x-one", "2"}}, .body = {}, .date = {}};
    CHECK(r.header("x-ONE") == "1");
    CHECK(r.header("absent").empty());
}
