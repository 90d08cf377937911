#!/usr/bin/env bash
# A small part of the failure sweep; all of it: tests/tools/fault_sweep.sh.
# usage: test_faults.sh FLAWMAP SOURCE_FOLDER
sweep=$2/tests/tools/fault_sweep.sh
STRIDE=${STRIDE:-397} DENSE=${DENSE:-4} ONLY="train eval predict" bash "$sweep" "$1" || exit 1
# Readers of other files; F2PAD's references, which are an extra: a file that cannot be read costs them, never the model.
STRIDE=${STRIDE:-397} DENSE=${DENSE:-4} ONLY="fetch install metrics tune tuned" KINDS="alloc file" bash "$sweep" "$1" || exit 1
STRIDE=${STRIDE:-37} DENSE=1 ONLY=train KINDS=file TRAIN="--method padim --channels 10 --refine --hold-out 50%" exec bash "$sweep" "$1"
