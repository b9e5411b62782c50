#!/bin/bash
# Installs the engine into $PEER_HOME, from the repository that this folder is in, or from ENGINE_SOURCE when the folder
# was copied elsewhere.
set -eu
source=${ENGINE_SOURCE:-$(dirname "$(readlink -f "$0")")/../..}
if [ ! -e "$source/benchmarks/project" ]; then
    echo "no repository of the engine in '$source': name one with ENGINE_SOURCE" >&2
    exit 1
fi
mkdir -p "$PEER_HOME"
"${PYTHON:-python3}" -m venv "$PEER_HOME/venv"
# from a copy: pip would leave its build folder in the repository
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$source/pyproject.toml" "$source/README.md" "$source/engine" "$source/modules" "$copy"
"$PEER_HOME/venv/bin/pip" install --quiet --disable-pip-version-check "$copy"
rm -rf "$PEER_HOME/project"
cp -r "$source/benchmarks/project" "$PEER_HOME/project"
