"""From the SIGKILL of a program until the one that a supervisor has started in its place runs.

restart.py SYSTEM BUILD_FOLDER COUNT     SYSTEM: erlang, supervisord, runit, s6
"""

import os
import pathlib
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PAUSE_S = 1.2  # runit and s6 wait until a second has passed since the last start
LONGEST_S = 10


def write_script(path, program, stamp):
    path.write_text(f"#!/bin/sh\nexec {program} {stamp} </dev/null\n", encoding="utf-8")
    path.chmod(0o755)


def erlang(folder, program, stamp):
    subprocess.run(["erlc", "-o", folder, HERE / "erlang_restart.erl"], check=True)
    return ["erl", "-noshell", "-noinput", "-start_epmd", "false", "-kernel", "logger_level", "none", "-pa", str(folder),
            "-run", "erlang_restart", "main", str(program), str(stamp)]


def supervisord(folder, program, stamp):
    conf = folder / "supervisord.conf"
    conf.write_text(f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={folder}/pid\n"
                    f"[program:it]\ncommand={program} {stamp}\nautorestart=true\nstartsecs=0\nstartretries=1000000\n",
                    encoding="utf-8")
    return ["supervisord", "-c", str(conf)]


def runit(folder, program, stamp):
    write_script(folder / "run", program, stamp)
    return ["runsv", str(folder)]


def s6(folder, program, stamp):
    write_script(folder / "run", program, stamp)
    return ["s6-supervise", str(folder)]


def read(stamp):
    """(pid, ns) of the latest start."""
    try:
        return struct.unpack("QQ", stamp.read_bytes())
    except (FileNotFoundError, struct.error):
        return (0, 0)


def wait_for_start_after(stamp, ns):
    until = time.monotonic() + LONGEST_S
    while read(stamp)[1] <= ns:
        if time.monotonic() > until:
            sys.exit("it was not started")
        time.sleep(0.0005)
    return read(stamp)


def measure(stamp, count):
    took, (pid, started) = [], wait_for_start_after(stamp, 0)
    for _ in range(count):
        time.sleep(PAUSE_S)
        began = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        pid, started = wait_for_start_after(stamp, started)
        took.append((started - began) / 1000)
    return sorted(took)


def main(system, build, count):
    folder = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    stamp = folder / "stamp"
    command = {"erlang": erlang, "supervisord": supervisord, "runit": runit, "s6": s6}[system](
        folder, pathlib.Path(build).resolve() / "bench_peers_restartee", stamp)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as manager:
        try:
            took = measure(stamp, count)
        finally:
            manager.kill()
            manager.wait()
            pid = read(stamp)[0]
            if pid != 0 and pathlib.Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)
    print(f"p50\t0\t{statistics.median(took):.6g}\tus")
    print(f"p99\t0\t{took[len(took) * 99 // 100]:.6g}\tus")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
