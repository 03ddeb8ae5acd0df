#!/bin/sh
# verbs.sh -- bench, tune, run, compile and check-gpu on the stand-in driver: that they go the whole way, not how fast.
#
# SPDX-License-Identifier: Apache-2.0
set -u
src=$(cd "${srcdir:-.}" && pwd) build=$(cd "${builddir:-.}" && pwd)
driver=$build/tests/cuda/.libs/libcuda_standin.so
[ -r "$driver" ] || { echo "there is no stand-in driver: $driver"; exit 77; }
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/lib"
ln -s "$driver" "$tmp/lib/libcuda.so.1"
export YOLO12C_CACHE_DIR="$tmp/cache" YOLO12C_PATH="$src" YOLO12C_TUNE=none
unset YOLO12C_PRECISION
paths=${LD_LIBRARY_PATH:-}
y12=$build/yolo12c
tiny="$src/tests/driver/tiny.y12"
cd "$tmp" || exit 99
bad=0

fail() {
	echo "FAIL: $*"
	sed 's/^/    /' out err
	bad=1
}

# on CODE command...: with the stand-in driver; what it said in out and err, its calls in log
on() {
	code=$1
	shift
	rm -f log
	LD_LIBRARY_PATH=$tmp/lib:$paths Y12_STANDIN_LOG=$tmp/log Y12_TEST_KIR=1 "$@" >out 2>err
	got=$?
	[ $got -eq "$code" ] || fail "$*: exit code $got, not $code"
}

says() { grep -qE -e "$1" out err || fail "nothing says $1"; }

# ---- run: as on the host ------------------------------------------------------------------------

"$y12" run "$tiny" weights=random entry=forward input=random output=ref.npy >out 2>err || fail "on the host"
for sm in 75 80 90; do
	export Y12_STANDIN_SM=$sm
	on 0 "$y12" run "$tiny" weights=random entry=forward device=0 input=random compare=ref.npy tol=2e-3
	says 'agrees with'
	if [ $sm -ge 80 ]; then
		on 0 "$y12" run "$tiny" weights=random entry=forward device=0 precision=tf32 input=random compare=ref.npy tol=2e-3
		says 'agrees with'
	fi
	grep -q ', 0 left$' log || fail "sm_$sm: $(tail -n 1 log)"
done
on 0 "$y12" run "$tiny" weights=random entry=look device=0 input.picture=random precision=f32 output.output0=look.npy
on 4 "$y12" run "$tiny" weights=random entry=look device=7 input.picture=random
says 'there is no cuda:7'
on 2 "$y12" bench model="$tiny" weights=random device=cuda:x
says 'device=cuda:x: there are host'

# ---- bench ----------------------------------------------------------------------------------------

for sm in 80 90; do
	export Y12_STANDIN_SM=$sm
	on 0 "$y12" bench model="$tiny" weights=random entry=forward,look device=0 rounds=2 json=true
	for key in copy_bytes mma_flops median p90 call launches macs bytes arena first_result_from_cache; do
		says "\"$key\": "
	done
	says '"name": "Stand-in 0"'
	grep -q ', 0 left$' log || fail "bench, sm_$sm: $(tail -n 1 log)"
done
on 0 "$y12" bench model="$tiny" weights=random entry=forward device=0 rounds=1 profile=true
says '^forward: [0-9]+ launches, replay median'
says ' chain3x3s2_16_32_96_.* model.2.qk.conv'
Y12_STANDIN_MEMORY=10000 on 4 "$y12" bench model="$tiny" weights=random entry=forward device=0
says 'bytes of Stand-in 0.s memory'
on 3 "$y12" bench model="$tiny" weights=random device=0
says 'boxes'

# ---- tune: rows, which the next compilation takes ----------------------------------------------------

export Y12_STANDIN_SM=80
on 0 "$y12" tune model="$tiny" entry=forward device=0 budget=2s out=a.tune
says '^[0-9]+ shapes, [0-9]+ tiles tried'
grep -q '^# yolo12c tune sm_80; Stand-in 0$' a.tune || fail "the head of the table: $(head -n 1 a.tune)"
grep -q '^conv f16 1x1s1,1p0,0 g1 1x8x8x32 -> 8x8x32 = [0-9]' a.tune || fail "the rows: $(cat a.tune)"
grep -q '^chain f16 3x3s2,2p1,1 1x16x16xm144 -> 32 -> 96 = [0-9]' a.tune || fail "the rows: $(cat a.tune)"
grep -q '^attention f16 4 windows of 16, 1 heads of 32 with 5x5 of 8, in windows = ' a.tune || fail "the rows: $(cat a.tune)"
printf '%s\n' 'conv f16 1x1s1,1p0,0 g1 1x8x8x32 -> 8x8x32 = 64 16 32 2 4 1 0 0' \
	'chain f16 3x3s2,2p1,1 1x16x16xm144 -> 32 -> 96 = 32 2 3 1 0 0 0 0' >b.tune
YOLO12C_TUNE=b.tune on 0 "$y12" run "$tiny" weights=random entry=forward device=0 input=random compare=ref.npy tol=2e-3
YOLO12C_TUNE=b.tune "$y12" dump model="$tiny" weights=random entry=forward target=sm_80 stage=kir >out 2>err
says 'conv1x1s1_32_32_64_t64x16x32'
says 'chain3x3s2_16_32_96_64_t32x2x3'
# a tile that cannot be is no more than a wish
printf '%s\n' 'conv f16 1x1s1,1p0,0 g1 1x8x8x32 -> 8x8x32 = 7 7 7 7 7 7 7 7' >b.tune
YOLO12C_TUNE=b.tune on 0 "$y12" run "$tiny" weights=random entry=forward device=0 input=random compare=ref.npy tol=2e-3
echo 'nonsense' >b.tune
YOLO12C_TUNE=b.tune on 3 "$y12" run "$tiny" weights=random entry=forward device=0 input=random
says 'b.tune:1: this is no row'
# what reads pictures is measured, too: bytes of the arena stand for them
cat >early.y12 <<'END'
use std.blocks

model early() {
  entry maps(image: u8[2, 96, 64, 3]) {
    return map: cast(permute(image, [0, 3, 1, 2]), f32) / 255 |> Conv(16, k: 3, s: 2) |> Conv(32, k: 3, s: 2, g: 2)
  }
}
END
on 0 "$y12" tune model=early.y12 entry=maps device=0 budget=2s out=a.tune
grep -q '^pair f16 3x3s2,2p1,1 2x96x64xu8 3 -> 16 -> 3x3s2,2p1,1 g2 24x16x32 = [0-9].*# [0-9.]* us;' a.tune ||
	fail "the rows: $(cat a.tune)"
echo 'pair f16 3x3s2,2p1,1 2x96x64xu8 3 -> 16 -> 3x3s2,2p1,1 g2 24x16x32 = 8 8 32 4 1 1 0 0' >b.tune
"$y12" run early.y12 weights=random entry=maps input=random output=ref.npy >out 2>err || fail "on the host"
YOLO12C_TUNE=b.tune on 0 "$y12" run early.y12 weights=random entry=maps device=0 input=random compare=ref.npy tol=2e-3
says 'agrees with'
YOLO12C_TUNE=b.tune "$y12" dump model=early.y12 weights=random entry=maps target=sm_80 stage=kir >out 2>err
says 'pair3x3s2_3_16_3x3s2_32_768_p8x8x32_4_1_1'
on 2 "$y12" tune model="$tiny" entry=forward budget=2s
on 2 "$y12" tune model="$tiny" entry=forward device=0 budget=soon

# ---- compile, dump: PTX, and cubins where there is a ptxas ---------------------------------------------

for target in sm_75 sm_80 sm_90a; do
	"$y12" compile model="$tiny" weights=random target=$target cubin=false out=$target.y12e quiet=true >out 2>err || fail "compile $target"
	"$y12" inspect $target.y12e >out 2>err
	says "$target"
	"$y12" dump model="$tiny" weights=random target=$target stage=ptx >out 2>err || fail "dump $target"
	says "\\.target $target"
done
"$y12" dump model="$tiny" weights=random stage=ptx >out 2>err
says 'ptx is for GPUs'
"$y12" compile model="$tiny" weights=random target=sm_75 precision=bf16 out=x.y12e >out 2>err && fail "bf16 on an sm_75"
says 'an sm_75 has no bf16'
"$y12" compile model="$tiny" weights=random target=sm_75 precision=tf32 out=x.y12e >out 2>err && fail "tf32 on an sm_75"
says 'an sm_75 has no tf32; it has f16 and f32'
"$y12" compile model="$tiny" weights=random target=host precision=tf32 out=x.y12e >out 2>err && fail "tf32 on a processor"
says 'code for processors computes in f32'
"$y12" compile model="$tiny" weights=random target=sm_80 precision=tf33 out=x.y12e >out 2>err && fail "tf33"
says 'it must be auto, f32, tf32, f16 or bf16'

# words of bytes go from memory to the product as they are
for target in sm_75 sm_80; do
	"$y12" dump model="$src/tests/gpu/mma-s8.k" target=$target stage=ptx >out 2>err || fail "dump mma-s8.k"
	says 'mma.sync.aligned.m(8n8k16|16n8k32).row.col.s32.s8.s8.s32'
	grep -q 'bf[ei]\.\|prmt' out && fail "bytes are taken apart for $target"
done

# products in tf32 only where they are asked for
"$y12" dump model="$tiny" weights=random target=sm_90a precision=f32 stage=ptx >out 2>err || fail "dump f32"
grep -q 'mma' out && fail "f32 on matrix units"
"$y12" dump model="$tiny" weights=random target=sm_90a precision=tf32 stage=ptx >out 2>err || fail "dump tf32"
says 'mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32'
"$y12" dump model="$tiny" weights=random target=sm_90a stage=kept >out 2>err || fail "dump kept"
says 'stays f32: fewer than 8 channels'
says 'values are f16'
"$y12" dump model="$tiny" weights=random target=sm_80 precision=tf32 stage=kept >out 2>err || fail "dump kept tf32"
says 'may multiply in tf32'
"$y12" dump model="$tiny" weights=random stage=kept >out 2>err && fail "kept of a processor"
says 'all is f32'

# ---- check-gpu, a little of it -----------------------------------------------------------------------------

if [ -x "$build/tests/gpu/check_gpu" ]; then
	srcdir=$src on 0 "$build/tests/gpu/check_gpu" only="conv3x3.g, sm_80"
	says '^[0-9]+ passed, 0 failed$'
	for what in mma-s8.k "mma-tf32.k, sm_80" lost.k "too little memory" "conv1x1.g, sm_80 tf32"; do
		srcdir=$src on 0 "$build/tests/gpu/check_gpu" only="$what" jobs=2
		says '^[1-9][0-9]* passed, 0 failed$'
	done
	srcdir=$src on 1 "$build/tests/gpu/check_gpu" only="no such case"
	says '^0 passed, 0 failed$'
	on 2 "$build/tests/gpu/check_gpu" wrong=1
	says '^usage: check_gpu'
	srcdir=$src Y12_STANDIN_GPUS=0 on 77 "$build/tests/gpu/check_gpu"
fi
exit $bad
