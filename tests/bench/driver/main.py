"""Measures Troupe, its floors and its peers in one run and compares them."""

import argparse
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import time

import measure
import plan
import report


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, 3 runs: a first impression")
    parser.add_argument("--runs", type=int, metavar="N", help="how often each is measured (5; --quick: 3)")
    parser.add_argument("--scale", type=float, metavar="F", default=1,
                        help="measures F times as much in each run; 0.001 only shows that it works")
    parser.add_argument("--only", action="append", metavar="NAME", default=[],
                        help="only what has NAME in its group, system, test or program; may be given again")
    parser.add_argument("--json", metavar="FILE",
                        help="writes rows {system, test, size_bytes, value, unit, runs, min, max}")
    parser.add_argument("--markdown", metavar="FILE", help="writes the tables for docs/performance.md")
    parser.add_argument("group", nargs="*", help="the same as --only: restart, tell, ...")
    parser.add_argument("--list", action="store_true", help="says what there is, and ends")
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.only += options.group
    options.build = options.build.resolve()
    options.runs = options.runs or (3 if options.quick else 5)
    return options


def chosen(only):
    def fits(program):
        names = " ".join((program.group, program.system, program.test, *program.command)).lower()
        return not only or any(name.lower() in names for name in only)

    return [program for program in plan.PROGRAMS if fits(program)]


def use_two_cores():
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)
    return cores


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def commit():
    """Of this checkout; there may be no git, or none that knows it."""
    if shutil.which("git") is None:
        return "commit unknown"
    git = subprocess.run(["git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--dirty"],
                         capture_output=True, text=True, check=False)
    return git.stdout.strip() or "commit unknown"


def used_shares(cores, before):
    """Of what these cores had since `before`: the share that was used, the share that the hypervisor took away."""
    now = processor_times(cores)
    idle, steal, whole = (after - earlier for after, earlier in zip(now, before))
    return (0, 0) if whole <= 0 else (1 - idle / whole, steal / whole)


def processor_times(cores):
    """(idle, stolen, all) ticks of these cores so far."""
    times = [0, 0, 0]
    with open("/proc/stat", encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words[0] in {f"cpu{core}" for core in cores}:
                ticks = [int(word) for word in words[1:9]]
                times = [times[0] + ticks[3] + ticks[4], times[1] + ticks[7], times[2] + sum(ticks)]
    return times


def others_use(cores):
    """The share of these cores that others use now."""
    before = processor_times(cores)
    time.sleep(1)
    return used_shares(cores, before)[0]


def conditions(cores, options, began, busy, stolen):
    lines = [f"{time.strftime('%Y-%m-%d', time.gmtime(began))}, {commit()}, {processor()}, cores "
             f"{' and '.join(map(str, cores))}, Linux {platform.release()}, {options.runs} runs"
             f"{' (quick)' if options.quick else ''}, {time.time() - began:.0f} s."]
    if busy > 0.1:
        lines.append(f"Others used {busy:.0%} of these cores before the run: its figures are noise.")
    if stolen > 0.02:
        lines.append(f"The hypervisor took {stolen:.0%} of these cores away during the run: its figures are noise.")
    return "\n".join(lines)


def sort_out(programs, build):
    """Those that can be run here, and a note for each system that cannot."""
    usable, notes = [], []
    for program in programs:
        why = measure.why_absent(program, build, shutil.which)
        if why is None:
            usable.append(program)
        elif f"skipped: {program.system}: {why}" not in notes:
            notes.append(f"skipped: {program.system}: {why}")
    return usable, notes


def main(arguments):
    options = parse(arguments)
    programs = chosen(options.only)
    if options.list:
        for program in programs:
            print(f"{program.group}: {program.system}: {program.test}")
        return 0
    if not programs:
        sys.exit("bench/run: nothing has that in its name; --list says what there is")
    # An order to end, too, ends the program that is being measured.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    began, cores = time.time(), use_two_cores()
    busy, before = others_use(cores), processor_times(cores)
    usable, notes = sort_out(programs, options.build)
    figures, failed = measure.run_all(usable, options.build, options.runs, options.quick, options.scale)
    notes += [f"failed: {program.system}: {program.test}: {why}" for program, why in failed.items()]
    about = conditions(cores, options, began, busy, used_shares(cores, before)[1])
    print(report.text(about, plan.GOALS, figures, notes))
    if options.markdown:
        tables = report.text(about, plan.GOALS, figures, notes, markdown=True)
        pathlib.Path(options.markdown).write_text(tables, encoding="utf-8")
    if options.json:
        report.write_json(options.json, figures)
    return 1 if failed or not figures.values else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
