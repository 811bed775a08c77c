"""What is measured, and what is compared with what. A row is known by (system, test)."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Program:
    """One program and mode. Each figure that it prints is the row (system, test + ": " + what it calls the figure)."""

    group: str
    system: str
    test: str
    command: tuple  # {count}: how much to measure
    count: int  # for a normal run
    quick: int  # for a quick one
    package: str = ""  # whose absence makes it a skipped one
    most_runs: int = 0  # 0: as many as all others


@dataclasses.dataclass(frozen=True)
class Goal:
    """A ratio of two rows (or, with `over` None, a row itself) and what is to be reached. Never a test."""

    what: str
    row: tuple
    over: tuple
    reach: str  # ">= 0.8", "<= 1.15", "" for information


def ours(group, test, command, count, quick, **more):
    return Program(group, "troupe", test, tuple(command.split()), count, quick, **more)


def floor(group, test, command, count, quick, **more):
    return Program(group, "floor", test, tuple(command.split()), count, quick, **more)


def peers(group):
    """(system, program, count, quick count, package) of the peers that have this kind of test."""
    boost = ("boost", "bench_peers_boost {mode} {count}", "libboost-dev")
    zeromq = ("zeromq", "bench_peers_zeromq {mode} {count}", "libzmq3-dev")
    posix = ("posix mq", "bench_peers_posix_mq {mode} {count}", "")
    caf_one = ("caf, one process", "bench_peers_caf one {mode} {count}", "libcaf-dev")
    caf_two = ("caf, two processes", "bench_peers_caf two {mode} {count}", "libcaf-dev")
    pipe = ("python Pipe", "{peers}/python_mp.py pipe {mode} {count}", "python3")
    queue = ("python Queue", "{peers}/python_mp.py queue {mode} {count}", "python3")
    one_vm = ("erlang, one VM", "{peers}/erlang {build} one {mode} {count}", "erlang-base")
    two_vms = ("erlang, two VMs", "{peers}/erlang {build} two {mode} {count}", "erlang-base")
    counts = {
        "throughput": [(boost, 1_000_000, 200_000), (zeromq, 1_000_000, 200_000), (posix, 300_000, 100_000),
                       (caf_one, 500_000, 100_000), (caf_two, 20_000, 5_000), (pipe, 50_000, 10_000),
                       (queue, 30_000, 10_000), (one_vm, 1_000_000, 200_000), (two_vms, 100_000, 20_000)],
        "ping-pong": [(boost, 20_000, 5_000), (zeromq, 5_000, 1_000), (posix, 10_000, 2_000), (caf_one, 50_000, 10_000),
                      (caf_two, 500, 200), (pipe, 5_000, 1_000), (queue, 3_000, 1_000), (one_vm, 100_000, 20_000),
                      (two_vms, 3_000, 1_000)],
        "ask": [(caf_one, 50_000, 10_000), (caf_two, 500, 200), (one_vm, 100_000, 20_000), (two_vms, 3_000, 1_000)],
    }
    return counts[group]


def peer_programs(group, kind, test):
    for (system, command, package), count, quick in peers(kind):
        mode = "call" if kind == "ask" and system.startswith("erlang") else kind
        words = tuple(word.replace("{mode}", mode) for word in command.split())
        yield Program(group, system, test, words, count, quick, package)


def restart_peers():
    for system, package in (("erlang", "erlang-base"), ("supervisord", "supervisor"), ("runit", "runit"), ("s6", "s6")):
        command = ("{peers}/restart.py", system, "{build}", "{count}")
        yield Program("restart", system, "restart of a program", command, 10, 4, package, most_runs=1)


def lane_programs(kib):
    """Both of one size, since a ring's rate depends on how far its reader can lag."""
    counts = (8_000_000, 2_000_000)
    yield floor("lane", f"ring of {kib} KiB", f"bench_floors_ring plain {{count}} {kib}", *counts)
    yield ours("lane", f"lane of {kib} KiB", f"bench_troupe_lane lane {{count}} {kib}", *counts)
    yield ours("lane", f"lane of {kib} KiB, with the sleep check", f"bench_troupe_lane checked {{count}} {kib}", *counts)
    yield floor("lane", f"ring of {kib} KiB, with the sleep check", f"bench_floors_ring checked {{count}} {kib}", *counts)
    yield ours("lane", f"lane of {kib} KiB in a mailbox", f"bench_troupe_lane mailbox {{count}} {kib}", *counts)


PROGRAMS = [
    # What is compared stands side by side, so that it is measured under the same conditions.
    *(program for kib in (64, 256) for program in lane_programs(kib)),
    ours("tell", "tell, 1 to 1", "bench_troupe_tell plain {count}", 4_000_000, 1_000_000),
    ours("tell", "tell, 4 to 1", "bench_troupe_tell four {count}", 4_000_000, 1_000_000),
    ours("tell", "tell, 4 to 1, receiver on its own core", "bench_troupe_tell four-one {count}", 4_000_000, 1_000_000),
    ours("tell", "tell, cereal body", "bench_troupe_tell cereal {count}", 2_000_000, 500_000),
    *peer_programs("tell", "throughput", "send, 1 to 1"),
    ours("ping-pong", "ping-pong by tell", "bench_troupe_ping_pong {count}", 200_000, 50_000),
    *peer_programs("ping-pong", "ping-pong", "ping-pong"),
    ours("ask", "ask, both awake", "bench_troupe_ask awake {count}", 100_000, 20_000),
    *peer_programs("ask", "ask", "ask"),
    floor("sleep", "pipe ping-pong, no pauses", "bench_floors_pipe busy {count}", 5_000, 1_000),
    floor("sleep", "pipe ping-pong, two cores", "bench_floors_pipe across {count}", 1_000, 300),
    ours("sleep", "ask, both asleep, two cores", "bench_troupe_ask sleeping {count}", 1_000, 300),
    floor("sleep", "pipe ping-pong, one core", "bench_floors_pipe same {count}", 1_000, 300),
    ours("sleep", "ask, both asleep, one core", "bench_troupe_ask sleeping-same {count}", 1_000, 300),
    floor("sleep", "wake by eventfd", "bench_floors_wake eventfd {count}", 1_000, 300),
    ours("sleep", "tell to a sleeper", "bench_troupe_wake {count}", 1_000, 300),
    floor("sleep", "wake by futex", "bench_floors_wake futex {count}", 1_000, 300),
    floor("sleep", "wake by eventfd through epoll", "bench_floors_wake epoll {count}", 1_000, 300),
    floor("payload", "memcpy of 1 MiB", "bench_floors_memory memcpy {count}", 4_000, 1_000),
    ours("payload", "payload of 1 MiB, read in place", "bench_troupe_payload read {count}", 4_000, 1_000),
    floor("payload", "1 MiB written by one, read by another", "bench_floors_memory handover {count}", 2_000, 500),
    ours("payload", "payload of 1 MiB, written and read in place", "bench_troupe_payload build {count}", 2_000, 500),
    ours("payload", "payload, cost of sending", "bench_troupe_payload send {count}", 640, 192),
    ours("turn", "turn", "bench_troupe_turn {count}", 50_000, 20_000),
    ours("fan-in", "fan-in", "bench_troupe_fan_in {count} 5", 900_000, 300_000, most_runs=1),
    floor("processes", "fork, kill, reap", "bench_floors_process {count}", 300, 100),
    floor("restart", "wake by eventfd through epoll, beside restarts", "bench_floors_wake epoll {count}", 1_000, 300),
    ours("restart", "a spare takes over", "bench_troupe_restart standby {count}", 200, 50),
    ours("restart", "restart without a spare", "bench_troupe_restart plain {count}", 200, 50),
    floor("restart", "fork, kill, reap, beside restarts", "bench_floors_process {count}", 300, 100),
    ours("restart", "a spare takes over from 512 MiB", "bench_troupe_restart standby-512 {count}", 10, 4),
    ours("restart", "restart of 512 MiB without a spare", "bench_troupe_restart plain-512 {count}", 10, 4),
    floor("restart", "pidfd of 512 MiB readable", "bench_floors_death {count} 512", 10, 4),
    *restart_peers(),
    ours("idle", "200 idle workers", "bench_troupe_idle {count}", 10, 3, most_runs=1),
]


def row(system, test):
    return (system, test)


RING = row("floor", "ring of 64 KiB: throughput")  # it is faster than the larger one
TELL = row("troupe", "tell, 1 to 1: throughput")
PING = row("troupe", "ping-pong by tell: p50")
ASK = row("troupe", "ask, both awake: p50")
WAKE = row("troupe", "tell to a sleeper: p50")

TAKEOVER = row("troupe", "a spare takes over: p50")


def throughput_of(system):
    return row(system, "send, 1 to 1: throughput")


def lane_goals(kib):
    lane = row("troupe", f"lane of {kib} KiB: throughput")
    checked = row("troupe", f"lane of {kib} KiB, with the sleep check: throughput")
    ring = row("floor", f"ring of {kib} KiB: throughput")
    yield Goal(f"lane alone over a plain ring, {kib} KiB each", lane, ring, ">= 0.8")
    yield Goal(f"lane with the sleep check over that ring, {kib} KiB each", checked, ring, ">= 0.7")
    yield Goal(f"lane with the sleep check over a ring with one, {kib} KiB each", checked,
               row("floor", f"ring of {kib} KiB, with the sleep check: throughput"), "")


GOALS = [
    *(goal for kib in (64, 256) for goal in lane_goals(kib)),
    Goal("tell over the plain ring", TELL, RING, ">= 0.4"),
    Goal("tell, messages per second", TELL, None, ">= 10e6"),
    Goal("tell over Boost.Interprocess", TELL, throughput_of("boost"), ">= 2"),
    Goal("tell over Erlang in one VM", TELL, throughput_of("erlang, one VM"), ">= 4"),
    Goal("tell over CAF in one process", TELL, throughput_of("caf, one process"), ">= 5"),
    Goal("tell over ZeroMQ", TELL, throughput_of("zeromq"), ">= 5"),
    Goal("tell over Erlang between two VMs", TELL, throughput_of("erlang, two VMs"), ">= 50"),
    Goal("tell over CAF between two processes", TELL, throughput_of("caf, two processes"), ">= 50"),
    Goal("tell over a POSIX message queue", TELL, throughput_of("posix mq"), ""),
    Goal("tell over Python's Pipe", TELL, throughput_of("python Pipe"), ""),
    Goal("tell over Python's Queue", TELL, throughput_of("python Queue"), ""),
    Goal("4 senders to 1 over 1 to 1", row("troupe", "tell, 4 to 1: throughput"), TELL, ">= 0.7"),
    Goal("the same, receiver on its own core",
         row("troupe", "tell, 4 to 1, receiver on its own core: throughput"), TELL, ""),
    Goal("tell of a cereal body, messages per second", row("troupe", "tell, cereal body: throughput"), None, ">= 4e6"),
    Goal("ping-pong by tell, us", PING, None, "<= 0.7"),
    Goal("ping-pong over Erlang in one VM", PING, row("erlang, one VM", "ping-pong: p50"), "<= 1"),
    Goal("ping-pong over CAF in one process", PING, row("caf, one process", "ping-pong: p50"), "<= 1"),
    Goal("ask, both awake, us", ASK, None, "<= 1.5"),
    Goal("ask over gen_server:call in one VM", ASK, row("erlang, one VM", "ask: p50"), ""),
    Goal("ask over CAF's request in one process", ASK, row("caf, one process", "ask: p50"), ""),
    Goal("ask over CAF's request between two processes", ASK, row("caf, two processes", "ask: p50"), ""),
    Goal("ask, both asleep, over pipe ping-pong, two cores", row("troupe", "ask, both asleep, two cores: p50"),
         row("floor", "pipe ping-pong, two cores: p50"), "<= 1.15"),
    Goal("ask, both asleep, over pipe ping-pong, one core", row("troupe", "ask, both asleep, one core: p50"),
         row("floor", "pipe ping-pong, one core: p50"), "<= 1.3"),
    Goal("tell to a sleeper over an eventfd wake", WAKE, row("floor", "wake by eventfd: p50"), "<= 1.15"),
    Goal("tell to a sleeper over a futex wake", WAKE, row("floor", "wake by futex: p50"), ""),
    Goal("tell to a sleeper over an eventfd wake through epoll", WAKE,
         row("floor", "wake by eventfd through epoll: p50"), ""),
    Goal("1 MiB payload, read in place, over memcpy", row("troupe", "payload of 1 MiB, read in place: bandwidth"),
         row("floor", "memcpy of 1 MiB: bandwidth"), ">= 0.9"),
    Goal("1 MiB payload, also written, over plain shared memory",
         row("troupe", "payload of 1 MiB, written and read in place: bandwidth"),
         row("floor", "1 MiB written by one, read by another: bandwidth"), ""),
    Goal("sending 1 MiB in place over sending 4 KiB in place",
         row("troupe", "payload, cost of sending: 1024 KiB, p50"),
         row("troupe", "payload, cost of sending: 4 KiB, p50"),
         "<= 1.2"),
    Goal("processor time per message, 100 senders over 1", row("troupe", "fan-in: 100 of 100, all workers"),
         row("troupe", "fan-in: 1 of 1, all workers"), "<= 2"),
    Goal("processor time per message, 3 busy of 1,000 lanes over 1", row("troupe", "fan-in: 3 of 1000, all workers"),
         row("troupe", "fan-in: 1 of 1, all workers"), "<= 2"),
    Goal("a turn with a checkpoint over a plain message", row("troupe", "turn: turn with a checkpoint"),
         row("troupe", "turn: plain message"), "<= 2.5"),
    Goal("a turn without a state over a plain message", row("troupe", "turn: turn without a state"),
         row("troupe", "turn: plain message"), ""),
    Goal("a spare's takeover over a wake between two processes", TAKEOVER,
         row("floor", "wake by eventfd through epoll, beside restarts: p50"), "<= 5"),
    Goal("restart without a spare over a spare's takeover", row("troupe", "restart without a spare: p50"), TAKEOVER, ""),
    Goal("a spare's takeover from 512 MiB, p99, us", row("troupe", "a spare takes over from 512 MiB: p99"), None, "<= 5000"),
    Goal("context switches of 200 idle workers in 10 s",
         row("troupe", "200 idle workers: context switches of all workers in 10 s"), None, "<= 0"),
    Goal("context switches of the idle supervisor process, per second",
         row("troupe", "200 idle workers: context switches of the supervisor process"), None, "<= 2"),
    Goal("memory of an idle worker with 4 links (PSS), KiB",
         row("troupe", "200 idle workers: memory of a worker (PSS), most"), None, "<= 1024"),
]
