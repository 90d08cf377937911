#!/usr/bin/env python3
"""Static figures of the kernels that flawmap would run on GPUs that are not here, from the compilers for them.

  figures.py TOOLS CL_FOLDER < PICKS > FIGURES.csv

TOOLS is the folder that tools.sh filled, CL_FOLDER the kernels' sources, PICKS what picks.c prints. A row of FIGURES is a kernel
with options on a target: registers, bytes spilled, local memory, waves at a time on a unit (a SIMD of AMD, a multiprocessor of NVIDIA,
threads a unit of Intel), and of its hottest loop the multiply-adds, the slots of the arithmetic units that it takes, loads by
width in bits. The hottest loop is the one with the most multiply-adds, a deeper one counting threefold a level.

What was found is kept in TOOLS/figures, under a hash of what the compiler sees and of the code that reads its output: a second
run compiles what changed. FLAWMAP_JOBS: how many at once (2).
"""
import csv, glob, hashlib, inspect, json, os, re, shutil, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

TOOLS = SOURCES = ""
INTEL_DEVICES = {"dg2": "dg2-g10", "tgl": "tgllp"}
COMMON = "-D CB=4 -D WG=64 -D FAST_FMA=1"
FIELDS = ["target", "family", "kernel", "options", "share", "registers", "spilled", "local", "waves", "fma", "slots", "per_slot", "loads",
          "local_loads"]
# What is no convolution, with the options that host/op/gemm.c, neighbour.c, coreset.c and rows.c give for blocks of 4.
OTHERS = [("small products", "gemm.cl", "gemm", "-D MR=8 -D TURNED=0 -D FINISH=0"),
          ("small products", "gemm.cl", "gemm", "-D MR=8 -D TURNED=0 -D FINISH=2"),
          ("small products", "gemm.cl", "gemm", "-D MR=8 -D TURNED=1 -D FINISH=1"),
          ("small products", "neighbour.cl", "nearest", "-D OB=1 -D PX=8 -D ALL=0"),
          ("small products", "neighbour.cl", "nearest", "-D OB=1 -D PX=8 -D ALL=1"),
          ("products", "coreset.cl", "cover", "-D OB=1 -D PX=8 -D ROOM=1024 -D FAMILY=1"),
          ("reduction", "norm.cl", "norm_stats", ""), ("reduction", "norm.cl", "norm_finish", ""),
          ("reduction", "norm.cl", "norm_back_stats", ""), ("reduction", "norm.cl", "norm_back_finish", ""),
          ("reduction", "wgrad.cl", "sum_parts", "-D KS=1 -D ST=1 -D OB=1 -D IB=1 -D IL=1 -D IT=1 -D IQ=1 -D SLICES=16"),
          ("reduction", "cdo.cl", "loss_rows", ""), ("reduction", "cdo.cl", "loss_finish", ""),
          ("reduction", "adam.cl", "squares", ""), ("reduction", "adam.cl", "norm_limit", ""),
          ("reduction", "neighbour.cl", "keep", ""), ("reduction", "neighbour.cl", "distances", ""),
          ("reduction", "coreset.cl", "pick", ""), ("reduction", "flow.cl", "couple", ""), ("reduction", "flow.cl", "judge", ""),
          ("reduction", "flow.cl", "affine_parts", ""), ("reduction", "flow.cl", "affine_finish", "")]


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env={**os.environ, **more})
    if done.returncode:
        raise RuntimeError(" ".join(command)[:200] + "\n" + (done.stdout + done.stderr)[-1500:])
    return done.stdout + done.stderr


def triple(target):
    """What clang calls a target; Intel's compiler is another program, so its sources are only preprocessed."""
    if target.startswith("gfx"): return ["amdgcn-amd-amdhsa", "-mcpu=" + target]
    return ["nvptx64-nvidia-nvcl", "-march=" + target] if target.startswith("sm_") else ["spir-unknown-unknown"]


def clang(source, target, options):
    llvm = TOOLS + "/root/usr/lib/llvm-22"
    return run([llvm + "/bin/clang", "-x", "cl", "-cl-std=CL1.2", "-target", *triple(target), "-nogpulib", "-w", *options, source],
               LD_LIBRARY_PATH=f"{TOOLS}/root/usr/lib/x86_64-linux-gnu:{llvm}/lib")


def assemble(source, target, options, libraries, to):
    linked = [w for l in libraries for w in ("-Xclang", "-mlink-builtin-bitcode", "-Xclang", l)]
    clang(source, target, ["-Xclang", "-finclude-default-header", "-O3", *options, *linked, "-S", "-o", to])


def blocks_of(text, label):
    """The text as basic blocks: lists of lines, each beginning with its label."""
    blocks = [[]]
    for line in text.splitlines():
        if re.match(label, line): blocks.append([])
        blocks[-1].append(line)
    return blocks


def widths(lines, pattern, name):
    """How often each width is loaded: '12x128 3x32'."""
    count = {}
    for m in filter(None, (re.search(pattern, l) for l in lines)):
        count[name(m)] = count.get(name(m), 0) + 1
    return " ".join(f"{n}x{w}" for w, n in sorted(count.items()))


# ---- AMD

def amd_loop(body, fma):
    """The instructions of the hottest loop; LLVM's comments say which loop a block is in."""
    loops, inner, depth = {}, None, {None: 0}
    for block in blocks_of(body, r"^(\.L\w+:|; %bb)"):
        head = " ".join(block[:6])
        if m := re.search(r"in Loop: Header=(BB\w+) Depth=(\d+)", head):
            inner = m.group(1)
            depth[inner] = int(m.group(2))
        elif m := re.search(r"=>\s*This (?:Inner )?Loop Header: Depth=(\d+)", head):
            inner = block[0].split(":")[0][2:]
            depth[inner] = int(m.group(1))
        else:
            inner = None
        loops.setdefault(inner, []).extend(block)
    hot = max(loops, key=lambda k: sum(len(re.findall(fma, l)) for l in loops[k]) * 3 ** depth[k])
    return [l.strip() for l in loops[hot] if l.startswith("\t") and not l.strip().startswith((";", "."))]


def amd(source, kernel, cpu, options, folder):
    out = folder + "/out.s"
    assemble(source, cpu, ["-cl-denorms-are-zero", *options],
          [TOOLS + "/root/usr/lib/clc/amdgcn-amd-amdhsa.bc"], out)
    text = open(out).read()
    body = re.search(rf"^{kernel}:.*?^\.Lfunc_end", text, re.M | re.S).group(0)
    after = text[text.index(body) + len(body):]
    about = next(x for x in re.split(r"\n  - ", text[text.index("amdhsa.kernels"):]) if re.search(rf"\.name:\s+{kernel}\b", x))
    number = lambda key: int((re.search(rf"\.{key}:\s*(\d+)", about) or [0, 0])[1])
    loop = amd_loop(body, r"v_(?:dual_)?fma(?:c|ak|mk)?_f32|v_pk_fma_f32")
    fma = sum(len(re.findall(r"v_(?:dual_)?fma(?:c|ak|mk)?_f32", l)) + 2 * l.startswith("v_pk_fma_f32") for l in loop)
    bits = lambda m: {"": "32", "x2": "64", "x3": "96", "x4": "128", "x8": "256", "x16": "512"}.get(m.group(1), m.group(1).lstrip("b"))
    loads = widths(loop, r"^(?:global|flat)_load_(?:dword)?(x\d|b\d+|ubyte|u8|)", bits)
    scalar = widths(loop, r"^s_load_(?:dword)?(x\d+|b\d+|)", lambda m: "s" + bits(m))
    return dict(registers=number("vgpr_count"), spilled=4 * number("vgpr_spill_count"), local=number("group_segment_fixed_size"),
                waves=int((re.search(r"Occupancy:\s*(\d+)", after) or [0, 0])[1]), fma=fma, slots=sum(l.startswith("v_") for l in loop),
                loads=(loads + " " + scalar).strip(), local_loads=widths(loop, r"^ds_(?:load|read)_?(\w+)", lambda m: m.group(1).lstrip("b")))


# ---- NVIDIA

def nvidia(source, kernel, cpu, options, folder):
    cuda = os.environ.get("CUDA", "/usr/local/cuda")
    ptx, cubin = folder + "/out.ptx", folder + "/out.cubin"
    assemble(source, cpu, ["-Xclang", "-fdenormal-fp-math-f32=preserve-sign,preserve-sign", *options],
          [TOOLS + "/root/usr/lib/clc/nvptx64--nvidiacl.bc", cuda + "/nvvm/libdevice/libdevice.10.bc"], ptx)
    log = run([cuda + "/bin/ptxas", "-v", "-arch=" + cpu, "-O3", ptx, "-o", cubin])
    log = log[log.index(f"entry function '{kernel}'"):]
    registers = int(re.search(r"Used (\d+) registers", log).group(1))
    stores, loads = map(int, re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log).groups())
    code = run([TOOLS + "/pip/nvd/nvidia/cu13/bin/nvdisasm", "-c", cubin])
    code = re.search(rf"\.text\.{kernel}:.*?(?=\n\.text\.|\n\t\.section|\Z)", code, re.S).group(0)
    loop = max(blocks_of(code, r"^\.L_x_\d+:"), key=lambda b: sum(len(re.findall(r"\bFFMA2?\b", l)) for l in b))
    loop = [re.sub(r"^\s*/\*[0-9a-f]+\*/\s*(@!?U?P\d+\s+)?", "", l) for l in loop if re.match(r"\s*/\*[0-9a-f]+\*/", l)]
    bits = lambda m: (re.findall(r"\.(64|128)", m.group(1) or "") or ["32"])[0]
    return dict(registers=registers, spilled=max(stores, loads), local=int((re.search(r"(\d+) bytes smem", log) or [0, 0])[1]),
                waves=min(64, 65536 // ((registers + 7) // 8 * 8 * 32)), fma=sum(l.startswith("FFMA") for l in loop), slots=len(loop),
                loads=widths(loop, r"^LDG\.E(\.\S+)?", bits), local_loads=widths(loop, r"^LDS(\S*)", bits))


# ---- Intel

def intel(source, kernel, target, options, folder):
    log = run([TOOLS + "/intel/usr/bin/ocloc", "compile", "-file", source, "-device", INTEL_DEVICES[target], "-options",
               "-cl-std=CL1.2 -cl-denorms-are-zero " + " ".join(options), "-out_dir", folder + "/out"],
              LD_LIBRARY_PATH=TOOLS + "/intel/usr/lib/x86_64-linux-gnu", IGC_ShaderDumpEnable="1", IGC_DumpToCustomDir=folder)
    found = [(os.path.getmtime(f), f, t) for f in glob.glob(folder + "/*.asm")
             for t in [open(f, errors="replace").read()] if re.search(rf'^//\.kernel "?{kernel}"?\s*$', t, re.M)]
    _, name, text = max(found)  # the last one written is the one that is used
    width = int(re.search(r"simd(\d+)", os.path.basename(name)).group(1))
    clean = lambda b: [re.sub(r"^\([^)]*\)\s+", "", l.strip()) for l in b if re.match(r"^(\([^)]*\))?\s+[a-z]", l)]
    is_fma = lambda l: re.match(r"mad \(\d+\|", l) and ":f" in l.split("//")[0]
    loop = max((clean(b) for b in blocks_of(text, r"^// B\d+")), key=lambda b: sum(bool(is_fma(l)) for l in b))
    lanes = lambda l: int((re.match(r"\S+ +\((\d+)\|", l) or [0, 1])[1])
    takes = lambda l: max(lanes(l), 8) / width  # a unit takes a clock for eight lanes or fewer
    others = ("send", "load", "store", "sync", "nop", "jmpi", "goto", "join", "while", "if", "else", "endif")
    kind = lambda l: (re.search(r":(\w+)", l.split("//")[0]) or [0, ""])[1]
    arithmetic = [l for l in loop if not l.startswith(others)]
    floats = sum(takes(l) for l in arithmetic if kind(l) in ("f", "hf"))
    integers = sum(takes(l) for l in arithmetic) - floats  # a pipe of their own
    loads = widths(loop, r"^((?:load|store)\S*?)(?:\.\w\w\.\w\w)? |^(send\S*)", lambda m: m.group(1) or m.group(2))
    return dict(registers=128, spilled=int((re.search(r"//\.spill size (\d+)", text) or [0, 0])[1]), local="", waves=8,
                fma=sum(lanes(l) / width for l in loop if is_fma(l)), slots=max(floats, integers), loads=loads, local_loads="")


# ---- all

def compiled(of, source, kernel, target, options, folder):
    """What of() finds, or what it found when the compiler last saw the same."""
    seen = clang(source, target, ["-E", "-P", "-dD", *options])  # with macros, which pragmas may name
    about = [seen, kernel, target, *options, *map(inspect.getsource, (of, assemble, blocks_of, widths, amd_loop))]
    kept = f"{TOOLS}/figures/{hashlib.sha256(json.dumps(about).encode()).hexdigest()}.json"
    if os.path.exists(kept):
        with open(kept) as f: return json.load(f)
    row = of(source, kernel, target, options, folder)
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    with open(folder + "/row", "w") as f: json.dump(row, f)
    shutil.copy(folder + "/row", kept + ".new")
    os.replace(kept + ".new", kept)
    return row


def figures(pick):
    target, family, file, kernel, options, share = pick
    folder = tempfile.mkdtemp()
    try:
        source = folder + "/all.cl"
        with open(source, "w") as out:
            for name in ("common.clh", file): out.write(open(f"{SOURCES}/{name}").read() + "\n")
        of = amd if target.startswith("gfx") else nvidia if target.startswith("sm_") else intel
        row = compiled(of, source, kernel, target, (options + " " + COMMON).split(), folder)
    finally:
        shutil.rmtree(folder)
    row.update(target=target, family=family, kernel=kernel, options=options.replace("-D ", ""), share=f"{share:.4f}",
               slots=round(row["slots"], 1), fma=round(row["fma"]), per_slot=f"{row['fma'] / max(row['slots'], 1):.2f}")
    return row


def main():
    global TOOLS, SOURCES
    if len(sys.argv) != 3: sys.exit(__doc__)
    TOOLS, SOURCES = map(os.path.abspath, sys.argv[1:])
    picks = [line.rstrip("\n").split("\t") for line in sys.stdin]
    total = {}
    for p in picks: total[p[0]] = total.get(p[0], 0) + float(p[5])
    work = [(*p[:5], float(p[5]) / total[p[0]]) for p in picks] + [(t, *p, 0.0) for t in total for p in OTHERS]
    out = csv.DictWriter(sys.stdout, FIELDS, lineterminator="\n")
    out.writeheader()
    with ThreadPoolExecutor(int(os.environ.get("FLAWMAP_JOBS", 2))) as pool:
        for row in pool.map(figures, work): out.writerow(row)


if __name__ == "__main__": main()
