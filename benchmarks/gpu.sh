#!/usr/bin/env bash
# Check and measure training on a GPU: benchmarks/gpu.sh [--wheels DIR] [options of benchmarks/gpu/main.py]
# --wheels installs the wheels of a folder for this run, without network and without what they require.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" = --wheels ]; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    # Not into a virtual environment: it would not see the packages of another one, if python3 is in one.
    "${PYTHON:-python3}" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$2"/*.whl
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
    shift 2
fi
"${PYTHON:-python3}" "$here/gpu/main.py" "$@"
