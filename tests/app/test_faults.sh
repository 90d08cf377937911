#!/usr/bin/env bash
# A small part of the failure sweep; all of it: tests/tools/fault_sweep.sh.
# usage: test_faults.sh FLAWMAP SOURCE_FOLDER
STRIDE=${STRIDE:-397} DENSE=${DENSE:-4} ONLY="train eval predict" exec bash "$2/tests/tools/fault_sweep.sh" "$1"
