#include "world.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cstdio>

namespace emulator {
namespace {

namespace asio = boost::asio;

struct StateName {
    RunState state;
    std::string_view name;
};
constexpr std::array state_names{
    StateName{RunState::pending, "Pending"},     StateName{RunState::provisioned, "Provisioned"},
    StateName{RunState::running, "Running"},     StateName{RunState::stopped, "Stopped"},
    StateName{RunState::cancelled, "Cancelled"}, StateName{RunState::error, "Error"},
    StateName{RunState::failed, "Failed"},       StateName{RunState::preempted, "Preempted"},
};

constexpr std::string_view alnum = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr Millis hour = 3'600'000;
constexpr double free_hours = 6;
constexpr std::size_t kept_samples = 4 * 3600;

void report(std::exception_ptr error) {
    if (!error) {
        return;
    }
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "curfew-emulator: %s\n", e.what());
    }
}

}  // namespace

std::string_view state_name(RunState state) {
    for (const StateName& one : state_names) {
        if (one.state == state) {
            return one.name;
        }
    }
    return "Error";
}

std::optional<RunState> parse_state(std::string_view name) {
    if (name == "Cancel") {
        return RunState::cancelled;
    }
    for (const StateName& one : state_names) {
        if (one.name == name) {
            return one.state;
        }
    }
    return std::nullopt;
}

bool terminal(RunState state) {
    return state != RunState::pending && state != RunState::provisioned && state != RunState::running;
}

World::World(asio::any_io_executor executor, const VirtualClock& clock, PriceBook& prices,
             WorldOptions options)
    : executor_{std::move(executor)}, clock_{clock}, prices_{prices}, options_{std::move(options)} {}

std::string World::random_text(std::size_t length, std::string_view alphabet) {
    std::uniform_int_distribution<std::size_t> pick{0, alphabet.size() - 1};
    std::string out;
    for (std::size_t i = 0; i < length; ++i) {
        out.push_back(alphabet[pick(random_)]);
    }
    return out;
}

std::string World::new_id(char prefix, std::size_t length) {
    return prefix + random_text(length, alnum);
}

void World::add_team(const std::string& key) {
    const std::string number = teams_.empty() ? "" : std::to_string(teams_.size() + 1);
    Team team;
    team.id = "te" + random_text(6, alnum);
    team.name = "Lab" + number;
    team.space = "lab" + number;
    team.key = key;
    team.user_id = "u" + random_text(7, alnum);
    team.email = "ana" + number + "@example.org";
    team.first_name = "Ana";
    team.last_name = "Ruiz";
    team.project_id = new_id('p', 10);
    teams_.push_back(std::move(team));
}

std::optional<std::size_t> World::team_of_key(std::string_view key) const {
    for (std::size_t i = 0; i < teams_.size(); ++i) {
        if (!key.empty() && teams_[i].key == key) {
            return i;
        }
    }
    return std::nullopt;
}

Run& World::add_run(Notebook& notebook) {
    auto run = std::make_shared<Run>();
    run->id = new_id('n', 9);
    run->machine_type = notebook.machine_type;
    run->job_handle = new_id('j', 12);
    run->job_id = next_row_++;
    run->created = run->modified = clock_.now();
    run->timeout_hours = notebook.timeout_hours;
    if (notebook.machine_type.starts_with("Free-")) {
        run->timeout_hours = std::min(run->timeout_hours.value_or(free_hours), free_hours);
    }
    run->standin = notebook.standin;
    by_run_[run->id] = {&notebook, run.get()};
    notebook.runs.push_back(std::move(run));
    return notebook.run();
}

Notebook& World::create(const NotebookSpec& spec) {
    auto owned = std::make_unique<Notebook>();
    Notebook& notebook = *owned;
    notebook.repo_id = new_id('r', 14);
    notebook.row_id = next_row_++;
    notebook.team = spec.team;
    notebook.name = spec.name;
    notebook.project_id = spec.project_id.empty() ? teams_.at(spec.team).project_id : spec.project_id;
    notebook.machine_type = spec.machine_type;
    notebook.container = spec.container;
    notebook.container_root = spec.container_root;
    notebook.jupyter_first = spec.jupyter_first;
    notebook.jupyter_args = spec.jupyter_args;
    notebook.environment = spec.environment;
    notebook.standin = spec.standin || !options_.real_guests;
    notebook.is_public = spec.is_public;
    notebook.is_preemptible = spec.is_preemptible;
    notebook.timeout_hours = spec.timeout_hours;
    notebook.tags = spec.tags;
    notebook.created = clock_.now();
    if (!notebook.standin) {
        notebook.folder = options_.state_dir / "guests" / notebook.repo_id / "fs";
        std::filesystem::create_directories(notebook.folder / "notebooks");
        std::filesystem::create_directories(notebook.folder / "storage");
    }
    by_repo_[notebook.repo_id] = &notebook;
    notebooks_.push_back(std::move(owned));
    add_run(notebook).state = RunState::stopped;
    return notebook;
}

std::filesystem::path World::log_of(const Run& run) const {
    const Found found = find_run(run.id);
    return found ? found.notebook->folder.parent_path() / (run.id + ".log") : std::filesystem::path{};
}

Run& World::start(Notebook& notebook) {
    // The run that was only made for the listing becomes the first real one.
    if (notebook.runs.size() == 1 && notebook.run().token.empty()) {
        by_run_.erase(notebook.run().id);
        notebook.runs.clear();
    }
    Run& run = add_run(notebook);
    run.token = random_text(32, "0123456789abcdef");
    run.fqdn = run.id + "." + cluster_domain;
    const std::shared_ptr<Run> shared = notebook.runs.back();
    if (!run.standin) {
        launch(notebook, shared);
    }
    asio::co_spawn(executor_, boot(notebook, shared), report);
    return run;
}

void World::launch(Notebook& notebook, const std::shared_ptr<Run>& run) {
    GuestSpec spec;
    spec.folder = notebook.folder;
    spec.log = log_of(*run);
    spec.repo_id = notebook.repo_id;
    spec.run_id = run->id;
    spec.token = run->token;
    spec.container_root = notebook.container_root;
    spec.jupyter_args = notebook.jupyter_args;
    spec.environment = notebook.environment;
    if (options_.isolated) {
        spec.house = notebook.jupyter_first ? House::container_of_jupyter : House::container;
    }
    std::erase_if(guests_, [](const auto& guest) { return guest.expired(); });
    run->guest = Guest::launch(executor_, spec, [this, &notebook, run] {
        if (run->stopping || run != notebook.runs.back()) {
            return;
        }
        // A container whose first process ends by itself is Stopped. One that never came up may have lost its
        // port to somebody else's process.
        if (run->state == RunState::running) {
            begin_teardown(notebook, RunState::stopped);
        } else if (run->launches < 3) {
            launch(notebook, run);
        } else {
            run->error = "Jupyter ended at once";
            begin_teardown(notebook, RunState::failed);
        }
    });
    ++run->launches;
    guests_.push_back(run->guest);
}

Run& World::start_standin_now(Notebook& notebook, bool busy) {
    notebook.standin = true;
    by_run_.erase(notebook.run().id);
    notebook.runs.clear();
    Run& run = add_run(notebook);
    run.token = random_text(32, "0123456789abcdef");
    run.fqdn = run.id + "." + cluster_domain;
    run.provisioning_started = clock_.now();
    run.busy = busy;
    enter_running(notebook, notebook.runs.back());
    return run;
}

void World::enter_running(Notebook& notebook, const std::shared_ptr<Run>& run) {
    run->state = RunState::running;
    const Millis now = clock_.now();
    run->started = run->provisioning_finished = now;
    run->modified = run->verdict_since = run->last_activity = now;
    if (run->timeout_hours) {
        asio::co_spawn(executor_, limits(notebook, run), report);
    }
}

asio::awaitable<void> World::due(Millis at) {
    co_await clock_.sleep_until(at);
    for (asio::steady_timer pause{executor_}; hold;) {
        pause.expires_after(std::chrono::milliseconds{10});
        co_await pause.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> World::boot(Notebook& notebook, std::shared_ptr<Run> run) {
    const auto dead = [&run] { return run->stopping || terminal(run->state); };
    co_await clock_.sleep_until(run->created + options_.boot_ms / 2);
    if (dead()) {
        co_return;
    }
    run->state = RunState::provisioned;
    run->modified = clock_.now();
    run->provisioning_started = run->modified;
    co_await due(run->created + options_.boot_ms);
    if (run->guest) {
        const Millis deadline = VirtualClock::real_now() + 120'000;
        asio::steady_timer pause{executor_};
        while (!dead()) {
            const std::shared_ptr<Guest> guest = run->guest;
            if (co_await guest->answers()) {
                break;
            }
            if (VirtualClock::real_now() > deadline) {
                run->error = "Jupyter did not answer";
                begin_teardown(notebook, RunState::failed);
                co_return;
            }
            pause.expires_after(std::chrono::milliseconds{50});
            co_await pause.async_wait(asio::use_awaitable);
        }
    }
    if (!dead()) {
        enter_running(notebook, run);
    }
}

asio::awaitable<void> World::limits(Notebook& notebook, std::shared_ptr<Run> run) {
    const bool free = run->machine_type.starts_with("Free-");
    const double hours = std::clamp(run->timeout_hours.value_or(free_hours), 0.0, 1e6);
    const Millis end = *run->started + static_cast<Millis>(hours * static_cast<double>(hour));
    Millis next = end;
    for (;;) {
        if (free) {
            next = std::min(end, run->last_activity + hour);
        }
        co_await clock_.sleep_until(next);
        if (run->stopping || run->state != RunState::running) {
            co_return;
        }
        if (run->standin && run->busy) {
            run->last_activity = clock_.now();
        }
        if (clock_.now() >= end || (free && clock_.now() >= run->last_activity + hour)) {
            begin_teardown(notebook, RunState::stopped);
            co_return;
        }
    }
}

void World::begin_teardown(Notebook& notebook, RunState end_state) {
    const std::shared_ptr<Run> run = notebook.runs.back();
    if (run->stopping || terminal(run->state)) {
        return;
    }
    run->stopping = true;
    run->end_state = end_state;
    run->modified = clock_.now();
    run->teardown_started = run->modified;
    asio::co_spawn(executor_, tear_down(notebook, run), report);
}

asio::awaitable<void> World::tear_down(Notebook& notebook, std::shared_ptr<Run> run) {
    if (run->guest) {
        run->guest->terminate();
    }
    co_await due(*run->teardown_started + options_.teardown_ms);
    if (run->guest) {
        run->guest->kill();
        co_await run->guest->wait_exit();
        run->guest.reset();
        wipe_ephemeral(notebook.folder);
    }
    run->state = run->end_state;
    run->modified = clock_.now();
    run->finished = run->teardown_finished = run->modified;
    run->samples.clear();
}

void World::erase(Notebook& notebook) {
    notebook.deleted = clock_.now();
    if (!notebook.folder.empty()) {
        std::error_code ignored;
        std::filesystem::remove_all(notebook.folder.parent_path(), ignored);
    }
}

Notebook& World::fork(const Notebook& source, const std::string& project_id, std::size_t team) {
    NotebookSpec spec;
    spec.team = team;
    spec.name = source.name;
    spec.machine_type = source.machine_type;
    spec.project_id = project_id;
    spec.container = source.container;
    spec.container_root = source.container_root;
    spec.jupyter_first = source.jupyter_first;
    spec.jupyter_args = source.jupyter_args;
    spec.environment = source.environment;
    spec.standin = source.standin;
    spec.timeout_hours = source.timeout_hours;
    Notebook& copy = create(spec);
    if (!copy.folder.empty() && !source.folder.empty()) {
        std::error_code ignored;
        std::filesystem::copy(
            source.folder / "notebooks", copy.folder / "notebooks",
            std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks, ignored);
    }
    return copy;
}

Found World::find_run(std::string_view id) const {
    const auto found = by_run_.find(std::string{id});
    return found == by_run_.end() ? Found{} : found->second;
}

Notebook* World::find_repo(std::string_view repo_id) const {
    const auto found = by_repo_.find(std::string{repo_id});
    return found == by_repo_.end() ? nullptr : found->second;
}

void World::set_verdict(Notebook& notebook, bool busy) const {
    Run& run = notebook.run();
    if (run.busy != busy) {
        run.busy = busy;
        run.verdict_since = run.last_activity = clock_.now();
    }
}

void World::kill_all() const {
    for (const auto& weak : guests_) {
        if (const auto guest = weak.lock()) {
            guest->kill();
        }
    }
}

bool World::all_exited() const {
    return std::ranges::all_of(guests_, [](const auto& weak) {
        const auto guest = weak.lock();
        return !guest || guest->exited();
    });
}

asio::awaitable<void> World::sample_guests() {
    asio::steady_timer timer{executor_};
    for (;;) {
        timer.expires_after(std::chrono::seconds{1});
        co_await timer.async_wait(asio::use_awaitable);
        std::vector<pid_t> roots;
        std::vector<Run*> runs;
        for (const auto& notebook : notebooks_) {
            Run& run = notebook->run();
            if (run.guest && !run.guest->exited() && run.state == RunState::running) {
                roots.push_back(run.guest->pid());
                runs.push_back(&run);
            }
        }
        if (roots.empty()) {
            continue;
        }
        const auto usage = tree_usage(roots);
        const Millis real = VirtualClock::real_now();
        for (std::size_t i = 0; i < runs.size(); ++i) {
            Run& run = *runs[i];
            const TreeUsage& now = usage.at(roots[i]);
            if (run.last_cpu_seconds >= 0 && real > run.last_sample_real) {
                const double used = std::max(0.0, now.cpu_seconds - run.last_cpu_seconds);
                const double cores = used * 1000 / static_cast<double>(real - run.last_sample_real);
                run.samples.push_back({clock_.now(), cores, now.resident_bytes});
                if (run.samples.size() > kept_samples) {
                    run.samples.pop_front();
                }
                if (cores > 0.2) {
                    run.last_activity = clock_.now();
                }
            }
            run.last_cpu_seconds = now.cpu_seconds;
            run.last_sample_real = real;
        }
    }
}

Machine& World::create_machine(std::size_t team, const std::string& name, const std::string& type,
                               std::int64_t disk_gb, const std::string& region, bool start) {
    auto owned = std::make_unique<Machine>();
    Machine& machine = *owned;
    machine.id = "ps" + random_text(8, alnum);
    machine.number = machines_.size();
    machine.team = team;
    machine.name = name;
    machine.machine_type = type;
    machine.disk_gb = disk_gb;
    machine.region = region;
    machine.created = machine.modified = clock_.now();
    machine.state = "off";
    by_machine_[machine.id] = &machine;
    machines_.push_back(std::move(owned));
    if (start) {
        machine.power.push_back({machine.created, std::nullopt, type});
        machine_event(machine, "create", "provisioning", "ready", machine.created, options_.boot_ms);
    } else {
        machine.events.push_back({"evt" + random_text(12, alnum), "create", "done", machine.created,
                                  machine.created, machine.created});
    }
    return machine;
}

MachineEvent* World::machine_event(Machine& machine, const std::string& name, const std::string& during,
                                   const std::string& after, Millis now, Millis takes) {
    machine.events.push_back({"evt" + random_text(12, alnum), name, "in progress", now, now, std::nullopt});
    machine.state = during;
    machine.modified = now;
    asio::co_spawn(executor_, machine_step(machine, machine.events.back().id, during, after, now + takes),
                   report);
    return &machine.events.back();
}

asio::awaitable<void> World::machine_step(Machine& machine, std::string event_id, std::string during,
                                          std::string after, Millis at) {
    // Never within the call that asked for it, however fast the clock: that one answers "in progress".
    co_await asio::post(executor_, asio::use_awaitable);
    co_await due(at);
    const Millis now = clock_.now();
    for (MachineEvent& event : machine.events) {
        if (event.id == event_id && !event.finished) {
            event.state = machine.state != during ? "cancelled" : events_end_as_error ? "error" : "done";
            event.finished = now;
        }
    }
    if (machine.state != during || machine.deleted) {
        co_return;
    }
    machine.state = after;
    machine.modified = now;
    if (after == "ready" && during != "restarting" && machine.auto_shutdown &&
        machine.auto_shutdown_timeout) {
        asio::co_spawn(
            executor_,
            machine_timer(machine, machine.power.size(), now + *machine.auto_shutdown_timeout * hour),
            report);
    }
    if (after == "off" && !machine.power.empty() && !machine.power.back().to) {
        machine.power.back().to = now;
    }
}

MachineEvent* World::machine_start(Machine& machine) {
    if (machine.deleted || machine.state != "off") {
        return nullptr;
    }
    const Millis now = clock_.now();
    machine.power.push_back({now, std::nullopt, machine.machine_type});
    return machine_event(machine, "start", "starting", "ready", now, options_.boot_ms);
}

MachineEvent* World::machine_stop(Machine& machine) {
    if (machine.deleted || machine.state == "off" || machine.state == "stopping") {
        return nullptr;
    }
    return machine_event(machine, "stop", "stopping", "off", clock_.now(), options_.teardown_ms);
}

MachineEvent& World::machine_pretend_stop(Machine& machine) {
    const Millis now = clock_.now();
    machine.events.push_back({"evt" + random_text(12, alnum), "stop", "in progress", now, now, std::nullopt});
    asio::co_spawn(executor_,
                   machine_step(machine, machine.events.back().id, "", "", now + options_.teardown_ms),
                   report);
    return machine.events.back();
}

/// On Linux it fires whether or not anybody is connected.
asio::awaitable<void> World::machine_timer(Machine& machine, std::size_t power, Millis at) {
    co_await clock_.sleep_until(at);
    if (machine.power.size() == power && machine.state == "ready") {
        machine_stop(machine);
    }
}

MachineEvent* World::machine_restart(Machine& machine) {
    if (machine.deleted || machine.state != "ready") {
        return nullptr;
    }
    return machine_event(machine, "restart", "restarting", "ready", clock_.now(), options_.boot_ms);
}

MachineEvent& World::machine_destroy(Machine& machine) {
    machine.modified = clock_.now();
    machine.deleted = machine.modified;
    machine.events.push_back({"evt" + random_text(12, alnum), "deactivate", "done", machine.modified,
                              machine.modified, machine.modified});
    if (!machine.power.empty() && !machine.power.back().to) {
        machine.power.back().to = machine.deleted;
    }
    machine.state = "off";
    return machine.events.back();
}

void World::machine_upgrade(Machine& machine, const std::string& type) {
    machine.machine_type = type;
    machine.modified = clock_.now();
    machine.events.push_back({"evt" + random_text(12, alnum), "vm-upgrade", "done", machine.modified,
                              machine.modified, machine.modified});
}

Extra& World::create_extra(Extra extra) {
    const std::string number = std::to_string(extras_.size() % 250 + 3);
    switch (extra.kind) {
        case Extra::Kind::address:  // of a range for examples, and of none that machines have
            extra.id = (extras_.size() < 250 ? "198.51.100."
                                             : "198.19." + std::to_string(extras_.size() / 250) + ".") +
                       number;
            break;
        case Extra::Kind::snapshot:
            extra.id = "ss" + random_text(8, alnum);
            break;
        case Extra::Kind::shared_drive:
            extra.id = "sd" + random_text(8, alnum);
            break;
        case Extra::Kind::custom_template:
            extra.id = "tk" + random_text(8, alnum);
            break;
        case Extra::Kind::private_network:
            extra.id = "ne" + random_text(6, alnum);
            break;
    }
    extra.created = clock_.now();
    extras_.push_back(std::make_unique<Extra>(std::move(extra)));
    return *extras_.back();
}

Extra* World::find_extra(std::string_view id) const {
    const auto found = std::ranges::find_if(extras_, [id](const auto& extra) { return extra->id == id; });
    return found == extras_.end() ? nullptr : found->get();
}

Machine* World::find_machine(std::string_view id) const {
    const auto found = by_machine_.find(std::string{id});
    return found == by_machine_.end() ? nullptr : found->second;
}

}  // namespace emulator
