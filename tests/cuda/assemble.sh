#!/bin/sh
# assemble.sh -- every kernel of YOLOv12 n, s and x at batch 1, boxes and suppression, assembled for every target; skipped where
# there is no ptxas.
#
# SPDX-License-Identifier: Apache-2.0
set -u
src=$(cd "${srcdir:-.}" && pwd) build=$(cd "${builddir:-.}" && pwd)
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
export YOLO12C_CACHE_DIR="$tmp/cache" YOLO12C_PATH="$src"
unset YOLO12C_PRECISION
y12=$build/yolo12c bad=0 elf=$(printf '\177ELF')
"$y12" doctor >"$tmp/doctor" 2>&1
grep -q '^ok  ptxas' "$tmp/doctor" || { echo "there is no ptxas: nothing assembled"; exit 77; }
targets=$(sed -n 's/^GPU("\([a-z0-9_]*\)".*/\1/p' "$src/compiler/target/targets.def")
[ "$(echo "$targets" | wc -l)" -ge 6 ] || { echo "FAIL: of targets.def only $targets"; exit 1; }
scales="n s x"
ldd "$y12" 2>/dev/null | grep -q libasan && scales=n      # which takes ten times as long
for scale in $scales; do
	for target in $targets; do
		rm -rf "$tmp/cache"
		"$y12" compile model=yolov12 scale=$scale weights=random target=$target entry=boxes,detect cubin=true quiet=true out="$tmp/e.y12e" \
			>"$tmp/out" 2>"$tmp/err" || { echo "FAIL: $scale for $target"; sed 's/^/    /' "$tmp/err"; bad=1; continue; }
		LC_ALL=C grep -q "$elf" "$tmp/e.y12e" || { echo "FAIL: $scale for $target has no machine code"; bad=1; }
	done
done
exit $bad
