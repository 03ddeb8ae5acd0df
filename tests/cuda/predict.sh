#!/bin/sh
# predict.sh -- predict device=0 from end to end, on the stand-in driver, whose kernels the interpreter runs.
#
#     the same detections as on the host     on an sm_80 and an sm_90
#     what a machine lacks                   a driver, GPUs, memory: said, exit code 4
#     each driver call fails                 the first and the last of its name: said by that name, exit code 1,
#                                            nothing left on the device
#
# SPDX-License-Identifier: Apache-2.0
set -u
src=$(cd "${srcdir:-.}" && pwd) build=$(cd "${builddir:-.}" && pwd)
driver=$build/tests/cuda/.libs/libcuda_standin.so
[ -r "$driver" ] || { echo "there is no stand-in driver: $driver"; exit 77; }
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/lib" "$tmp/cache"
ln -s "$driver" "$tmp/lib/libcuda.so.1"
export YOLO12C_CACHE_DIR="$tmp/cache" YOLO12C_PATH="$src" Y12_TEST_KIR=1 YOLO12C_TUNE=none
unset YOLO12C_PRECISION YOLO12C_ATTN
paths=${LD_LIBRARY_PATH:-}
net="model=$src/models/yolov12.y12 weights=$src/models/weights/codes-n.safetensors imgsz=128"
net="$net source=$src/examples/pictures/4_barcodes.jpg save=false json=true quiet=true"
cd "$tmp" || exit 99
bad=0

fail() {
	echo "FAIL: $*"
	sed 's/^/    /' err
	bad=1
}

# predict keys...: $code; what it said in out and err, the driver's calls in log
predict() {
	rm -f log "$tmp"/cache/*.cubin
	LD_LIBRARY_PATH=$tmp/lib:$paths Y12_STANDIN_LOG=$tmp/log "$build/yolo12c" predict $net "$@" >out 2>err
	code=$?
}

# want CODE TEXT WHAT: of the last run
want() {
	[ "$code" -eq "$1" ] || fail "$3: exit code $code, not $1"
	grep -qF -e "$2" err || fail "$3: nothing says '$2'"
}

# texts alike but for numbers, and these within 1 (pixels, or 0.01 where they are below 1)
same() {
	tr ' ,{}[]' '\n' <"$1" >a.words
	tr ' ,{}[]' '\n' <"$2" >b.words
	paste a.words b.words | awk -F '\t' '
		$1 ~ /^-?[0-9.]+$/ && $2 ~ /^-?[0-9.]+$/ { d = $1 - $2; if (d < 0) d = -d; if (d > ($1 < 1 ? 0.01 : 1)) exit bad = 1; next }
		$1 != $2 { exit bad = 1 }
		END { exit bad }'
}

# ---- the same as on the host ---------------------------------------------------------------------

predict device=host
[ "$code" -eq 0 ] || fail "on the host: exit code $code"
grep -q '"barcode"' out || fail "on the host: nothing was found"
cp out host.json
for sm in 80 90; do
	for round in compiled cached; do
		export Y12_STANDIN_SM=$sm
		predict device=0
		[ "$code" -eq 0 ] || fail "sm_$sm, $round: exit code $code"
		same host.json out || fail "sm_$sm, $round: other detections: $(cat out)"
		grep -q 'launches, 0 left$' log || fail "sm_$sm, $round: $(tail -n 1 log)"
	done
done
predict device=cuda:1
[ "$code" -eq 0 ] && same host.json out || fail "device=cuda:1"
predict device=gpu precision=bf16
[ "$code" -eq 0 ] || fail "precision=bf16: exit code $code"

# a picture of 1800 x 1600 after a small one: more than was reserved at first
{
	printf 'BM\066\330\203\000\000\000\000\000\066\000\000\000\050\000\000\000\010\007\000\000\100\006\000\000\001\000\030\000'
	head -c 8640024 /dev/zero
} >large.bmp
printf '%s\n%s\n' "$src/examples/pictures/4_barcodes.jpg" "$tmp/large.bmp" >list.txt
predict device=0 source=list.txt rect=false
[ "$code" -eq 0 ] && [ "$(grep -c '"path"' out)" -eq 2 ] || fail "a large picture: exit code $code"
[ "$(grep -c '^cuGraphInstantiate' log)" -eq 2 ] || fail "a large picture: the engine was not opened again"

# ---- what a machine lacks ---------------------------------------------------------------------------

predict device=2
want 4 "there is no cuda:2: this machine has 2 GPUs" "device=2"
Y12_STANDIN_GPUS=0 predict device=0
want 4 "" "no GPU"
Y12_STANDIN_MEMORY=1000000 predict device=0
want 4 "bytes of Stand-in 0's memory, and of its 1000000 only" "too little memory"
Y12_STANDIN_SM=70 predict device=0
want 4 "is an sm_70; code can be made for sm_75 and later" "an old GPU"
Y12_STANDIN_DRIVER=11000 predict device=0
want 4 "the NVIDIA driver is for CUDA 11.0" "an old driver"
"$build/yolo12c" predict $net device=0 >out 2>err
code=$?
[ "$code" -eq 0 ] || want 4 "driver" "no driver"        # 0: a machine that has one

# ---- each call fails ------------------------------------------------------------------------------------

predict device=0
cp log calls
awk '/^cu/ { n++; if (!($1 in first)) first[$1] = n; last[$1] = n }
     END { for (c in first) { print first[c], c; if (last[c] != first[c]) print last[c], c } }' calls | sort -n >faults
back=$(awk '$2 == "cuCtxPushCurrent" { n = $1 } END { print n }' faults)       # the engine is closed from here on
while read -r n call; do
	Y12_STANDIN_FAIL=$n predict device=0
	if [ "$n" -ge "$back" ]; then   # results are there: what goes wrong while giving back is not told
		[ "$code" -eq 0 ] && same host.json out || fail "call $n, $call: exit code $code, or other detections"
	else
		[ "$code" -eq 1 ] || [ "$code" -eq 4 ] || fail "call $n, $call: exit code $code"
		grep -qF "$call" err || fail "call $n: nothing says $call"
	fi
	# without its context nothing can be given back but the context itself
	[ "$n" -eq "$back" ] || grep -q ', 0 left$' log || fail "call $n, $call: $(tail -n 1 log)"
done <faults
[ "$(wc -l <faults)" -gt 30 ] || fail "only $(wc -l <faults) calls were failed"
Y12_STANDIN_FAIL=$(awk '$2 == "cuMemAlloc" { print $1; exit }' faults) Y12_STANDIN_ERROR=2 predict device=0
want 4 "are free (cuMemAlloc)" "cuMemAlloc without memory"
exit $bad
