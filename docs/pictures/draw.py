#!/usr/bin/env python3
"""Draws the strategies from a run of examples/restart-strategies:

    ./examples/run restart-strategies --log | docs/pictures/draw.py docs/pictures

A line of the log is `strategy microseconds who what pid`. A bar is a process: it begins at "starts" and ends at "stops" (asked)
or "killed" (a cross). Time is not to scale: one step is one event.
"""
import collections
import pathlib
import sys

STEP, ROW, LEFT, TOP = 52, 34, 40, 46
NAMES = "abcd"


def read(lines):
    runs = collections.OrderedDict()
    for line in lines:
        strategy, when, who, what, pid = line.split()
        runs.setdefault(strategy, []).append((int(when), who, what, int(pid)))
    return runs


def bars(events):
    """(who, first step, last step or None, how it ended, pid) of each process."""
    begun, ended = {}, []
    for step, (_, who, what, pid) in enumerate(events):
        if what == "starts":
            begun[who] = (step, pid)
        else:
            first, pid = begun.pop(who)
            ended.append((who, first, step, what, pid))
    return ended + [(who, first, None, "", pid) for who, (first, pid) in begun.items()]


def draw(strategy, events):
    width, height = LEFT + STEP * (len(events) + 1), TOP + ROW * len(NAMES) + 12
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-weight="bold">{strategy}</text>']
    for row, name in enumerate(NAMES):
        out.append(f'<text x="14" y="{TOP + ROW * row + 16}">{name}</text>')
    for who, first, last, how, pid in sorted(bars(events), key=lambda bar: bar[1]):
        x, y = LEFT + STEP * first, TOP + ROW * NAMES.index(who)
        end = LEFT + STEP * (last if last is not None else len(events))
        colour = "#9ec5e8" if first < len(NAMES) else "#a8d8a0"
        out.append(f'<rect x="{x}" y="{y}" width="{end - x}" height="22" rx="3" fill="{colour}" stroke="#555"/>')
        out.append(f'<text x="{x + 6}" y="{y + 16}" font-size="11">{pid}</text>')
        if how == "killed":
            out.append(f'<path d="M{end - 7} {y + 4}l14 14m0 -14l-14 14" stroke="#c00" stroke-width="3"/>')
        elif how == "stops":
            out.append(f'<path d="M{end} {y - 2}v26" stroke="#333" stroke-width="3"/>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    folder = pathlib.Path(sys.argv[1])
    for strategy, events in read(sys.stdin).items():
        (folder / f"{strategy}.svg").write_text(draw(strategy, events))


if __name__ == "__main__":
    main()
