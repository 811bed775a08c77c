"""Tables and JSON of the figures."""

import json
import math
import statistics


def shown(value):
    """Four digits, with thousands separated."""
    if value == 0:
        return "0"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def rows_of(figures):
    """As the JSON file has them."""
    for (system, test), values in figures.values.items():
        size, unit = figures.about[(system, test)]
        yield {"system": system, "test": test, "size_bytes": size, "value": statistics.median(values), "unit": unit,
               "runs": len(values), "min": min(values), "max": max(values)}


def measured(goal, figures):
    """The goal's values, run by run; none: one of its rows was not measured."""
    values = figures.values.get(goal.row, [])
    if goal.over is None:
        return values
    return [one / other for one, other in zip(values, figures.values.get(goal.over, [])) if other != 0]


def reached(goal, value):
    if not goal.reach:
        return ""
    sign, limit = goal.reach.split()
    held = value >= float(limit) if sign == ">=" else value <= float(limit)
    return "reached" if held else "missed"


def goal_lines(goals, figures):
    for goal in goals:
        values = measured(goal, figures)
        if not values:
            continue
        median = statistics.median(values)
        yield (goal.what, shown(median), shown(min(values)), shown(max(values)), goal.reach, reached(goal, median))


def figure_lines(figures):
    for row in rows_of(figures):
        yield (row["system"], row["test"], str(row["size_bytes"] or ""), shown(row["value"]), shown(row["min"]),
               shown(row["max"]), row["unit"], str(row["runs"]))


FIGURES = ("system", "test", "bytes", "median", "min", "max", "unit", "runs")
GOALS = ("measure", "median", "min", "max", "reach", "")
NUMBERS = {"bytes", "median", "min", "max", "runs"}


def table(heads, lines, markdown):
    lines = list(lines)
    if not lines:
        return ""
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    right = [head in NUMBERS for head in heads]

    def joined(cells):
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right)]
        return f"| {' | '.join(padded)} |" if markdown else "  ".join(padded).rstrip()

    if markdown:
        rule = "|" + "|".join("-" * (w + 1) + (":" if r else "-") for w, r in zip(widths, right)) + "|"
    else:
        rule = "  ".join("-" * w for w in widths)
    return "\n".join([joined(heads), rule, *map(joined, lines)]) + "\n"


def text(conditions, goals, figures, notes, markdown=False):
    """The whole report. `notes`: what was skipped or has failed."""
    parts = [conditions + "\n", table(GOALS, goal_lines(goals, figures), markdown),
             table(FIGURES, figure_lines(figures), markdown), "".join(f"{note}\n" for note in notes)]
    return "\n".join(part for part in parts if part)


def write_json(path, figures):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(list(rows_of(figures)), file, indent=1)
        file.write("\n")
