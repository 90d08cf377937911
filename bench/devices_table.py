#!/usr/bin/env python3
"""Files of 'flawmap bench --share': several of one device become one, and those of all devices a table.

  devices_table.py merge FILE...     rounds of one device and driver, as one such file on standard output
  devices_table.py table DOCS.md FILE...

In DOCS.md the text between the lines '<!-- devices_table: begin -->' and '<!-- devices_table: end -->' becomes the table.
"""
import json
import pathlib
import re
import statistics
import sys

BEGIN, END = "<!-- devices_table: begin -->", "<!-- devices_table: end -->"
SCHEMAS = ("flawmap-bench/1", "flawmap-bench/2")
BETTER = {"fma_gflops": max, "copy_gb_s": max, "triad_gb_s": max, "launch_us": min}


def read(path):
    share = json.loads(pathlib.Path(path).read_text())
    if share.get("schema") not in SCHEMAS:
        sys.exit(f"{path}: 'flawmap bench --share' did not write this")
    return share


def merge(shares):
    """Medians of the rounds' medians. A device is never faster than its best moment: that is its peak."""
    one = shares[0]
    for other in shares[1:]:
        for what in ("schema", "commit", "kernels_sha256", "forced_variant", "tuned_lines", "quick", "system", "device"):
            if other.get(what) != one.get(what):
                sys.exit(f"these files are not of one device: {what} differs")
        if other["verify"]["outcome"] != one["verify"]["outcome"]:
            sys.exit("these files do not agree on what verify said")
    one["rounds"] = len(shares)
    for name, better in BETTER.items():
        one["peak"][name] = better(s["peak"][name] for s in shares)
    for i, entry in enumerate(one["suite"]):
        rounds = [s["suite"][i] for s in shares]
        work = entry.get("gflops", 0) * entry["median_s"]
        entry["median_s"] = statistics.median(r["median_s"] for r in rounds)
        entry["least_s"] = min(r["least_s"] for r in rounds)
        entry["most_s"] = max(r["most_s"] for r in rounds)
        entry["runs"] = sum(r["runs"] for r in rounds)
        if work:
            entry["gflops"] = work / entry["median_s"]
            entry["share_of_peak"] = entry["gflops"] / one["peak"]["fma_gflops"]
    return one


def line(cells):
    return "| " + " | ".join(cells) + " |"


def proof(verify):
    worst = max(g["share_of_allowed"] for g in verify["groups"] if g["judged"])
    return f"{verify['outcome']}; at most {worst:.0%} of what is allowed"


def cell(entry):
    share = f" ({entry['share_of_peak']:.0%})" if "share_of_peak" in entry else ""
    return f"{1e3 * entry['median_s']:.1f}{share}"


def table(shares):
    lines = [line(("", "device", "system", "driver", "verify", "peak, GFLOP/s", "copy, GB/s", "launch, us")), "|---" * 8 + "|"]
    for i, s in enumerate(shares):
        d, p = s["device"], s["peak"]
        lines.append(line((str(i + 1), f"{d['name']}, {d['compute_units']} compute units", s["system"]["cpu"] or "", f"{d['platform']} {d['driver']}",
                           proof(s["verify"]), f"{p['fma_gflops']:.0f}", f"{p['copy_gb_s']:.1f}", f"{p['launch_us']:.0f}")))
    lines += ["", "Milliseconds (medians), and the share of the measured peak:", "",
              line(["pass"] + [str(i + 1) for i in range(len(shares))]), "|---" * (len(shares) + 1) + "|"]
    names = dict.fromkeys(e["name"] for s in shares for e in s["suite"])
    for name in names:
        cells = [name]
        for s in shares:
            found = [e for e in s["suite"] if e["name"] == name]
            cells.append(cell(found[0]) if found else "")
        lines.append(line(cells))
    return "\n".join(lines)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("merge", "table"):
        sys.exit(__doc__)
    if sys.argv[1] == "merge":
        print(json.dumps(merge([read(p) for p in sys.argv[2:]]), indent=2))
        return
    docs = pathlib.Path(sys.argv[2])
    text = docs.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{docs} lacks the lines {BEGIN} and {END}")
    new = table([read(p) for p in sorted(sys.argv[3:])])
    docs.write_text(re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: f"{BEGIN}\n{new}\n{END}", text, flags=re.S))


if __name__ == "__main__":
    main()
