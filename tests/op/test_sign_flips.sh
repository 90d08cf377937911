#!/usr/bin/env bash
# A sign flipped in any family of kernels is called wrong by the self-test. (Every sign that matters, and the goldens' word on it:
# tests/tools/sign_flips.sh without "quick".)
exec bash "$(dirname "$0")/../tools/sign_flips.sh" "$1" "$2" quick
