#!/usr/bin/env python3
"""Makes one table and one JSON file of what peers_bench.sh measured.

  peers_table.py FOLDER OUT.json [DOCS.md]

FOLDER has BACKBONE.ROUND.WHO files, WHO one of flawmap, torch, torch_kept, onnxruntime, openvino_f32, openvino; BUSY=1 in the environment marks the result. In DOCS.md the text between the lines
'<!-- peers_bench: begin -->' and '<!-- peers_bench: end -->' becomes the table.
"""
import json
import os
import pathlib
import platform
import re
import statistics
import sys

BEGIN, END = "<!-- peers_bench: begin -->", "<!-- peers_bench: end -->"


PEERS = ("onnxruntime", "openvino_f32", "openvino")


def read(folder):
    """{(backbone, pass): {who: [seconds of each round]}}, the runs of flawmap, one run of every peer."""
    times, ours, peers = {}, [], {}
    for path in sorted(pathlib.Path(folder).iterdir()):
        backbone, _, who = path.name.split(".")
        run = json.loads(path.read_text())
        if who == "flawmap":
            ours.append(run)
            seconds = {p["pass"]: p["seconds"] for p in run["passes"]}
        else:
            peers[who], seconds = run, run["seconds"]
        for name, s in seconds.items():
            times.setdefault((backbone, name), {}).setdefault(who, []).append(s)
    return times, ours, peers


def rows_of(times, ours):
    # a machine is never faster than its best moment, and a peak measured in a worse one would flatter us
    peak = max(run["peak"]["fma_gflops"] for run in ours)
    # work is the same in every run: seconds times speed
    work = {(p["backbone"], p["pass"]): p["gflops"] * p["seconds"] for run in ours for p in run["passes"]}
    rows = []
    for (backbone, name), who in times.items():
        s = {w: statistics.median(v) for w, v in who.items()}
        best = min(s["torch"], s["torch_kept"])
        gflops = work[backbone, name] / s["flawmap"]
        row = {"backbone": backbone, "pass": name, "flawmap_s": s["flawmap"], "torch_s": s["torch"],
               "torch_kept_s": s["torch_kept"], "torch_ratio": best / s["flawmap"], "gflops": gflops,
               "share_of_peak": gflops / peak, "rounds": who}
        for peer in PEERS:
            if peer in s:
                row |= {f"{peer}_s": s[peer], f"{peer}_ratio": s[peer] / s["flawmap"]}
        rows.append(row)
    return peak, rows


def processor():
    try:
        found = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found.group(1) if found else platform.processor() or platform.machine()


def table_of(rows, facts):
    warning = ["**The machine was busy with something else: these times mean little.**", ""] if facts["busy"] else []
    others = "".join(f", {name} {facts[key].split('-')[0]}" for key, name in (("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO"))
                     if facts[key])
    lines = warning + [
        f"{facts['processor']}, {facts['threads']} threads; {facts['device']}; flawmap {facts['flawmap']}, "
        f"PyTorch {facts['torch']}{others}; {facts['size']}x{facts['size']}; medians of {facts['rounds']} rounds. "
        f"FMA peak {facts['fma_gflops']:.0f} GFLOP/s, copy {facts['copy_gb_s']:.0f} GB/s, "
        f"triad {facts['triad_gb_s']:.0f} GB/s. Seconds, and in brackets how many times flawmap's.", "",
        "| backbone | pass | flawmap | PyTorch | ONNX Runtime | OpenVINO, f32 | OpenVINO | GFLOP/s | of peak |",
        "|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        best = min(r["torch_s"], r["torch_kept_s"])
        cells = [f"{best:.4f} ({r['torch_ratio']:.2f})"]
        cells += [f"{r[peer + '_s']:.4f} ({r[peer + '_ratio']:.2f})" if f"{peer}_s" in r else "" for peer in PEERS]
        lines.append(f"| {r['backbone']} | {r['pass']} | {r['flawmap_s']:.4f} | {' | '.join(cells)} | {r['gflops']:.0f} | "
                     f"{100 * r['share_of_peak']:.0f} % |")
    return "\n".join(lines) + "\n"


def main():
    folder, out, docs = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    times, ours, peers = read(folder)
    torch = peers["torch"]
    peak, rows = rows_of(times, ours)
    facts = {"processor": processor(), "threads": torch["threads"], "device": ours[0]["device"]["name"],
             "platform": ours[0]["device"]["version"], "flawmap": ours[0]["flawmap"], "torch": torch["torch"],
             "busy": os.environ.get("BUSY") == "1", "size": torch["size"], "rounds": max(len(w) for r in rows for w in r["rounds"].values()),
             "onnxruntime": peers.get("onnxruntime", {}).get("version"), "openvino": peers.get("openvino", {}).get("version"),
             "fma_gflops": peak, "copy_gb_s": max(r["peak"]["copy_gb_s"] for r in ours),
             "triad_gb_s": max(r["peak"]["triad_gb_s"] for r in ours)}
    table = table_of(rows, facts)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**facts, "passes": rows}, indent=1) + "\n")
    print(table + f"\nwritten to {out}")
    for name in docs:
        text = pathlib.Path(name).read_text()
        if BEGIN not in text or END not in text:
            sys.exit(f"'{name}' has no lines '{BEGIN}' and '{END}'; nothing was written there")
        head, rest = text.split(BEGIN, 1)
        pathlib.Path(name).write_text(f"{head}{BEGIN}\n{table}{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    main()
