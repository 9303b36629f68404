#!/usr/bin/env bash
# Builds wheel and sdist twice from what is committed and checks both: the same bytes, a page that PyPI can show, a wheel
# that holds what it should. `bash ci/build.sh FOLDER` leaves them in FOLDER, which must not be there.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?wanted: bash ci/build.sh FOLDER}
[ ! -e "$out" ] || { echo "$out is there already"; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$scratch/tools"
"$scratch/tools/bin/pip" install -q build "setuptools>=77" twine check-wheel-contents
for round in 1 2; do
  git clone -q . "$scratch/tree$round"
  (cd "$scratch/tree$round" && "$scratch/tools/bin/python" -m build -q --no-isolation -o "$scratch/dist$round" .)
  "$scratch/tools/bin/python" tools/repack_sdist.py "$scratch/dist$round"/*.tar.gz
done
(cd "$scratch/dist1" && sha256sum ./*) > "$scratch/hashes"
(cd "$scratch/dist2" && sha256sum -c --quiet "$scratch/hashes") || { echo "two builds differ"; exit 1; }
"$scratch/tools/bin/twine" check --strict "$scratch"/dist1/*
"$scratch/tools/bin/check-wheel-contents" "$scratch"/dist1/*.whl
mkdir -p "$out"
cp "$scratch"/dist1/* "$out"
cat "$scratch/hashes"
