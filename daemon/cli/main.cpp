// curfew: asks the daemon, and tells it what a person wants. Reads go to the read socket, changes to the
// admin socket; the answer of the API is what --json prints.
#include "alert_verbs.hpp"
#include "curfew/api/wire.hpp"
#include "curfew/core/time.hpp"
#include "money_verbs.hpp"
#include "render.hpp"
#include "table.hpp"
#include "talk.hpp"

#include <CLI/CLI.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <thread>

namespace {

using namespace curfew;
using namespace curfew::cli;
using api::Exit;
namespace fs = std::filesystem;

std::string default_socket(const char* variable, std::string_view system, std::string_view name) {
    const char* given = std::getenv(variable);
    if (given != nullptr && *given != '\0') {
        return given;
    }
    std::error_code error;
    if (!fs::exists(system, error)) {
        const char* runtime = std::getenv("XDG_RUNTIME_DIR");
        if (runtime != nullptr && *runtime == '/') {
            const std::string own = std::string{runtime} + "/curfew/" + std::string{name};
            if (fs::exists(own, error)) {
                return own;
            }
        }
    }
    return std::string{system};
}

int status(const Options& o) {
    return read(o, "/v1/status", [&](const Json& j) { return status_text(j, o.style); });
}

int explain(const Options& o) {
    const std::string query = o.at.empty() ? "" : "?at=" + encoded(o.at);
    return read(o, "/v1/explain/" + encoded(o.noun) + query,
                [&](const Json& j) { return explain_text(j, o.style); });
}

int plan(const Options& o) {
    return read(o, "/v1/plan", [&](const Json& j) { return plan_text(j, o.style); });
}

constexpr std::size_t rule_bytes_max = 48U * 1024;

/// A question, though a rule is too long for an address: it goes to the read socket.
int rule_test(const Options& o) {
    std::ifstream in(o.noun, std::ios::binary);
    std::error_code error;
    std::string text(rule_bytes_max + 1, '\0');
    if (!fs::is_regular_file(o.noun, error) || !in) {
        std::cerr << "curfew: cannot read " << safe(o.noun) << "\n";
        return static_cast<int>(Exit::not_found);
    }
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > rule_bytes_max) {
        std::cerr << "curfew: " << safe(o.noun) << " is larger than 48 KiB, which no rule is\n";
        return static_cast<int>(Exit::usage);
    }
    const Json body{{"rule", text}, {"file", o.noun}, {"since", o.since}};
    const Answer answer = ask(o.socket, Verb::post, "/v1/rules/test",
                              body.dump(-1, ' ', false, Json::error_handler_t::replace), random_key());
    if (answer.exit == static_cast<int>(Exit::findings)) {
        return say(answer, "");  // one fault a line, as check-config has them
    }
    return changed(o, answer, [&](const Json& j) { return replay_text(j, o.style); });
}

int receipts(const Options& o) {
    if (o.noun.starts_with("rcp_")) {
        return read(o, "/v1/receipts/" + encoded(o.noun),
                    [&](const Json& j) { return receipt_text(j, o.style); });
    }
    const std::string query = o.noun.empty() ? "" : "?resource=" + encoded(o.noun);
    return read(o, "/v1/receipts" + query, [&](const Json& j) { return receipts_text(j, o.style); });
}

int events(const Options& o) {
    std::int64_t after = 0;
    for (;;) {
        std::string query = "?limit=1000&after=" + std::to_string(after);
        query += o.noun.empty() ? "" : "&resource=" + encoded(o.noun);
        const Answer answer = ask(o.socket, Verb::get, "/v1/events" + query);
        if (answer.exit != 0) {
            return say(answer);
        }
        if (o.json && !o.follow && after == 0 && member(answer.body, "next").is_null()) {
            std::cout << answer.raw;
            return 0;
        }
        for (const Json& event : member(answer.body, "items")) {
            after = whole_number(member(event, "id"));
            std::cout << (o.json ? event.dump() + "\n" : event_line(event, o.style));
        }
        std::cout.flush();
        if (!member(answer.body, "next").is_null()) {
            continue;
        }
        if (!o.follow) {
            return 0;
        }
        std::this_thread::sleep_for(std::chrono::seconds{1});
    }
}

int keep(const Options& o) {
    std::string how_long = o.how_long;
    if (!o.until.empty()) {
        const auto when = parse_wall_time(o.until);
        if (!when) {
            std::cerr << "curfew: --until is a time as 2026-11-23T18:00:00Z; for a length use --for 2h\n";
            return static_cast<int>(Exit::usage);
        }
        const Answer now = ask(o.socket, Verb::get, "/v1/status");
        if (now.exit != 0) {
            return say(now);
        }
        const auto clock = parse_wall_time(now.body.value("now", std::string{}));
        if (!clock || *when <= *clock) {
            std::cerr << "curfew: --until lies in the past\n";
            return static_cast<int>(Exit::usage);
        }
        how_long = to_string(std::chrono::ceil<seconds>(*when - *clock));
    }
    if (how_long.empty()) {
        std::cerr << "curfew: say for how long: curfew keep " << o.noun << " --for 2h\n";
        return static_cast<int>(Exit::usage);
    }
    const Answer answer = change(o, "/v1/keep",
                                 {{"resource", o.noun}, {"for", how_long}, {"reason", o.reason}});
    return changed(o, answer, [&](const Json& j) { return keep_text(j, o.style); });
}

int lease(const Options& o) {
    const Answer answer = change(
        o, "/v1/lease", {{"resource", o.noun}, {"for", o.how_long}, {"job", o.job}, {"reason", o.reason}});
    return changed(o, answer, [&](const Json& j) { return lease_text(j, o.style); });
}

int exempt(const Options& o) {
    if (o.until.empty() == o.how_long.empty()) {
        std::cerr << "curfew: say until when: --until 2026-12-24, or --for 30d\n";
        return static_cast<int>(Exit::usage);
    }
    Json body{{"resource", o.noun}, {"reason", o.reason}};
    body[o.until.empty() ? "for" : "until"] = o.until.empty() ? o.how_long : o.until;
    return changed(o, change(o, "/v1/exempt", body), [&](const Json& j) { return exempt_text(j, o.style); });
}

int release(const Options& o) {
    Json body{{"resource", o.noun}};
    if (o.keeps || o.leases || o.exemptions || !o.job.empty()) {
        body.update({{"keep", o.keeps}, {"lease", o.leases}, {"exemption", o.exemptions}, {"job", o.job}});
    }
    return changed(o, change(o, "/v1/release", body), release_text);
}

int rules(const Options& o) {
    return read(o, "/v1/rules", [&](const Json& j) { return rules_text(j, o.style); });
}

int reset_rule(const Options& o) {
    const Answer answer = change(o, "/v1/rules/" + encoded(o.noun) + "/reset", Json::object());
    return changed(o, answer, [&](const Json& j) {
        return flag(member(j, "reset")) ? "rule " + safe(o.noun) + " acts again\n"
                                        : "the breaker of rule " + safe(o.noun) + " is not open\n";
    });
}

int pack(const Options& o) {
    const Answer answer = change(o, "/v1/pack", {{"resource", o.noun}});
    if (answer.exit != 0 || !o.wait) {
        return changed(o, answer, [](const Json& j) {
            return "packing; when it is proven, `curfew receipts " + text_of(member(j, "receipt")) +
                   "` shows it\n";
        });
    }
    const std::string receipt = text_of(member(answer.body, "receipt"));
    std::int64_t after = 0;
    for (int i = 0; i < 6 * 3600; ++i) {
        const Answer done = ask(o.socket, Verb::get, "/v1/receipts/" + encoded(receipt));
        if (done.exit == 0) {
            std::cout << (o.json ? done.raw : receipt_text(done.body, o.style));
            return 0;
        }
        if (done.exit != static_cast<int>(Exit::not_found)) {
            return say(done);
        }
        const Answer log = ask(
            o.socket, Verb::get,
            "/v1/events?limit=1000&resource=" + encoded(o.noun) + "&after=" + std::to_string(after));
        for (const Json& event : log.exit == 0 ? member(log.body, "items") : Json::array()) {
            after = whole_number(member(event, "id"));
            const std::string text = event.value("text", std::string{});
            if (event.value("kind", std::string{}) == "pack.failed" &&
                text.find(receipt) != std::string::npos) {
                std::cerr << "curfew: " << safe(text) << "\n";
                return static_cast<int>(Exit::failed);
            }
        }
        if (log.exit != 0 || member(log.body, "next").is_null()) {
            std::this_thread::sleep_for(std::chrono::seconds{1});
        }
    }
    return static_cast<int>(Exit::timed_out);
}

bool confirmed(const Options& o) {
    const Json body{{"resource", o.noun},
                    {"pack", !o.no_pack},
                    {"dry_run", true},
                    {"accept_risks", {"unpacked-outputs"}}};
    const Answer plan = change(o, "/v1/stop", body);
    if (plan.exit == 0) {
        std::cout << stop_text(plan.body, true);
    }
    std::cout << "Stop " << safe(o.noun) << "? [y/N] " << std::flush;
    std::string line;
    return std::getline(std::cin, line) && (line == "y" || line == "Y" || line == "yes");
}

int stop(const Options& o) {
    if (!o.yes && !o.dry_run && !o.json) {
        if (::isatty(STDIN_FILENO) == 0) {
            std::cerr << "curfew: a stop is asked about; without a terminal say --yes\n";
            return static_cast<int>(Exit::refused);
        }
        if (!confirmed(o)) {
            std::cout << "nothing was done\n";
            return static_cast<int>(Exit::refused);
        }
    } else if (!o.yes && !o.dry_run) {
        std::cerr << "curfew: with --json say --yes\n";
        return static_cast<int>(Exit::refused);
    }
    const Answer answer = change(
        o, "/v1/stop",
        {{"resource", o.noun}, {"pack", !o.no_pack}, {"dry_run", o.dry_run}, {"accept_risks", o.risks}});
    if (answer.exit != 0 && answer.trouble.find("needs accepted risk: ") != std::string::npos) {
        say(answer);
        const std::size_t at = answer.trouble.find("needs accepted risk: ") + 21;
        const std::string risk = answer.trouble.substr(at, answer.trouble.find_first_of(" (\n", at) - at);
        std::cerr << "If that is what you want: curfew stop " << safe(o.noun) << " --accept-risk=" << risk
                  << "\n";
        return answer.exit;
    }
    return changed(o, answer, [&](const Json& j) { return stop_text(j, o.dry_run); });
}

int doctor(const Options& o) {
    const Answer answer = ask(o.socket, Verb::get, "/v1/doctor");
    if (answer.exit != 0) {
        return say(answer);
    }
    std::cout << (o.json ? answer.raw : doctor_text(answer.body));
    for (const Json& item : member(answer.body, "items")) {
        if (!flag(member(item, "good"))) {
            return static_cast<int>(Exit::findings);
        }
    }
    return 0;
}

constexpr int receipts_asked_max = 1000;

/// The database in one answer, then the copies one receipt after the other, the newest first.
int verify(const Options& o) {
    std::vector<std::string> targets;
    if (!o.noun.empty()) {
        targets.push_back("/v1/verify/" + encoded(o.noun));
    } else {
        targets.emplace_back("/v1/verify");
        const Answer listed = ask(o.socket, Verb::get,
                                  "/v1/receipts?limit=" + std::to_string(receipts_asked_max));
        if (listed.exit != 0) {
            return say(listed);
        }
        for (const Json& receipt : member(listed.body, "items")) {
            targets.push_back("/v1/verify/" + encoded(text_of(member(receipt, "id"))));
        }
    }
    int exit = 0;
    for (const std::string& target : targets) {
        const Answer answer = ask(o.socket, Verb::get, target);
        if (answer.exit != 0) {
            return say(answer);
        }
        std::cout << (o.json ? answer.raw : doctor_text(answer.body)) << std::flush;
        for (const Json& item : member(answer.body, "items")) {
            exit = flag(member(item, "good")) ? exit : static_cast<int>(Exit::findings);
        }
    }
    return exit;
}

int reload(const Options& o) {
    return changed(o, change(o, "/v1/reload", Json::object()),
                   [](const Json&) { return std::string{"reloaded\n"}; });
}

/// The daemon knows how to read its configuration; there is no second way.
int check_config(const Options& o) {
    std::error_code error;
    const fs::path own = fs::read_symlink("/proc/self/exe", error).parent_path();
    fs::path daemon = own / "curfewd";
    if (!fs::exists(daemon, error)) {
        daemon = own.parent_path() / "sbin/curfewd";
    }
    const pid_t child = ::fork();
    if (child == 0) {
        std::vector<std::string> words{daemon.string(), "--check-config"};
        if (!o.noun.empty()) {
            words.insert(words.end(), {"--config", o.noun});
        }
        std::vector<char*> arguments;
        for (std::string& word : words) {
            arguments.push_back(word.data());
        }
        arguments.push_back(nullptr);
        ::execv(daemon.c_str(), arguments.data());
        std::_Exit(127);
    }
    int state = 0;
    if (child < 0 || ::waitpid(child, &state, 0) != child || !WIFEXITED(state) || WEXITSTATUS(state) == 127) {
        std::cerr << "curfew: cannot run " << daemon.string() << "\n";
        return static_cast<int>(Exit::failed);
    }
    return WEXITSTATUS(state) == 0
               ? 0
               : static_cast<int>(WEXITSTATUS(state) == 78 ? Exit::findings : Exit::failed);
}

int version(const Options& o) {
    if (o.json) {
        std::cout << Json{{"schema", std::string{api::schema::version}},
                          {"version", std::string{api::version_text}},
                          {"program", "curfew"}}
                         .dump()
                  << "\n";
    } else {
        std::cout << "curfew " << api::version_text << "\n";
    }
    return 0;
}

std::string verbs_of(CLI::App& app) {
    std::string words = "verbs:";
    for (const CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) {
        words += " " + sub->get_name();
    }
    return words + " (curfew VERB --help)\n";
}

constexpr const char* exit_codes =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 no such thing, 4 not allowed, 5 daemon not reachable, 6 "
    "temporary,\n"
    "8 refused (needs --yes or --accept-risk), 9 no (of is-over), 10 findings, 11 cannot be told, 124 timed "
    "out.\n"
    "Treat any unknown code as failure.";

}  // namespace

int main(int argc, char** argv) {
    std::setlocale(LC_ALL, "");
    if (width_of("…") != 1) {
        std::setlocale(LC_CTYPE, "C.UTF-8");
    }
    Options o;
    o.socket = default_socket("CURFEW_SOCKET", api::system_api_socket, api::api_socket_name);
    o.admin_socket = default_socket("CURFEW_ADMIN_SOCKET", api::system_admin_socket, api::admin_socket_name);
    CLI::App app{"Asks curfewd what runs, what it costs and why, and tells it what to keep.", "curfew"};
    app.footer(exit_codes);
    app.require_subcommand(0, 1);  // none is said to be missing below, so that a wrong one is named
    app.fallthrough();
    app.add_option("--socket", o.socket, "the daemon's read socket (CURFEW_SOCKET)");
    app.add_option("--admin-socket", o.admin_socket, "the daemon's admin socket (CURFEW_ADMIN_SOCKET)");
    app.add_flag("--json", o.json, "print the daemon's answer as JSON");
    app.add_flag("--utc", o.style.utc, "times in UTC");
    app.set_version_flag("--version", "curfew " + std::string{api::version_text});
    int exit = 0;
    const auto verb = [&](const char* name, const char* help, int (*run)(const Options&)) {
        CLI::App* sub = app.add_subcommand(name, help);
        sub->callback([&exit, &o, run] {
            o.json = o.json || o.format == "json";
            exit = run(o);
        });
        return sub;
    };
    const auto named = [&](CLI::App* sub, bool required) {
        auto* option = sub->add_option("NAME", o.noun, "a name, an id or a unique prefix");
        if (required) {
            option->required();
        }
    };
    CLI::App* sub = verb("status", "what runs, since when, what it costs, when it stops by itself", status);
    sub->alias("ps");
    sub->add_flag("-a,--all", o.style.all, "also what is off");
    sub = verb("explain", "why: every signal, the rule, what happens next, what would keep it", explain);
    named(sub, true);
    sub->add_option("--at", o.at, "as it was then: 2026-11-23T10:15:00Z, or 90m for so long ago");
    verb("plan", "what is warned of and stopped within 24 hours, and what that saves", plan);
    const auto formatted = [&](CLI::App* of) {
        of->add_option("--format", o.format, "table, csv or json")
            ->check(CLI::IsMember({"table", "csv", "json"}));
    };
    sub = verb("spend", "what was spent, by any dimensions, with what may be wrong of it", spend);
    sub->add_option("--since", o.since, "30d, a date or a time; default: the beginning of this month");
    sub->add_option("--until", o.until, "likewise; default: now");
    sub->add_option("--by", o.by,
                    "day, hour, project, user, type, resource, rule, account; or several: day,type");
    sub->add_option("--name", o.name, "only what is called so; * and ? stand for any text, any character");
    formatted(sub);
    sub = verb("budget", "budgets: spent, left, pace, when they end", budgets);
    bool setting_budget = false;
    bool removing_budget = false;
    CLI::App* of_budget = sub->add_subcommand("ls", "every budget");
    of_budget->alias("list");
    formatted(of_budget);
    of_budget = sub->add_subcommand("show", "one budget in full, with its thresholds");
    of_budget->add_option("BUDGET", o.noun, "its name")->required();
    formatted(of_budget);
    of_budget = sub->add_subcommand("set", "make a budget, or change what is said of one");
    of_budget->add_option("BUDGET", o.noun, "its name")->required();
    of_budget->add_option("--amount", o.amount, "250.00");
    of_budget->add_option("--period", o.period,
                          "hour, day, week, month, quarter, year, fixed, rolling, run or total");
    of_budget->add_option("--from", o.from, "of a fixed period: 2026-11-01");
    of_budget->add_option("--until", o.until, "of a fixed period: 2026-12-15, which is not part of it");
    of_budget->add_option("--length", o.length, "of a rolling period: 7d");
    of_budget->add_option("--timezone", o.zone, "in which periods begin: Europe/Rome");
    of_budget->add_option("--mode", o.mode, "observe, warn or enforce");
    of_budget->add_option("--match", o.match,
                          "what it is for: names=train-*, machine_types=, accounts=, projects=, "
                          "owners=, kinds=, providers=, tags=; may be repeated");
    of_budget->add_option("--threshold", o.thresholds,
                          "80%:notify, $200:warn, 2h:stop, 80%@forecast:notify; may be repeated");
    of_budget->callback([&] { setting_budget = true; });
    of_budget = sub->add_subcommand("rm", "take back what was set of a budget");
    of_budget->add_option("BUDGET", o.noun, "its name")->required();
    of_budget->callback([&] { removing_budget = true; });
    formatted(sub);
    sub->callback([&] {
        o.json = o.json || o.format == "json";
        exit = setting_budget ? set_budget(o) : removing_budget ? remove_budget(o) : budgets(o);
    });
    sub = verb("is-over", "exit code 0 when a budget is spent, 9 when not, 11 when that cannot be told",
               is_over);
    sub->add_option("BUDGET", o.noun, "its name; default: any of them");
    formatted(verb("forecast", "what the month and every budget will have cost at the end", forecast));
    formatted(verb("credit", "credits: used, left, and for how long they last", credit));
    sub = verb("advise", "what could be spent less on, from what was seen", advise);
    sub->add_option("--since", o.since, "30d, a date or a time; default: 30d");
    formatted(sub);
    sub = verb("export", "the ledger of a month in the columns of FOCUS, as CSV", export_focus);
    sub->add_option("--focus", o.focus, "the version of FOCUS: 1.2")->required();
    sub->add_option("--month", o.month, "2026-11, in UTC; default: this month");
    sub->add_option("--output", o.output, "a file; FILE.metadata.json is written beside it");
    sub = verb("keep", "do not stop it for a while; states the price", keep);
    named(sub, true);
    sub->add_option("--for", o.how_long, "how long: 45m, 2h, 1h30m");
    sub->add_option("--until", o.until, "until when: 2026-11-23T18:00:00Z");
    sub->add_option("--reason", o.reason, "for the record");
    sub = verb("lease", "a job holds off the stop while it runs; it renews its lease", lease);
    named(sub, true);
    sub->add_option("--for", o.how_long, "how long: 45m, 2h; at most 12h at once")->required();
    sub->add_option("--job", o.job, "the name of the job; the same name replaces its lease")->required();
    sub->add_option("--reason", o.reason, "for the record");
    sub = verb("exempt", "no rule stops it until a day within 90 days; survives its runs", exempt);
    named(sub, true);
    sub->add_option("--until", o.until, "2026-12-24 (its beginning), or a time");
    sub->add_option("--for", o.how_long, "how long: 30d");
    sub->add_option("--reason", o.reason, "why; it is shown wherever the exemption is")->required();
    sub = verb("release", "end its keeps and leases, or call off a stop that was asked for", release);
    named(sub, true);
    sub->add_flag("--keep", o.keeps, "keeps only");
    sub->add_flag("--lease", o.leases, "leases only");
    sub->add_flag("--exemption", o.exemptions, "its exemption");
    sub->add_option("--job", o.job, "only this job's lease");
    sub = verb("rule", "rules: what they may do now, and what came of them", rules);
    CLI::App* listed = sub->add_subcommand("ls", "every rule: mode, trial, breaker, stops, false stops");
    listed->alias("list");
    CLI::App* reset = sub->add_subcommand("reset", "let a rule act again whose breaker opened");
    reset->add_option("RULE", o.noun, "the rule's name")->required();
    bool resetting = false;
    reset->callback([&] { resetting = true; });
    CLI::App* test = sub->add_subcommand("test", "replay what was recorded through the [[rule]] of a file");
    test->add_option("FILE", o.noun, "TOML with one [[rule]]")->required();
    test->add_option("--since", o.since, "30d, or a time; default: 30d");
    bool testing = false;
    test->callback([&] { testing = true; });
    sub->callback([&] { exit = testing ? rule_test(o) : resetting ? reset_rule(o) : rules(o); });
    sub = verb("stop", "pack it, prove the copy, stop it, confirm", stop);
    named(sub, true);
    sub->add_flag("--no-pack", o.no_pack, "copy nothing (needs --accept-risk=unpacked-outputs)");
    sub->add_flag("--dry-run", o.dry_run, "say what would be done");
    sub->add_flag("-y,--yes", o.yes, "do not ask");
    sub->add_option("--accept-risk", o.risks, "kills-busy-kernel, unpacked-outputs")
        ->check(CLI::IsMember({"kills-busy-kernel", "unpacked-outputs"}));
    sub = verb("pack", "copy its files to the vaults and prove the copy; does not stop it", pack);
    named(sub, true);
    sub->add_flag("--wait", o.wait, "until the receipt is there");
    named(verb("receipts", "proven copies; with an id, one of them in full", receipts), false);
    sub = verb("events", "the audit: every decision and every act", events);
    named(sub, false);
    sub->add_flag("-f,--follow", o.follow, "go on as they happen");
    /// A verb with nouns below it: the one that was named is run, or the first.
    const auto one_of = [&](CLI::App* of, int (*first)(const Options&)) {
        auto run = std::make_shared<int (*)(const Options&)>(first);
        of->callback([&exit, &o, run] { exit = (*run)(o); });
        return [of, run](const char* name, const char* help, int (*what)(const Options&)) {
            CLI::App* below = of->add_subcommand(name, help);
            below->callback([run, what] { *run = what; });
            return below;
        };
    };
    sub = verb("alerts", "what is firing, who knows of it; acknowledge and silence it", alerts);
    sub->add_flag("-a,--all", o.style.all, "also what is over");
    {
        const auto noun = one_of(sub, alerts);
        noun("ls", "what is firing", alerts)->alias("list");
        noun("show", "one alert: its life with the reasons, and who was told", show_alert)
            ->add_option("ID", o.noun, "of the alert, or its beginning")
            ->required();
        CLI::App* ack = noun("ack", "I take care of it: no repeats until it gets worse", acknowledge);
        ack->add_option("ID", o.noun, "of the alert, or its beginning")->required();
        ack->add_option("--note", o.note, "what those who were told should know");
        CLI::App* quiet = noun(
            "silence", "tell nobody of it for a while; with --maintenance stop nothing either", silence);
        quiet->add_option("--resource", o.resources, "a name, an id or a glob; may be repeated");
        quiet->add_option("--account", o.accounts, "an account; may be repeated");
        quiet->add_option("--rule", o.rules, "a rule; may be repeated");
        quiet->add_option("--budget", o.budgets, "a budget; may be repeated");
        quiet->add_option("--kind", o.kinds, "blind, stop_failed, budget_threshold, ...; may be repeated");
        quiet->add_option("--alert", o.alert, "this alert alone");
        quiet->add_flag("--everything", o.everything, "all alerts");
        quiet->add_option("--for", o.how_long, "2h; at most 7d");
        quiet->add_option("--until", o.until, "2026-12-24, or a time");
        quiet->add_option("--reason", o.reason, "why; others see it");
        quiet->add_flag("--maintenance", o.maintenance, "and stop nothing that it covers");
        noun("unsilence", "end a silence or maintenance now", unsilence)
            ->add_option("ID", o.noun, "of the silence, or its beginning")
            ->required();
        noun("silences", "silences and maintenance in force", silences);
    }
    sub = verb("outbox", "messages on their way to people", outbox);
    sub->add_option("--channel", o.channel, "of this channel only");
    {
        const auto noun = one_of(sub, outbox);
        noun("ls", "all of them, oldest first", outbox)
            ->add_option("--state", o.state, "waiting, delivered, superseded or dead")
            ->check(CLI::IsMember({"waiting", "delivered", "superseded", "dead"}));
        noun("dead", "those that were given up, and why", dead_letters);
        CLI::App* again = noun("retry", "send what was given up once more", retry);
        again->add_option("NO", o.noun, "of the message, or its id");
        again->add_flag("--all", o.everything, "all that were given up");
    }
    sub = verb("notify", "prove that a channel works", test_channel);
    sub->require_subcommand(1);
    {
        CLI::App* trial = one_of(sub, test_channel)("test", "send a test message now, and say what came back",
                                                    test_channel);
        trial->add_option("CHANNEL", o.noun, "its name in the configuration")->required();
        trial->add_option("--to", o.to, "this mail address instead of the channel's own");
    }
    sub = verb("check-config", "every fault of a configuration file, with file:line:column", check_config);
    sub->add_option("FILE", o.noun, "default: the system's");
    verb("doctor", "is everything well? keys, channels, vaults, audit", doctor);
    sub = verb("verify", "is what was stored still what was stored? file, audit, ledger, every packed file",
               verify);
    sub->add_option("RECEIPT", o.noun, "only the copies of this receipt");
    verb("reload", "read the configuration anew", reload);
    verb("version", "of this program", version);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        const int wrong = app.exit(e);
        if (wrong != 0 && app.get_subcommands().empty()) {
            std::cerr << verbs_of(app);
        }
        return wrong == 0 ? 0 : static_cast<int>(Exit::usage);
    }
    if (app.get_subcommands().empty()) {
        std::cerr << "curfew: a verb is missing\n" << verbs_of(app);
        return static_cast<int>(Exit::usage);
    }
    if (!std::cout.flush() && exit == 0) {  // what was asked for did not arrive
        std::cerr << "curfew: cannot write the standard output\n";
        return static_cast<int>(Exit::failed);
    }
    return exit;
}
