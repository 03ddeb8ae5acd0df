#!/bin/sh
# stages.sh -- a real network at stages along the way: its text is a fixed point, and means the same.
#
#     models/yolov12.y12 ─dump stage=S─▶ a/S ─dump─▶ b/S = a/S
#                                         └──run──▶ the outputs that the evaluator has from the spec
#
# tests/driver/stages.sh does it after every pass, on a small network.  The demo weights, at 64x96.
#
# SPDX-License-Identifier: Apache-2.0
set -u
src=$(cd "${srcdir:-.}" && pwd) build=$(cd "${builddir:-.}" && pwd)
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
export YOLO12C_CACHE_DIR="$tmp/cache" YOLO12C_PATH="$src"
net="model=$src/models/yolov12.y12 weights=$src/models/weights/codes-n.safetensors imgsz=64,96"
cd "$tmp" && mkdir a b || exit 99
bad=0

y12() {
	"$build/yolo12c" "$@" >out 2>&1 && return
	echo "FAIL: yolo12c $*: exit code $?"
	sed 's/^/    /' out
	bad=1
}

# agrees FILE BACKEND
agrees() {
	y12 run "$1" entry=forward input=random:1 compare=forward.npy tol=2e-6 backend="$2"
	y12 run "$1" entry=detect input.image0=random:2 compare.boxes=boxes.npy compare.score=score.npy \
		compare.label=label.npy tol=2e-6 backend="$2"
}

# a low threshold, so that noise has detections; in the spec's defaults, so that every stage has it
low="model.conf=0.003"
y12 run $net $low entry=forward input=random:1 output=forward.npy backend=eval
y12 run $net $low entry=detect input.image0=random:2 output.boxes=boxes.npy output.score=score.npy output.label=label.npy backend=eval
grep '^label' out | grep -q 'max [0-5]' || { echo "FAIL: nothing is detected: $(cat out)"; bad=1; }

for stage in graph layout fuse plan kir; do
	file=$stage.g
	[ $stage = kir ] && file=kir.k
	y12 dump $net $low entry=forward,detect stage=$stage out=a/$file
	y12 dump model=a/$file stage=$stage out=b/$file
	cmp a/$file b/$file && cmp a/$file.consts b/$file.consts || { echo "FAIL: $stage is no fixed point"; bad=1; }
	agrees a/$file host
	case $stage in layout|plan) agrees a/$file eval ;; esac
	rm b/*
	[ $stage = kir ] || rm a/*
done
agrees a/kir.k interp
exit $bad
