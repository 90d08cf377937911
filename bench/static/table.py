#!/usr/bin/env python3
"""The table of static figures in a Markdown file, from what figures.py found.

  table.py DOCS.md FIGURES.csv

The text between '<!-- static_table: begin -->' and '<!-- static_table: end -->' becomes, for each family of work and target, the
worst of the kernels and tiles that the rule picks there. FIGURES.csv has every one of them.
"""
import csv
import pathlib
import re
import sys

BEGIN, END = "<!-- static_table: begin -->", "<!-- static_table: end -->"
# Multiply-adds that a slot of the arithmetic units can hold: packed on CDNA, two instructions at once on RDNA 3.
FULL = {"gfx90a": 2, "gfx942": 2, "gfx1100": 2}
TARGETS = {"gfx90a": "MI210", "gfx942": "MI300X", "gfx1030": "RX 6800", "gfx1100": "RX 7900", "sm_80": "A100", "sm_90": "H100",
           "dg2": "Arc A770 (Xe-HPG)", "tgl": "Xe-LP (Gen12)"}
LITTLE = 0.02  # of a target's multiply-adds; tiles below it, all together, are left out of the worst


def main_tiles(rows):
    """The tiles without those of least work; all where that is not counted."""
    rows = sorted(rows, key=lambda r: -float(r["share"]))
    whole = sum(float(r["share"]) for r in rows)
    if not whole: return rows
    kept, seen = [], 0.0
    for row in rows:
        if kept and seen >= (1 - LITTLE) * whole: break
        kept.append(row)
        seen += float(row["share"])
    return kept


def cell(rows):
    rows = main_tiles(rows)
    sums = rows[0]["family"] == "reduction"  # which wait for memory, not for multiply-adds
    slot = "" if sums else f"{min(float(r['per_slot']) for r in rows):.2f}, "
    waves = min(int(r["waves"]) for r in rows)
    spilled = max(int(r["spilled"]) for r in rows)
    text = f"{slot}{max(int(r['registers']) for r in rows)} r, {waves} w"
    return text + (f", **{spilled} B spilled**" if spilled else "")


def table(rows):
    targets = [t for t in TARGETS if any(r["target"] == t for r in rows)]
    families = {}
    for r in rows: families.setdefault((r["family"], r["kernel"]), []).append(r)
    share = lambda key: max(sum(float(r["share"]) for r in families[key] if r["target"] == t) for t in targets)
    lines = ["| work | kernel | share | " + " | ".join(f"{t}, {TARGETS[t]} (of {FULL.get(t, 1)})" for t in targets) + " |",
             "|---" * (3 + len(targets)) + "|"]
    for key in sorted(families, key=lambda k: -share(k)):
        of = [[r for r in families[key] if r["target"] == t] for t in targets]
        work = f"{100 * share(key):.1f} %" if share(key) else ""
        lines.append(f"| {key[0]} | {key[1]} | {work} | " + " | ".join(cell(o) if o else "" for o in of) + " |")
    return "\n".join(lines)


def main():
    if len(sys.argv) != 3: sys.exit(__doc__)
    docs = pathlib.Path(sys.argv[1])
    with open(sys.argv[2]) as f: rows = list(csv.DictReader(f))
    text = docs.read_text()
    if BEGIN not in text or END not in text: sys.exit(f"{docs} has no lines '{BEGIN}' and '{END}'")
    docs.write_text(re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: f"{BEGIN}\n{table(rows)}\n{END}", text, flags=re.S))


main()
