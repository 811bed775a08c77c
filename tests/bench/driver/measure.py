"""Runs the programs in turn, again and again, and keeps what they print."""

import collections
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

PEERS = pathlib.Path(__file__).resolve().parent.parent / "peers"
LONGEST_S = 120
LEAST_COUNT = 3


class Figures:
    """(system, test) -> the values in the order of their runs."""

    def __init__(self):
        self.values = collections.OrderedDict()
        self.about = {}  # (size_bytes, unit)

    def add(self, row, size, value, unit):
        self.values.setdefault(row, []).append(value)
        self.about[row] = (size, unit)


class Failed(Exception):
    pass


def say(text):
    print(f"bench/run: {text}", file=sys.stderr, flush=True)


def words_of(program, build, quick, scale):
    count = max(LEAST_COUNT, round((program.quick if quick else program.count) * scale))
    places = {"{count}": str(count), "{build}": str(build), "{peers}": str(PEERS)}
    words = []
    for word in program.command:
        for place, value in places.items():
            word = word.replace(place, value)
        words.append(word)
    if words[0].endswith(".py"):
        words.insert(0, sys.executable)
    elif words[0].startswith("bench_"):
        words[0] = str(build / words[0])
    return words


def why_absent(program, build, found):
    """Why this program cannot be run here; None: it can."""
    first = program.command[0]
    if first.startswith("bench_") and not (build / first).exists():
        return f"{first} was not built, since {program.package or 'what it needs'} is not installed"
    manager = {"supervisor": "supervisord", "runit": "runsv", "s6": "s6-supervise"}.get(program.package)
    if manager is not None and not found(manager):
        return f"{manager} is not installed (package {program.package})"
    if program.package == "erlang-base" and not all(found(tool) for tool in ("erl", "erlc", "epmd")):
        return "erl, erlc or epmd is not installed (package erlang-base)"
    return None


def end_group(process):
    """Ends the program and what it has started; they are a process group of their own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_once(program, words, figures):
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                                   start_new_session=True)
        try:
            output, _ = process.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            end_group(process)
            process.communicate()
            raise Failed(f"was not done after {LONGEST_S} s") from None
        finally:
            end_group(process)
        if process.returncode != 0:
            errors.seek(0)
            raise Failed(f"ended with {process.returncode}: {errors.read().strip()[-500:]}")
    for line in output.splitlines():
        what, size, value, unit = line.split("\t")
        figures.add((program.system, f"{program.test}: {what}"), int(size), float(value), unit)


def run_all(programs, build, runs, quick, scale):
    """Returns the figures and {program: what went wrong}. One that has failed is not run again."""
    figures, failed = Figures(), {}
    for run in range(1, runs + 1):
        for program in programs:
            if program in failed or (program.most_runs and run > program.most_runs):
                continue
            say(f"run {run} of {runs}: {program.system}: {program.test}")
            try:
                run_once(program, words_of(program, build, quick, scale), figures)
            except (Failed, OSError, ValueError) as error:
                failed[program] = str(error)
                say(f"  {error}")
    return figures, failed
