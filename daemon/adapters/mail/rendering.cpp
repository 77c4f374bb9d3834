#include "adapters/mail/rendering.hpp"

#include "adapters/mail/compose.hpp"
#include "curfew/core/text.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>

namespace curfew::mail {

namespace {

constexpr std::size_t title_characters_max = 400;
constexpr std::size_t paragraph_characters_max = 4000;
constexpr std::size_t paragraphs_max = 50;
constexpr std::size_t fact_characters_max = 300;
constexpr std::size_t tables_max = 10;
constexpr std::size_t rows_max = 50;
constexpr int whole = 1000;  // thousandths

constexpr std::string_view blue = "#1d4ed8";
constexpr std::string_view amber = "#b45309";
constexpr std::string_view red = "#b91c1c";
constexpr std::string_view green = "#15803d";

bool is_over(const Message& m) {
    return m.state == AlertState::resolved;
}

std::pair<std::string, std::string_view> badge_of(const Message& m) {
    if (m.kind == AlertKind::stopped) {
        return {"Stopped", green};
    }
    if (is_over(m)) {
        return {m.kind == AlertKind::stop_cancelled ? "Not stopped" : "Over", green};
    }
    const bool taken = m.state == AlertState::acknowledged;
    switch (m.severity) {
        case Severity::info:
            break;
        case Severity::warning:
            return {taken ? "Warning, acknowledged" : "Warning", amber};
        case Severity::critical:
            return {taken ? "Critical, acknowledged" : "Critical", red};
    }
    return {m.kind == AlertKind::summary ? "Week" : m.kind == AlertKind::digest ? "Digest" : "Notice", blue};
}

void add(std::vector<Fact>& facts, std::string label, std::string_view words) {
    if (!words.empty()) {
        facts.push_back({std::move(label), one_line(words, fact_characters_max)});
    }
}

/// "Mon 10:45 UTC": short enough for a large figure.
std::string short_time(WallTime t) {
    const std::string full = mail_date(t);  // "Mon, 23 Nov 2026 10:45:00 +0000"
    return full.substr(0, 3) + " " + full.substr(17, 5) + " UTC";
}

/// "Mon, 23 Nov 2026 10:45 UTC"
std::string long_time(WallTime t) {
    return mail_date(t).substr(0, 22) + " UTC";
}

/// The money first: it is why anybody reads this.
std::vector<Fact> figures_of(const Message& m) {
    std::vector<Fact> figures;
    const auto amount = [&](std::string label, const std::optional<Money>& money) {
        add(figures, std::move(label), money ? to_string(*money) : std::string{});
    };
    const bool ended = m.kind == AlertKind::stopped;
    const bool saves_hourly = ended || m.kind == AlertKind::would_stop;
    const bool sum = m.kind == AlertKind::summary || m.kind == AlertKind::budget_threshold;
    amount(ended ? "This run cost" : sum ? "Spent" : "Cost so far", m.cost_so_far);
    if (!saves_hourly || !m.saved) {
        amount("Per hour", m.per_hour);
    }
    amount(ended ? "Saved every hour" : saves_hourly ? "Would save an hour" : "Saved", m.saved);
    if (m.stops_at && !is_over(m)) {
        add(figures, "Stops at", short_time(*m.stops_at));
    }
    return figures;
}

std::vector<Fact> facts_of(const Message& m) {
    std::vector<Fact> facts;
    add(facts, "Because of", m.cause);
    const bool named = !m.resource_name.empty() && m.resource_name != m.resource.value;
    add(facts, "Resource", named ? m.resource_name + " (" + m.resource.value + ")" : m.resource.value);
    add(facts, "Run", m.run.value);
    add(facts, "Owner", m.owner);
    add(facts, "Account", m.account.value);
    add(facts, "As of", long_time(m.at));
    return facts;
}

std::vector<MessageTable> tables_of(const Message& m) {
    std::vector<MessageTable> tables;
    for (const MessageTable& table : m.tables) {
        if (tables.size() == tables_max) {
            break;
        }
        MessageTable shown{one_line(table.title, fact_characters_max), {}};
        for (const MessageTable::Row& row : table.rows) {
            if (shown.rows.size() == rows_max) {
                shown.rows.push_back(
                    {std::to_string(table.rows.size() - rows_max) + " more were cut", "", {}});
                break;
            }
            shown.rows.push_back({one_line(row.label, fact_characters_max),
                                  one_line(row.words, fact_characters_max), row.thousandths});
        }
        tables.push_back(std::move(shown));
    }
    return tables;
}

constexpr std::string_view grey = "color:#4b5563";

std::string cell(std::string_view style, std::string_view inside) {
    return "<td style=\"" + std::string{style} + "\">" + std::string{inside} + "</td>";
}

std::string row(std::string_view style, std::string_view inside) {
    return "<tr>" + cell(style, inside) + "</tr>\r\n";
}

std::string table(std::string_view style, std::string_view rows) {
    return "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"" +
           std::string{style} + "\">\r\n" + std::string{rows} + "</table>";
}

std::string bar(int thousandths, std::string_view colour) {
    const int percent = std::clamp(thousandths, 0, whole) / 10;
    const auto part = [](int width, std::string_view fill) {
        return width == 0 ? std::string{}
                          : cell("height:8px;line-height:8px;font-size:1px;width:" + std::to_string(width) +
                                     "%;background:" + std::string{fill},
                                 "&nbsp;");
    };
    return table("width:100%;border-collapse:collapse;margin:4px 0 0",
                 "<tr>" + part(percent, thousandths > whole ? red : colour) + part(100 - percent, "#e5e7eb") +
                     "</tr>");
}

/// Two in a row, so that they fit a phone.
std::string figures_html(const std::vector<Fact>& figures) {
    std::string rows;
    for (std::size_t i = 0; i < figures.size(); i += 2) {
        rows += "<tr>";
        for (std::size_t k = i; k < std::min(i + 2, figures.size()); ++k) {
            rows += cell("width:50%;padding:0 8px 12px 0;vertical-align:top",
                         "<div style=\"font-size:13px;" + std::string{grey} + "\">" +
                             escape_html(figures[k].label) +
                             "</div><div style=\"font-size:21px;font-weight:bold\">" +
                             escape_html(figures[k].words) + "</div>");
        }
        rows += "</tr>\r\n";
    }
    return table("width:100%;border-collapse:collapse", rows);
}

std::string rows_html(const MessageTable& t, std::string_view colour) {
    std::string rows;
    for (const MessageTable::Row& r : t.rows) {
        rows += "<tr>" +
                cell("width:42%;padding:8px 12px 0 0;vertical-align:top;word-break:break-word",
                     escape_html(r.label)) +
                cell("width:58%;padding:8px 0 0;vertical-align:top;text-align:right;word-break:break-word",
                     escape_html(r.words)) +
                "</tr>\r\n";
        if (r.thousandths) {
            rows += "<tr><td colspan=\"2\">" + bar(*r.thousandths, colour) + "</td></tr>\r\n";
        }
    }
    return "<div style=\"font-weight:bold;margin:4px 0 0\">" + escape_html(t.title) + "</div>" +
           table("width:100%;border-collapse:collapse;table-layout:fixed;margin:0 0 14px", rows);
}

/// A mail reader would make a link of it, in a colour that cannot be read here.
std::string linked(const std::string& text) {
    const std::string shown = escape_html(text);
    return text.starts_with("https://") && !text.contains(' ')
               ? "<a href=\"" + shown + "\" style=\"color:#f9fafb\">" + shown + "</a>"
               : shown;
}

std::string facts_html(const std::vector<Fact>& facts) {
    std::string rows;
    for (const Fact& fact : facts) {
        rows += "<tr>" +
                cell("padding:3px 16px 3px 0;vertical-align:top;white-space:nowrap;" + std::string{grey},
                     escape_html(fact.label)) +
                cell("padding:3px 0;word-break:break-word", escape_html(fact.words)) + "</tr>\r\n";
    }
    return table("font-size:14px;border-collapse:collapse", rows);
}

}  // namespace

Content content_of(const Message& m, const std::string& host) {
    Content c;
    std::tie(c.badge, c.colour) = badge_of(m);
    c.title = one_line(m.title, title_characters_max);
    for (const std::string& paragraph : m.body) {
        if (c.body.size() == paragraphs_max) {
            c.body.push_back(std::to_string(m.body.size() - paragraphs_max) + " more paragraphs were cut.");
            break;
        }
        c.body.push_back(one_line(paragraph, paragraph_characters_max));
    }
    c.do_next = one_line(m.do_next, title_characters_max);
    c.figures = figures_of(m);
    c.tables = tables_of(m);
    c.facts = facts_of(m);
    c.footer = "Curfew on " + host + ", " + std::string{to_string(m.severity)} +
               (m.telling == Telling::notice ? "" : ", " + std::string{to_string(m.state)}) +
               (m.alert.empty() ? "" : ", alert " + one_line(m.alert.value, fact_characters_max));
    return c;
}

std::string text_of(const Content& c) {
    std::string out = c.title + "\r\n\r\n";
    if (!c.do_next.empty()) {
        out += c.do_next + "\r\n\r\n";
    }
    for (const MessageTable& t : c.tables) {
        out += t.title + "\r\n";
        for (const MessageTable::Row& r : t.rows) {
            out += "  " + r.label + (r.words.empty() ? "" : ": " + r.words) + "\r\n";
        }
        out += "\r\n";
    }
    for (const std::string& paragraph : c.body) {
        out += paragraph + "\r\n\r\n";
    }
    for (const auto& facts : {c.figures, c.facts}) {
        for (const Fact& fact : facts) {
            out += fact.label + ": " + fact.words + "\r\n";
        }
    }
    return out + "\r\n-- \r\n" + c.footer + "\r\n";
}

std::string html_of(const Content& c) {
    std::string rows = row("padding:0 0 6px;font-size:13px;font-weight:bold;color:" + std::string{c.colour},
                           escape_html(c.badge)) +
                       row("padding:0 0 14px;font-size:19px;line-height:1.3;font-weight:bold;"
                           "word-break:break-word",
                           escape_html(c.title));
    if (!c.figures.empty()) {
        rows += row("padding:0", figures_html(c.figures));
    }
    if (!c.do_next.empty()) {
        rows += row("padding:10px 12px 12px;background:#111827;color:#f9fafb",
                    "<div style=\"font-size:13px;color:#d1d5db;padding:0 0 4px\">Next step</div>"
                    "<div style=\"font-family:monospace;font-size:16px;word-break:break-word\">" +
                        linked(c.do_next) + "</div>");
    }
    rows += row("height:14px;line-height:14px;font-size:1px", "&nbsp;");
    for (const MessageTable& t : c.tables) {
        rows += row("padding:0", rows_html(t, c.colour));
    }
    for (const std::string& paragraph : c.body) {
        rows += row("padding:0 0 12px;line-height:1.45;word-break:break-word", escape_html(paragraph));
    }
    rows += row("padding:10px 0 0;border-top:1px solid #e5e7eb", facts_html(c.facts)) +
            row("padding:12px 0 0;font-size:13px;" + std::string{grey}, escape_html(c.footer));
    return "<!DOCTYPE html>\r\n<html lang=\"en\"><head><meta charset=\"utf-8\">\r\n"
           "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\r\n"
           "<meta name=\"color-scheme\" content=\"light\"><title>" +
           escape_html(c.title) +
           "</title></head>\r\n<body style=\"margin:0;padding:0;background:#ffffff;"
           "font-family:Helvetica,Arial,sans-serif;font-size:16px;color:#111827\">\r\n" +
           table(
               "width:100%;max-width:600px;border-collapse:collapse",
               row("height:6px;line-height:6px;font-size:1px;background:" + std::string{c.colour}, "&nbsp;") +
                   row("padding:14px 16px 20px", table("width:100%;border-collapse:collapse", rows))) +
           "\r\n</body></html>\r\n";
}

}  // namespace curfew::mail
