#!/usr/bin/env bash
# The rules of the house that a program can check: includes point at the same layer or one before it, what is visible
# outside a file begins with fm_ and is used there, library code neither ends the program nor touches the disk but in base/file.c.
# usage: test_layers.sh FLAWMAP SOURCE_FOLDER
set -u
flawmap=$1
cd "$2" || exit 1
layers="base device file op net data score model method refine check task report serve app api"
failed=0

wrong() {
  echo "test_layers: $*" >&2
  failed=1
}

# FILE:LINE:TEXT lines become complaints.
complain() {
  local line
  while IFS= read -r line; do wrong "$1: $line"; done
}

# Every include of host/LAYER/FILE; the public header, flawmap.h of host itself, stands above all layers.
check_includes() {
  grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$1"/host/*/*.[ch] "$1"/host/*.[ch] 2>/dev/null |
    awk -v layers="$layers" -v root="$1/host/" '
      BEGIN { n = split(layers, list, " "); for (i = 1; i <= n; i++) rank[list[i]] = i }
      {
        split($0, part, ":"); file = substr(part[1], length(root) + 1)
        match($0, /"[^"]*"/); target = substr($0, RSTART + 1, RLENGTH - 2)
        layer = file; if (!sub(/\/.*/, "", layer)) layer = ""
        other = target; if (!sub(/\/.*/, "", other)) other = ""
        mine = layer == "" ? n + 1 : rank[layer]
        if (!mine) print file ": its folder is no layer"
        else if (other == "" && target != "flawmap.h") print file ": includes \"" target "\" without a layer in front"
        else if (other == "") next
        else if (!rank[other]) print file ": includes \"" target "\" of no layer"
        else if (rank[other] > mine) print file ":" part[2] ": layer " layer " includes \"" target "\" of a later layer"
      }'
}

# Functions that a header shows but no other file uses: names that stand once or not at all (their declaration) outside
# the file that defines them. What a comment says is no use; the public API (host/flawmap.h) is for others.
check_exports() {
  find "$1/host" "$1/tests" -name '*.[ch]' | xargs awk -v public="$1/host/flawmap.h" '
    FNR == 1 { open = 0 }
    {
      line = $0
      while (open || (at = index(line, "/*"))) {
        if (!open) { rest = substr(line, at + 2); line = substr(line, 1, at - 1); open = 1 } else { rest = line; line = "" }
        if (!(end = index(rest, "*/"))) break
        line = line " " substr(rest, end + 2); open = 0
      }
      defines = line ~ /^[a-z].*[ *]fm_[a-z0-9_]+\(/ && FILENAME ~ /\.c$/ && line !~ /^(static|return|else)/
      while (match(line, /(^|[^A-Za-z0-9_])fm_[a-z0-9_]+/)) {
        name = substr(line, RSTART, RLENGTH); sub(/^[^f]/, "", name); line = substr(line, RSTART + RLENGTH)
        if (line ~ /^ *##/) family[name] = 1 # a macro makes names that begin so
        if (defines && line ~ /^\(/) { home[name] = FILENAME; defines = 0 }
        uses[name]++; inside[name, FILENAME]++
        if (FILENAME == public) shown[name] = 1
      }
    }
    END {
      for (name in home) for (some in family) if (index(name, some) == 1) shown[name] = 1
      for (name in home)
        if (!(name in shown) && uses[name] - inside[name, home[name]] <= 1) print home[name] ": " name
    }' | sed "s#^$1/##" | sort
}

# Whether the checks see anything: a tree with one include that is wrong, and one function that nobody calls.
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
mkdir -p "$probe/host/base" "$probe/host/op"
printf '#include "op/conv.h"\n' >"$probe/host/base/status.c"
printf '#include "base/status.h"\n#include <stdio.h>\n' >"$probe/host/op/conv.c"
mkdir -p "$probe/tests/op"
printf 'void fm_conv_run(int n); /* not fm_conv_stop */\nvoid fm_conv_stop(int n);\n' >"$probe/host/op/conv.h"
printf 'void fm_conv_run(int n) {\n  fm_conv_stop(n);\n}\nvoid fm_conv_stop(int n) {\n}\n' >>"$probe/host/op/conv.c"
printf 'int main(void) {\n  fm_conv_run(1);\n}\n' >"$probe/tests/op/test_conv.c"
[ "$(check_exports "$probe")" = "host/op/conv.c: fm_conv_stop" ] || wrong "the check of exports does not find what nobody uses: $(check_exports "$probe")"
[ "$(check_includes "$probe" | wc -l)" = 1 ] || wrong "the check of includes does not find what is wrong"

complain "wrong way" < <(check_includes .)
complain "used in its own file only; make it static" < <(check_exports .)
complain "typedef of a struct" < <(grep -nE 'typedef (struct|union)' host/*/*.[ch])
complain "ends the program" < <(grep -nE '(^|[^_[:alnum:]])(exit|_Exit|abort|assert)\(' host/*/*.c host/*.c 2>/dev/null | grep -v '^host/app/main.c:')
complain "touches the disk" < <(grep -nE '(^|[^_[:alnum:].>])(fopen|freopen|open|creat|unlink|remove|rename|mkdir|rmdir|opendir)\(' \
  host/*/*.c host/*.c 2>/dev/null | grep -v '^host/base/')
complain "prints what is foreign as it is (use base/print.h)" < <(grep -nE '(^|[^_[:alnum:]])(v?f?printf|puts|fputs|putchar|perror|fwrite)\(' \
  host/*/*.c host/*.c 2>/dev/null | grep -vE '^host/(base/|app/main\.c:)')
complain "guard without FM_" < <(grep -nE '^#ifndef [A-Z_]*_H$' host/*/*.h | grep -v '#ifndef FM_')

# Names in the finished library; compilers' own begin with an underscore.
library=$(dirname "$flawmap")/libflawmap.a
if [ -f "$library" ] && command -v nm >/dev/null; then
  complain "visible name without fm_" < <(nm -g --defined-only "$library" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -vE '^(fm_|_)' | sort -u)
fi

for folder in tests/*/; do
  name=$(basename "$folder")
  case " $layers layers tools reference " in *" $name "*) ;; *) wrong "tests/$name mirrors no layer" ;; esac
done
[ $failed = 0 ] && echo "layers: $(ls host/*/*.[ch] | wc -l) files are as they should be"
exit $failed
