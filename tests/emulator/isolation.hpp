// A notebook's own view of processes, mounts and terminals, as a container gives it; the network is the
// host's, so that its port can be reached.
#pragma once

namespace emulator {

/// Whether this host lets this user do it: tried once, in a process of its own.
bool isolation_works();

/// What the process forks from now on lives in a new PID namespace, and what it mounts is seen by itself and
/// by them alone. A plain user becomes root of a user namespace. False when the host refuses.
bool enter_namespaces();

/// For the first process of the new PID namespace: a /proc of its own, and terminals of its own where the
/// host allows it. False when there is no such /proc.
bool mount_own_proc();

}  // namespace emulator
