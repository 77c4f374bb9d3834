#include "curfew/core/probe.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

namespace curfew {

namespace {

// Only shell builtins read /proc: a probe must not start a process for every process that it sees. What
// follows runs in dash, bash and busybox sh. Lines are parsed here, not there, since a guest is hostile.
// `tail` of a stat line is counted from the last ")": a process may call itself anything.
constexpr std::string_view script_head = R"sh(LC_ALL=C; export LC_ALL; N=)sh";
constexpr std::string_view script_body = R"sh(
printf 'CURFEW-%s %s\n' BEGIN $N
echo "o $$ $PPID"
echo "c $(getconf CLK_TCK 2>/dev/null)"
echo "d $(date +%s 2>/dev/null)"
read -r l 2>/dev/null </proc/1/stat && echo v
s() {
read -r l _ </proc/uptime; echo "u $l"
for q in /proc/[0-9]*; do
{ read -r l <$q/stat; } 2>/dev/null || continue
c=${l#*\(}; c=${c%\)*}; set -- ${l##*\)}
w=-; a=-; b=-
{ while read -r k v; do
case $k in wchar:) w=$v;; read_bytes:) a=$v;; write_bytes:) b=$v;; esac; done <$q/io; } 2>/dev/null
echo "p ${q#/proc/} $2 $3 $5 $6 $7 ${12} ${13} ${14} ${15} ${20} $a $b $w $c"
done
while read -r l; do case $l in *:*) echo "n $l";; esac; done 2>/dev/null </proc/net/dev
echo e
}
s
g() { nvidia-smi --query-gpu=index,utilization.gpu,memory.used,power.draw$1 --format=csv,noheader,nounits 2>&1; }
if command -v nvidia-smi >/dev/null 2>&1; then
m=,mig.mode.current; g $m >/dev/null || m=
for i in 1 2 3 4 5; do g $m | while read -r l; do echo "g $l"; done; sleep 0.2 2>/dev/null || sleep 1; done
else for i in /dev/nvidia[0-9]*; do [ -e $i ] && echo "G $i"; done; fi
sleep 2
s
for i in /dev/pts/[0-9]*; do [ -c $i ] && stat -c 'y %t %T %X' $i 2>/dev/null; done
w() { echo "w $1 $(ls -lnR --full-time -- "$2" 2>/dev/null | head -c 8000000 | cksum 2>/dev/null)"; }
)sh";
constexpr std::string_view script_end = R"sh(printf 'CURFEW-%s %s\n' END $N
)sh";

constexpr std::size_t lines_max = 200'000;
constexpr std::size_t name_bytes_max = 16;
constexpr std::size_t gpus_max = 64;
constexpr std::int64_t kernel_thread = 0x200000;  // PF_KTHREAD
constexpr Duration input_is_recent = minutes{15};
constexpr std::int64_t gpu_percent = 5;
constexpr std::int64_t network_slack_bytes = 1'000'000;  // headers, TLS, resent segments of our own traffic
constexpr std::int64_t bytes_a_second = 1'000'000;
constexpr Duration rate_lasts = minutes{2};
constexpr Duration rate_begins = seconds{30};
constexpr std::int64_t centicores_of_work = 20;  // 0.2 core
constexpr std::int64_t centicores_of_a_foreground = 1;

std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string{"'\\''"} : std::string{c};
    }
    return out + "'";
}

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

/// Cuts the next word off; words are parted by single or several blanks.
std::string_view word(std::string_view& rest) {
    while (!rest.empty() && rest.front() == ' ') {
        rest.remove_prefix(1);
    }
    const std::string_view taken = rest.substr(0, rest.find(' '));
    rest.remove_prefix(taken.size());
    return taken;
}

std::string printable(std::string_view name) {
    std::string out;
    for (const char c : name.substr(0, name_bytes_max)) {
        out += c > 0x20 && c < 0x7F ? c : '?';
    }
    return out;
}

/// "12345.67" seconds, to the millisecond.
std::optional<Duration> uptime_of(std::string_view text) {
    const std::size_t dot = text.find('.');
    const auto whole = number(text.substr(0, dot));
    if (!whole || *whole < 0 || *whole > 100'000'000'000) {
        return std::nullopt;
    }
    std::int64_t ms = 0;
    if (dot != std::string_view::npos) {
        std::string part{text.substr(dot + 1, 3)};
        part.resize(3, '0');
        const auto fraction = number(part);
        if (!fraction) {
            return std::nullopt;
        }
        ms = *fraction;
    }
    return Duration{*whole * 1000 + ms};
}

/// Reads the lines of one probe, top to bottom.
class Reader {
public:
    explicit Reader(const std::vector<std::string>& watched) : watched_(watched) {}

    Result<Probe> read(std::string_view text) {
        std::size_t lines = 0;
        while (!text.empty()) {
            if (++lines > lines_max) {
                return refuse("it printed too many lines");
            }
            const std::size_t end = std::min(text.find('\n'), text.size());
            std::string_view line = text.substr(0, end);
            text.remove_prefix(std::min(text.size(), end + 1));
            while (!line.empty() && line.back() == '\r') {
                line.remove_suffix(1);
            }
            if (!line.empty() && !take(line)) {
                return refuse("it printed a line that is none of its own: \"" + shown(line) + "\"");
            }
        }
        return finish();
    }

private:
    static std::unexpected<Error> refuse(std::string why) {
        return fail(Errc::protocol, "the probe cannot be read: " + std::move(why), {}, Retry::later());
    }
    static std::string shown(std::string_view line) {
        std::string out;
        for (const char c : line.substr(0, 60)) {
            out += c >= 0x20 && c < 0x7F ? c : '?';
        }
        return out;
    }

    bool take(std::string_view line) {
        std::string_view rest = line.substr(1);
        switch (line.front()) {
            case 'o':
                return owner(rest);
            case 'c':
                return ticks(rest);
            case 'd':
                guest_now_ = number(word(rest));
                return true;
            case 'v':
                sees_first_process_ = true;
                return true;
            case 'u':
                return uptime(rest);
            case 'p':
                return process(rest);
            case 'n':
                return interface(rest);
            case 'e':
                ++samples_;
                return samples_ <= 2;
            case 'g':
                gpu(rest);
                return true;
            case 'G':
                probe_.gpu_trouble = "a GPU device, and no nvidia-smi to ask";
                return true;
            case 'y':
                return terminal(rest);
            case 'w':
                return watched(rest);
            default:
                return false;
        }
    }

    ProbeSample& sample() { return samples_ == 0 ? probe_.first : probe_.second; }

    bool owner(std::string_view rest) {
        const auto self = number(word(rest));
        probe_.self = self.value_or(0);
        return self && *self > 0;
    }

    bool ticks(std::string_view rest) {
        const std::string_view text = word(rest);
        const auto value = number(text);
        if (value && *value > 0 && *value <= 1'000'000) {
            probe_.ticks_per_second = *value;
        }
        return text.empty() || value.has_value();  // without getconf it is what Linux has everywhere
    }

    bool uptime(std::string_view rest) {
        const auto up = uptime_of(word(rest));
        sample().uptime = up.value_or(Duration{0});
        return up.has_value();
    }

    bool process(std::string_view rest) {
        std::array<std::int64_t, 11> fields{};
        for (std::int64_t& field : fields) {
            const auto value = number(word(rest));
            if (!value) {
                return false;
            }
            field = *value;
        }
        const auto read = number(word(rest));
        const auto written_to_disk = number(word(rest));
        const auto written = number(word(rest));
        const auto [pid, parent, group, terminal, foreground, flags, user, system, child_user, child_system,
                    started] = fields;
        if (pid <= 0 || user < 0 || system < 0 || child_user < 0 || child_system < 0) {
            return false;
        }
        if ((flags & kernel_thread) != 0) {
            return true;
        }
        sample().processes.push_back(
            {.pid = pid,
             .parent = parent,
             .group = group,
             .terminal = terminal,
             .foreground = foreground,
             .started = started,
             .ticks = user + system,
             .child_ticks = child_user + child_system,
             .disk_bytes = read && written_to_disk ? std::optional{*read + *written_to_disk} : std::nullopt,
             .written_bytes = written,
             .name = printable(rest.substr(std::min<std::size_t>(1, rest.size())))});
        return true;
    }

    /// "eth0: received packets errs drop fifo frame compressed multicast sent …", also without the blank.
    bool interface(std::string_view rest) {
        const std::size_t colon = rest.find(':');
        if (colon == std::string_view::npos) {
            return false;
        }
        std::string_view name = rest.substr(0, colon);
        const std::string_view first = word(name);
        rest.remove_prefix(colon + 1);
        const auto received = number(word(rest));
        for (int i = 0; i < 7; ++i) {
            word(rest);
        }
        const auto sent = number(word(rest));
        if (!received || !sent || *received < 0 || *sent < 0) {
            return false;
        }
        if (samples_ == 1 && first != "lo") {
            probe_.network_bytes = probe_.network_bytes.value_or(0) + *received + *sent;
        } else if (samples_ == 1 && !probe_.network_bytes) {
            probe_.network_bytes = 0;
        }
        return true;
    }

    /// "0, 37, 4096, 61.52, Disabled". What the driver does not know it words in many ways.
    void gpu(std::string_view rest) {
        std::array<std::string, 5> fields;
        for (std::string& field : fields) {
            const std::size_t comma = std::min(rest.find(','), rest.size());
            std::string_view text = rest.substr(0, comma);
            field = std::string{word(text)};
            rest.remove_prefix(std::min(rest.size(), comma + 1));
        }
        const auto index = number(fields[0]);
        if (!index || fields[1].empty() || *index < 0) {
            probe_.gpu_trouble = "nvidia-smi says: " + shown(fields[0] + " " + fields[1]);
            return;
        }
        auto found = std::ranges::find(probe_.gpus, fields[0], &ProbeGpu::index);
        if (found == probe_.gpus.end()) {
            if (probe_.gpus.size() == gpus_max) {
                probe_.gpu_trouble = "more GPUs than can be true";
                return;
            }
            probe_.gpus.push_back({.index = fields[0]});
            found = std::prev(probe_.gpus.end());
        }
        found->mig = found->mig || fields[4] == "Enabled";
        const auto percent = number(fields[1]);
        if (percent && *percent >= 0 && *percent <= 100 && !found->mig) {
            found->utilisation.push_back(*percent);
        }
        found->memory_mib = std::max(found->memory_mib, number(fields[2]).value_or(0));
        found->power_watts = std::max(found->power_watts,
                                      number(fields[3].substr(0, fields[3].find('.'))).value_or(0));
    }

    /// Device numbers as stat prints them (hexadecimal), and when somebody last typed there.
    bool terminal(std::string_view rest) {
        std::int64_t major = 0;
        std::int64_t minor = 0;
        const std::string_view a = word(rest);
        const std::string_view b = word(rest);
        const auto at = number(word(rest));
        const bool good = std::from_chars(a.data(), a.data() + a.size(), major, 16).ec == std::errc{} &&
                          std::from_chars(b.data(), b.data() + b.size(), minor, 16).ec == std::errc{} &&
                          major >= 0 && major < 4096 && minor >= 0 && minor < (1 << 20);
        if (!good || !at) {
            return false;
        }
        if (guest_now_) {
            // As the kernel packs them into the field of a stat line.
            const std::int64_t device = (minor & 0xFF) | (major << 8) | ((minor & ~std::int64_t{0xFF}) << 12);
            probe_.input_ago[device] = seconds{std::clamp<std::int64_t>(*guest_now_ - *at, 0, 1'000'000'000)};
        }
        return true;
    }

    bool watched(std::string_view rest) {
        const auto index = number(word(rest));
        const auto sum = number(word(rest));
        const auto size = number(word(rest));
        if (!index || *index < 0 || static_cast<std::size_t>(*index) >= watched_.size()) {
            return false;
        }
        if (sum && size) {  // without cksum nothing can be said of it
            probe_.watched[watched_[static_cast<std::size_t>(*index)]] = std::to_string(*sum) + " " +
                                                                         std::to_string(*size);
        }
        return true;
    }

    Result<Probe> finish() {
        if (samples_ != 2) {
            return refuse("it broke off");
        }
        if (probe_.self == 0) {
            return refuse("it does not say which process it is");
        }
        for (const ProbeSample* each : {&probe_.first, &probe_.second}) {
            if (std::ranges::find(each->processes, probe_.self, &ProbeProcess::pid) ==
                each->processes.end()) {
                return refuse("it does not see itself");
            }
        }
        if (probe_.second.uptime < probe_.first.uptime) {
            return refuse("its clock runs backwards");
        }
        probe_.all_visible = sees_first_process_;
        return std::move(probe_);
    }

    const std::vector<std::string>& watched_;
    Probe probe_;
    int samples_ = 0;
    bool sees_first_process_ = false;
    std::optional<std::int64_t> guest_now_;
};

// ---- what two samples say of the time between them ----------------------------------------------

using Key =
    std::pair<std::int64_t, std::int64_t>;  // pid and start: a process, also when the pid is used anew
using Table = std::map<std::int64_t, const ProbeProcess*>;

Key key_of(const ProbeProcess& p) {
    return {p.pid, p.started};
}

Table table_of(const ProbeSample& sample) {
    Table table;
    for (const ProbeProcess& p : sample.processes) {
        table.emplace(p.pid, &p);
    }
    return table;
}

const ProbeProcess* parent_of(const Table& table, const ProbeProcess& p) {
    const auto found = table.find(p.parent);
    return found == table.end() || found->second == &p ? nullptr : found->second;
}

/// Which processes are the probe's own, and which it came through (the Jupyter server, sshd, init).
struct Roles {
    std::set<std::int64_t> ours;       // the script, with all that it started
    std::set<std::int64_t> ancestors;  // of the script
};

Roles roles_of(const Probe& probe, const Table& table) {
    Roles roles;
    const auto self = table.find(probe.self);
    if (self == table.end()) {
        return roles;
    }
    const ProbeProcess* root = self->second;
    if (probe.parent_is_ours) {
        const ProbeProcess* parent = parent_of(table, *root);
        root = parent != nullptr ? parent : root;
    }
    std::size_t steps = 0;
    for (const ProbeProcess* up = parent_of(table, *root); up != nullptr && steps < table.size();
         up = parent_of(table, *up), ++steps) {
        roles.ancestors.insert(up->pid);
    }
    for (const auto& [pid, process] : table) {
        steps = 0;
        for (const ProbeProcess* up = process; up != nullptr && steps < table.size();
             up = parent_of(table, *up), ++steps) {
            if (up == root) {
                roles.ours.insert(pid);
                break;
            }
            if (roles.ancestors.contains(up->pid)) {
                break;
            }
        }
    }
    return roles;
}

/// The top of the tree that a process belongs to: its last ancestor that is none of the probe's.
const ProbeProcess* top_of(const Table& table, const Roles& roles, const ProbeProcess& p) {
    const ProbeProcess* top = &p;
    for (std::size_t steps = 0; steps < table.size(); ++steps) {
        const ProbeProcess* up = parent_of(table, *top);
        if (up == nullptr || roles.ancestors.contains(up->pid)) {
            break;
        }
        top = up;
    }
    return top;
}

struct Tree {
    std::int64_t after = 0;
    std::int64_t before = 0;
    std::string name;
    std::int64_t busiest = -1;  // ticks of the process that names it
};

/// Whole hundredths of a core.
std::int64_t centicores(std::int64_t ticks, Duration time, std::int64_t ticks_per_second) {
    const std::int64_t ms = std::max<std::int64_t>(1, time.count());
    return ticks * 100'000 / (ms * ticks_per_second);
}

std::string cores_text(std::int64_t hundredths) {
    const std::string part = std::to_string(hundredths % 100);
    return std::to_string(hundredths / 100) + "." + (part.size() == 1 ? "0" + part : part) + " core";
}

struct Busiest {
    std::int64_t centicores = 0;
    std::string name;
    bool backwards = false;
};

/// The tree of processes that used most CPU between two samples. A tree's total is that of its live processes
/// and of all children that they have reaped, so a child that ends in between is not lost and not counted
/// twice.
Busiest busiest_tree(const ProbeSample& before, const Roles& roles_before, const ProbeSample& after,
                     const Roles& roles_after, std::int64_t ticks_per_second, std::int64_t own_ticks) {
    const Table then = table_of(before);
    const Table now = table_of(after);
    const auto total = [](const ProbeProcess& p) { return p.ticks + p.child_ticks; };
    std::map<Key, Tree> trees;
    std::map<Key, Key> tree_now;  // process → its tree
    Busiest busiest;
    for (const auto& [pid, process] : now) {
        if (roles_after.ours.contains(pid) || roles_after.ancestors.contains(pid)) {
            continue;
        }
        const Key top = key_of(*top_of(now, roles_after, *process));
        tree_now.emplace(key_of(*process), top);
        Tree& tree = trees[top];
        tree.after += total(*process);
        if (process->ticks > tree.busiest) {
            tree.busiest = process->ticks;
            tree.name = process->name + " (" + std::to_string(pid) + ")";
        }
    }
    for (const auto& [pid, process] : then) {
        if (roles_before.ours.contains(pid) || roles_before.ancestors.contains(pid)) {
            continue;
        }
        const auto same = tree_now.find(key_of(*process));
        const Key top = same != tree_now.end() ? same->second : key_of(*top_of(then, roles_before, *process));
        if (const auto tree = trees.find(top); tree != trees.end()) {
            tree->second.before += total(*process);
        }
        const auto again = now.find(pid);
        busiest.backwards = busiest.backwards ||
                            (again != now.end() && again->second->started == process->started &&
                             again->second->ticks < process->ticks);
    }
    const Duration time = after.uptime - before.uptime;
    for (const auto& [key, tree] : trees) {
        const std::int64_t used = centicores(std::max<std::int64_t>(0, tree.after - tree.before), time,
                                             ticks_per_second);
        if (used > busiest.centicores) {
            busiest.centicores = used;
            busiest.name = tree.name;
        }
    }
    // Work that began and ended in between was reaped by whoever the probe came through.
    for (const std::int64_t pid : roles_after.ancestors) {
        const auto a = now.find(pid);
        const auto b = then.find(pid);
        if (a == now.end() || b == then.end() || key_of(*a->second) != key_of(*b->second)) {
            continue;
        }
        const std::int64_t reaped = a->second->child_ticks - b->second->child_ticks - own_ticks;
        const std::int64_t used = centicores(std::max<std::int64_t>(0, reaped), time, ticks_per_second);
        if (used > busiest.centicores) {
            busiest.centicores = used;
            busiest.name = "ended children of " + a->second->name;
        }
    }
    return busiest;
}

std::int64_t own_ticks_of(const Probe& probe) {
    const Table table = table_of(probe.second);
    const Roles roles = roles_of(probe, table);
    std::int64_t ticks = 0;
    for (const std::int64_t pid : roles.ours) {
        ticks += table.at(pid)->ticks + table.at(pid)->child_ticks;
    }
    return ticks;
}

/// A span of time that both of its samples vouch for.
struct Span {
    const Probe& from;
    const ProbeSample& before;
    const Probe& to;
    const ProbeSample& after;
    Duration time() const { return after.uptime - before.uptime; }
};

bool is_shell(std::string_view name) {
    constexpr std::array<std::string_view, 10> shells{"sh",   "bash", "dash", "zsh",     "fish",
                                                      "tcsh", "csh",  "ksh",  "busybox", "login"};
    return std::ranges::find(shells, name) != shells.end();
}

/// A foreground job of a terminal that is not the shell, and computes or prints: in words, or "".
std::string foreground_job(const Span& span) {
    const Table then = table_of(span.before);
    const Table now = table_of(span.after);
    const Roles roles = roles_of(span.to, now);
    for (const auto& [pid, process] : now) {
        const bool foreground = process->terminal != 0 && process->group == process->foreground;
        if (!foreground || is_shell(process->name) || roles.ours.contains(pid) ||
            roles.ancestors.contains(pid)) {
            continue;
        }
        const auto found = then.find(pid);
        const bool same = found != then.end() && key_of(*found->second) == key_of(*process);
        const std::int64_t ticks = process->ticks + process->child_ticks -
                                   (same ? found->second->ticks + found->second->child_ticks : 0);
        const std::int64_t written = process->written_bytes.value_or(0) -
                                     (same ? found->second->written_bytes.value_or(0) : 0);
        const std::int64_t used = centicores(std::max<std::int64_t>(0, ticks), span.time(),
                                             span.to.ticks_per_second);
        if (written > 0 || used >= centicores_of_a_foreground) {
            return "in the foreground of a terminal: " + process->name + " (" + std::to_string(pid) + "), " +
                   cores_text(used) + ", wrote " + std::to_string(std::max<std::int64_t>(0, written)) +
                   " bytes";
        }
    }
    return {};
}

ProbeReading read_processes(const Span& within, const std::optional<Span>& between) {
    ProbeReading reading{.source = Signal::processes};
    const auto measure = [](const Span& span, std::int64_t own_ticks) {
        return busiest_tree(span.before, roles_of(span.from, table_of(span.before)), span.after,
                            roles_of(span.to, table_of(span.after)), span.to.ticks_per_second, own_ticks);
    };
    Busiest busiest = measure(within, 0);
    Duration over = within.time();
    if (between) {
        const Busiest longer = measure(*between, own_ticks_of(between->from));
        busiest.backwards = busiest.backwards || longer.backwards;
        if (longer.centicores >= busiest.centicores || busiest.centicores < centicores_of_work) {
            busiest.centicores = longer.centicores;
            busiest.name = longer.name;
            over = between->time();
        }
    }
    const std::string measured = (busiest.name.empty() ? std::string{"no process"} : busiest.name) +
                                 " used " + cores_text(busiest.centicores) + " over " +
                                 to_string(std::chrono::ceil<seconds>(over));
    const std::string job = foreground_job(between.value_or(within));
    if (busiest.centicores >= centicores_of_work) {
        reading.verdict = Verdict::active;
        reading.evidence = measured;
    } else if (!job.empty()) {
        reading.verdict = Verdict::active;
        reading.evidence = job;
    } else if (busiest.backwards) {
        reading.evidence = "CPU counters run backwards";
    } else if (!within.to.all_visible) {
        reading.evidence = "processes of other users are hidden";
    } else {
        reading.verdict = Verdict::quiet;
        reading.evidence = "busiest: " + measured;
    }
    return reading;
}

/// Bytes of user processes only: the server's are the pages that it sends, to us among others.
std::int64_t disk_bytes(const Span& span) {
    const Table then = table_of(span.before);
    const Table now = table_of(span.after);
    const Roles roles = roles_of(span.to, now);
    std::int64_t sum = 0;
    for (const auto& [pid, process] : now) {
        if (roles.ours.contains(pid) || roles.ancestors.contains(pid) || !process->disk_bytes) {
            continue;
        }
        const auto found = then.find(pid);
        const bool same = found != then.end() && key_of(*found->second) == key_of(*process);
        sum += std::max<std::int64_t>(
            0, *process->disk_bytes - (same ? found->second->disk_bytes.value_or(0) : 0));
    }
    return sum;
}

ProbeReading read_traffic(const Span& span) {
    ProbeReading reading{.source = Signal::disk_network};
    const std::int64_t disk = disk_bytes(span);
    std::int64_t network = 0;
    if (span.to.network_bytes && span.from.network_bytes) {
        const std::int64_t all = *span.to.network_bytes - *span.from.network_bytes;
        if (all < 0) {
            reading.evidence = "network counters run backwards";
            return reading;
        }
        const std::int64_t own = std::max<std::int64_t>(0, span.to.own_bytes - span.from.own_bytes);
        network = std::max<std::int64_t>(0, all - own - own / 10 - network_slack_bytes);
    }
    // 1 MB/s for two minutes; within a longer time as much as those two minutes would have moved.
    const Duration counted = std::clamp<Duration>(span.time(), rate_begins, rate_lasts);
    const std::int64_t enough = bytes_a_second * counted.count() / 1000;
    reading.verdict = disk >= enough || network >= enough ? Verdict::active : Verdict::quiet;
    reading.evidence = std::to_string(disk / 1'000'000) + " MB of disk and " +
                       std::to_string(network / 1'000'000) + " MB of network in " +
                       to_string(std::chrono::ceil<seconds>(span.time()));
    return reading;
}

std::optional<ProbeReading> read_gpus(const Probe& probe) {
    if (probe.gpus.empty() && probe.gpu_trouble.empty()) {
        return std::nullopt;
    }
    ProbeReading reading{.source = Signal::gpu};
    std::string hidden;
    std::string idle;
    for (const ProbeGpu& gpu : probe.gpus) {
        const std::string facts = std::to_string(gpu.memory_mib) + " MiB, " +
                                  std::to_string(gpu.power_watts) + " W";
        if (gpu.utilisation.empty()) {
            if (hidden.empty()) {
                hidden = "GPU " + gpu.index + (gpu.mig ? " is split (MIG) and" : "") +
                         " does not say how busy it is (" + facts + ")";
            }
            continue;
        }
        // With so few samples the 95th percentile is the highest.
        const std::int64_t highest = std::ranges::max(gpu.utilisation);
        if (highest >= gpu_percent) {
            reading.verdict = Verdict::active;
            reading.evidence = "GPU " + gpu.index + " at " + std::to_string(highest) + " %, " + facts;
            return reading;
        }
        if (idle.empty()) {
            idle = "GPU " + gpu.index + " at 0 to " + std::to_string(highest) + " %, " + facts;
        }
    }
    if (!probe.gpu_trouble.empty() || !hidden.empty()) {
        reading.evidence = !probe.gpu_trouble.empty() ? probe.gpu_trouble : hidden;
        return reading;
    }
    reading.verdict = Verdict::quiet;
    reading.evidence = idle + (probe.gpus.size() > 1
                                   ? ", and " + std::to_string(probe.gpus.size() - 1) + " more"
                                   : std::string{});
    return reading;
}

ProbeReading read_sessions(const Probe& probe) {
    ProbeReading reading{.source = Signal::session, .verdict = Verdict::quiet, .evidence = "no input"};
    const Table now = table_of(probe.second);
    const Roles roles = roles_of(probe, now);
    std::set<std::int64_t> in_use;  // terminals that somebody else's processes sit at
    bool remote = false;
    for (const auto& [pid, process] : now) {
        const bool own = roles.ours.contains(pid) || roles.ancestors.contains(pid);
        if (!own && process->terminal != 0) {
            in_use.insert(process->terminal);
        }
        const ProbeProcess* parent = parent_of(now, *process);
        remote = remote || (!own && process->name == "sshd" && parent != nullptr && parent->name == "sshd");
    }
    for (const std::int64_t pid : roles.ours) {
        in_use.erase(now.at(pid)->terminal);
    }
    std::optional<Duration> youngest;
    for (const auto& [device, ago] : probe.input_ago) {
        if (in_use.contains(device) && (!youngest || ago < *youngest)) {
            youngest = ago;
        }
    }
    if (youngest && *youngest < input_is_recent) {
        reading.verdict = Verdict::active;
        reading.evidence = "somebody typed at a terminal " + to_string(*youngest) + " ago";
    } else if (remote) {
        reading.verdict = Verdict::active;
        reading.strength = Strength::weak;
        reading.evidence = "an SSH session is open";
    } else if (youngest) {
        reading.evidence = "last input at a terminal " + to_string(*youngest) + " ago";
    }
    return reading;
}

std::optional<ProbeReading> read_watched(const Probe& now, const Probe& before) {
    if (now.watched.empty()) {
        return std::nullopt;
    }
    ProbeReading reading{.source = Signal::watched_paths,
                         .verdict = Verdict::quiet,
                         .evidence = "watched paths did not change"};
    for (const auto& [path, sum] : now.watched) {
        const auto earlier = before.watched.find(path);
        if (earlier == before.watched.end()) {
            continue;
        }
        if (earlier->second != sum) {
            reading.verdict = Verdict::active;
            reading.evidence = "watched path " + path + " changed";
            return reading;
        }
    }
    return reading;
}

}  // namespace

ProbeScript probe_script(std::string_view nonce, const std::vector<std::string>& watched) {
    std::string text{script_head};
    text += nonce;
    text += script_body;
    const std::size_t count = std::min(watched.size(), watched_max);
    for (std::size_t i = 0; i < count; ++i) {
        text += "w " + std::to_string(i) + " " + quoted(watched[i]) + "\n";
    }
    text += script_end;
    return {.text = std::move(text),
            .end = "CURFEW-END " + std::string{nonce},
            .watched = {watched.begin(), watched.begin() + static_cast<std::ptrdiff_t>(count)}};
}

Result<Probe> parse_probe(std::string_view text, const ProbeScript& script) {
    const std::string nonce = script.end.substr(script.end.rfind(' ') + 1);
    const std::string begin = "CURFEW-BEGIN " + nonce;
    const std::size_t from = text.rfind(begin);
    const std::size_t to = from == std::string_view::npos ? from : text.find(script.end, from);
    if (to == std::string_view::npos) {
        return fail(Errc::protocol, "the probe did not come to its end", {}, Retry::later());
    }
    if (to - from > probe_output_max) {
        return fail(Errc::too_large, "the probe printed too much", {}, Retry::later());
    }
    return Reader{script.watched}.read(text.substr(from + begin.size(), to - from - begin.size()));
}

std::vector<ProbeReading> read_probe(const Probe& now, const Probe* before) {
    const Span within{now, now.first, now, now.second};
    std::optional<Span> between;
    // A smaller uptime is another boot: nothing can be subtracted.
    if (before != nullptr && now.first.uptime >= before->second.uptime) {
        between.emplace(Span{*before, before->second, now, now.second});
    }
    std::vector<ProbeReading> readings{read_processes(within, between)};
    if (auto gpus = read_gpus(now)) {
        readings.push_back(std::move(*gpus));
    }
    readings.push_back(read_sessions(now));
    if (between) {
        readings.push_back(read_traffic(*between));
        if (auto watched = read_watched(now, *before)) {
            readings.push_back(std::move(*watched));
        }
    }
    return readings;
}

}  // namespace curfew
