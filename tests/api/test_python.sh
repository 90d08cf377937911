#!/usr/bin/env bash
# The Python package over the shared library: its own tests, with pytest. Skipped where there is no Python with numpy and
# pytest: $FLAWMAP_PYTHON names one, else python3.
# usage: test_python.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"
python=${FLAWMAP_PYTHON:-python3}
library=$(dirname "$flawmap")/libflawmap.so.0
[ "$(dirname "$flawmap")" = "$source/build/release" ] || { echo "test_python: skipped in a build that is instrumented"; exit 0; }
"$python" -c 'import numpy, pytest' 2>/dev/null || { echo "test_python: skipped: $python has no numpy or no pytest"; exit 0; }
gear 1 1
export FLAWMAP_LIBRARY=$library FLAWMAP_TEST_DATA=$work/data/gear PYTHONPATH=$source/host/python PYTHONDONTWRITEBYTECODE=1
"$python" -m pytest -q -p no:cacheprovider "$source/host/python/tests" >out 2>&1 || fail "$(tail -60 out)"
tail -1 out
FLAWMAP_LIBRARY=/no/such/file "$python" -c 'import flawmap' >out 2>err && fail "the library is not missed"
grep -q 'FLAWMAP_LIBRARY' err || fail "it is not said how the library is found: $(cat err)"
exit 0
