"""Tests of the benchmark's driver: what it computes from figures, and that it runs the programs and writes its files.

driver_test.py BUILD_FOLDER
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "driver"))

import measure  # noqa: E402
import plan  # noqa: E402
import report  # noqa: E402

BUILD = None
# All but those that spawn many workers.
RUN = ("bench_floors", "bench_troupe_lane", "bench_troupe_tell", "bench_troupe_ping", "bench_troupe_ask",
       "bench_troupe_wake", "bench_troupe_payload", "bench_troupe_turn")


def figures_of(**rows):
    figures = measure.Figures()
    for test, values in rows.items():
        for value in values:
            figures.add(("it", test), 64, value, "1/s")
    return figures


class Computes(unittest.TestCase):
    def test_a_row_is_the_median_with_its_spread(self):
        (row,) = report.rows_of(figures_of(a=[5.0, 1.0, 3.0]))
        self.assertEqual(row, {"system": "it", "test": "a", "size_bytes": 64, "value": 3.0, "unit": "1/s", "runs": 3,
                               "min": 1.0, "max": 5.0})

    def test_a_ratio_is_taken_within_each_run(self):
        goal = plan.Goal("a over b", ("it", "a"), ("it", "b"), ">= 0.8")
        self.assertEqual(report.measured(goal, figures_of(a=[10.0, 1.0, 6.0], b=[10.0, 2.0, 2.0])), [1.0, 0.5, 3.0])

    def test_what_was_not_measured_is_left_out(self):
        goal = plan.Goal("a over c", ("it", "a"), ("it", "c"), ">= 0.8")
        self.assertEqual(list(report.goal_lines([goal], figures_of(a=[1.0]))), [])

    def test_reach_has_two_directions_and_may_be_absent(self):
        for reach, value, expected in ((">= 0.8", 0.8, "reached"), (">= 0.8", 0.79, "missed"), ("<= 2", 2.0, "reached"),
                                       ("<= 2", 2.1, "missed"), ("", 7.0, "")):
            self.assertEqual(report.reached(plan.Goal("", (), None, reach), value), expected, reach)

    def test_numbers_keep_four_digits(self):
        for value, expected in ((0, "0"), (0.01234567, "0.01235"), (1.5, "1.500"), (12345678.9, "12,345,679")):
            self.assertEqual(report.shown(value), expected)

    def test_a_program_that_fails_is_noted_and_the_others_go_on(self):
        bad = plan.Program("g", "bad", "t", ("/bin/sh", "-c", "echo why >&2; exit 3"), 1, 1)
        good = plan.Program("g", "good", "t", ("/bin/sh", "-c", r"printf 'x\t0\t{count}\t1\n'"), 1000, 10)
        figures, failed = measure.run_all([bad, good], BUILD, 2, False, 1)
        self.assertEqual(figures.values, {("good", "t: x"): [1000.0, 1000.0]})
        self.assertIn("ended with 3: why", failed[bad])

    def test_each_goal_is_about_something_that_is_measured(self):
        def is_measured(row):
            return any(p.system == row[0] and row[1].startswith(p.test + ": ") for p in plan.PROGRAMS)

        for goal in plan.GOALS:
            self.assertTrue(is_measured(goal.row), goal)
            self.assertTrue(goal.over is None or is_measured(goal.over), goal)


class Runs(unittest.TestCase):
    def test_peers_that_are_not_there_are_skipped_with_the_reason(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-B", str(HERE / "driver" / "main.py"), "--build", folder, "--quick",
                       "--only", "zeromq", "--only", "erlang, one vm"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": folder})
        self.assertIn("skipped: zeromq: bench_peers_zeromq was not built, since libzmq3-dev is not installed", done.stdout)
        self.assertIn("skipped: erlang, one VM: erl, erlc or epmd is not installed", done.stdout)
        self.assertEqual(done.returncode, 1, "nothing measured is no success")

    def test_every_program_gives_rows_that_can_be_read(self):
        with tempfile.TemporaryDirectory() as folder:
            rows, markdown = pathlib.Path(folder) / "rows.json", pathlib.Path(folder) / "tables.md"
            command = [sys.executable, "-B", str(HERE / "driver" / "main.py"), "--build", str(BUILD), "--quick", "--runs",
                       "1", "--scale", "0.01", "--json", str(rows), "--markdown", str(markdown)]
            for name in RUN:
                command += ["--only", name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            got = json.loads(rows.read_text())
            tables = markdown.read_text()
        for row in got:
            self.assertEqual(sorted(row), ["max", "min", "runs", "size_bytes", "system", "test", "unit", "value"])
            self.assertGreater(row["value"], 0, row)
            self.assertLessEqual(row["min"], row["value"], row)
            self.assertLessEqual(row["value"], row["max"], row)
        measured = {(row["system"], row["test"].split(": ")[0]) for row in got}
        for program in plan.PROGRAMS:
            if any(name in program.command[0] for name in RUN):
                self.assertIn((program.system, program.test), measured)
        self.assertIn("| tell over the plain ring ", tables)
        self.assertNotIn("failed:", tables)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
