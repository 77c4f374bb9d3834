// What all verbs share: what was asked for, asking the daemon, and saying what came back.
#pragma once

#include "answer.hpp"
#include "connection.hpp"
#include "csv.hpp"
#include "words.hpp"

#include <iostream>
#include <string>
#include <vector>

namespace curfew::cli {

struct Options {
    std::string socket;
    std::string admin_socket;
    bool json = false;
    Style style;
    // verbs
    std::string noun;
    std::string since;
    std::string at;
    std::string by;
    std::string format;
    std::string name;
    std::string month;
    std::string output;
    std::string focus;
    std::string amount;
    std::string period;
    std::string from;
    std::string length;
    std::string zone;
    std::string mode;
    std::vector<std::string> match;
    std::vector<std::string> thresholds;
    std::string how_long;
    std::string until;
    std::string reason;
    std::string job;
    bool keeps = false;
    bool leases = false;
    bool exemptions = false;
    bool no_pack = false;
    bool dry_run = false;
    bool yes = false;
    bool follow = false;
    bool wait = false;
    std::vector<std::string> risks;
    std::string note;
    std::string alert;
    std::string channel;
    std::string state;
    std::string to;
    std::vector<std::string> resources;
    std::vector<std::string> accounts;
    std::vector<std::string> rules;
    std::vector<std::string> budgets;
    std::vector<std::string> kinds;
    bool maintenance = false;
    bool everything = false;
    int limit = 50;
};

/// Says what went wrong; the exit code.
int say(const Answer& answer, const char* prefix = "curfew: ");

/// A change goes to the admin socket: POST, PUT or DELETE.
Answer change(const Options& o, const std::string& target, const Json& body, Verb verb = Verb::post);
std::string random_key();

/// The answer in the form that was asked for.
template <class Render>
int changed(const Options& o, const Answer& answer, Render render) {
    if (answer.exit != 0) {
        return say(answer);
    }
    std::cout << (o.json              ? answer.raw
                  : o.format == "csv" ? csv_of(member(answer.body, "items"))
                                      : render(answer.body));
    return 0;
}

template <class Render>
int read(const Options& o, const std::string& target, Render render) {
    return changed(o, ask(o.socket, Verb::get, target), render);
}

}  // namespace curfew::cli
