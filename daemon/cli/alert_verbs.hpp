// The verbs about alerts, the outbox and channels.
#pragma once

#include "talk.hpp"

namespace curfew::cli {

int alerts(const Options& o);
int show_alert(const Options& o);
int acknowledge(const Options& o);
int silence(const Options& o);
int unsilence(const Options& o);
int silences(const Options& o);
int outbox(const Options& o);
int dead_letters(const Options& o);
int retry(const Options& o);
/// Exit code 0: taken; 1: refused; 3: no such channel; 6: trying again may help.
int test_channel(const Options& o);

}  // namespace curfew::cli
