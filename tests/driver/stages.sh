#!/bin/sh
# stages.sh -- every stage that `dump` writes is read back, is the same text again, and means the same.
#
#   spec ─eval─▶ reference outputs
#   dump stage=S out=a/S ──▶ dump model=a/S out=b/S: a and b are equal
#                        ──▶ run a/S backend=eval|interp|host: outputs equal the reference's
#
# SPDX-License-Identifier: Apache-2.0
set -u
src=${srcdir:-.} build=${builddir:-.}
y12=$PWD/$build/yolo12c
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
YOLO12C_CACHE_DIR=$tmp/cache
YOLO12C_PATH=$(cd "$src" && pwd)
export YOLO12C_CACHE_DIR YOLO12C_PATH
spec=$YOLO12C_PATH/tests/driver/tiny.y12
passes=$(sed -n 's/^PASS(\([a-z_0-9]*\),.*/\1/p' "$src/compiler/passes/passes.def")
bad=0

fail() {
	echo "FAIL: $*"
	bad=1
}

# want CODE WHAT command...
want() {
	code=$1 what=$2
	shift 2
	"$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	if [ $got -ne "$code" ]; then
		fail "$what: exit code $got, not $code"
		cat "$tmp/out" "$tmp/err"
	fi
}

mkdir "$tmp/a" "$tmp/b"
"$build/tests/driver/make_weights" "$spec" "$YOLO12C_PATH/stdlib" "$tmp/w.safetensors" || exit 99
net="weights=$tmp/w.safetensors"

want 0 "reference of forward" "$y12" run "$spec" $net entry=forward input=random:1 output="$tmp/forward.npy" backend=eval
want 0 "reference of look" "$y12" run "$spec" $net entry=look input=random:2 input.gain=random \
	output.output0="$tmp/look.npy" output.mean="$tmp/mean.npy" backend=eval

# same FILE BACKEND
same() {
	want 0 "$1 forward by $2" "$y12" run "$tmp/a/$1" entry=forward input=random:1 compare="$tmp/forward.npy" tol=1e-5 backend="$2"
	want 0 "$1 look by $2" "$y12" run "$tmp/a/$1" entry=look input=random:2 input.gain=random \
		compare.output0="$tmp/look.npy" compare.mean="$tmp/mean.npy" tol=1e-5 backend="$2"
}

for stage in graph $passes kir; do
	file=$stage.g
	[ $stage = kir ] && file=kir.k
	want 0 "dump $stage" "$y12" dump model="$spec" $net stage=$stage out="$tmp/a/$file"
	want 0 "dump $stage again" "$y12" dump model="$tmp/a/$file" stage=$stage out="$tmp/b/$file"
	cmp "$tmp/a/$file" "$tmp/b/$file" || fail "$stage: dump, read, dump gives another text"
	cmp "$tmp/a/$file.consts" "$tmp/b/$file.consts" || fail "$stage: other constants"
	[ $stage = kir ] || same $file eval
done
# machine code and interpreter take what a text holds through the rest of the compiler
for file in graph.g simplify.g fuse.g plan.g kir.k; do
	same $file interp
	same $file host
done

# what is taken further from a text is what comes straight from the spec
for stage in fuse plan kir; do
	file=$stage.g
	[ $stage = kir ] && file=kir.k
	"$y12" dump model="$tmp/a/graph.g" stage=$stage out="$tmp/b/$file" || fail "graph.g to $stage"
	cmp "$tmp/a/$file" "$tmp/b/$file" || fail "graph.g taken to $stage differs from the spec taken there"
done

# of GPUs there are chains, which stay what they are; for a network, fewer launches than convolutions
mkdir "$tmp/c" "$tmp/d"
for stage in chain tile schedule kir; do
	want 0 "dump $stage for a GPU" "$y12" dump model="$spec" $net target=sm_90a stage=$stage out="$tmp/c/$stage"
	want 0 "dump $stage for a GPU again" "$y12" dump model="$tmp/c/$stage" stage=$stage out="$tmp/d/$stage"
	cmp "$tmp/c/$stage" "$tmp/d/$stage" || fail "$stage for a GPU: dump, read, dump gives another text"
	grep -q chain "$tmp/c/$stage" || fail "$stage for a GPU has no chain"
done
launches() { "$y12" dump model=yolov12 scale=n target=sm_90a precision="$1" entry=boxes stage=schedule >"$tmp/out" 2>"$tmp/err" &&
	grep -c '^  group' "$tmp/out"; }
joined=$(launches f16)
[ "$(grep -c '^  group @[0-9]* chain ' "$tmp/out")" -ge 10 ] || fail "of yolov12n few convolutions are in chains"
grep -q '^  group @[0-9]* pair ' "$tmp/out" || fail "the first two layers of yolov12n are no pair"
apart=$(launches f32)
grep -qE '^  group @[0-9]* (chain|pair) ' "$tmp/out" && fail "there is no kernel for chains or pairs in f32"
[ "$joined" -le $((apart - 20)) ] || fail "yolov12n: $joined launches with chains, $apart without"

# a tile in a text that is none: it would be a kernel that divides by nothing, or that does not end
want 0 "a plan of yolov12n for a GPU" "$y12" dump model=yolov12 scale=n target=sm_90a entry=boxes stage=plan out="$tmp/plan.g"
want 0 "and the same again" "$y12" dump model="$tmp/plan.g" stage=plan
for family in conv chain pair attention; do
	for number in 0 -4 100000; do
		sed "s/\( $family root=[^{]*tile={\)[0-9]*,/\1$number,/" "$tmp/plan.g" >"$tmp/bad.g"
		cmp -s "$tmp/plan.g" "$tmp/bad.g" && fail "no $family in the plan"
		want 3 "a $family with $number in its tile" "$y12" dump model="$tmp/bad.g" stage=plan
		grep -q 'has a tile that no kernel of sm_90a has' "$tmp/err" || fail "a $family with $number in its tile: another error"
	done
done

# tiles that were measured: a row that no group takes is of kernels that are no more
for scale in n s x; do
	for batch in 1 32; do
		want 0 "dump tile of yolov12$scale" "$y12" dump model=yolov12 scale=$scale batch=$batch target=sm_90a entry=boxes stage=tile
		cat "$tmp/out"
	done
done >"$tmp/all"
sed -n 's/^[^#].* = \([-0-9 ]*[0-9]\) *#.*/\1/p' "$src/compiler/target/tune/sm_90a.tune" |
	sed -e 's/\( 0\)*$//' -e 's/ /,/g' | sort -u >"$tmp/tiles"
[ "$(wc -l <"$tmp/tiles")" -ge 100 ] || fail "few tiles in sm_90a.tune"
while read -r tile; do
	grep -q "tile={$tile[,}]" "$tmp/all" || fail "sm_90a.tune has the tile $tile, and no group of yolov12 n, s or x takes it"
done <"$tmp/tiles"

# without weights: shapes only
for stage in ast graph fuse plan; do
	want 0 "dump $stage without weights" "$y12" dump model="$spec" stage=$stage entry=forward
	[ -s "$tmp/out" ] || fail "dump $stage without weights printed nothing"
done
want 1 "kernels without weights" "$y12" dump model="$spec" stage=kir
grep -q 'no weights' "$tmp/err" || fail "kernels without weights: $(cat "$tmp/err")"
for stage in ll ll_opt asm; do
	want 0 "dump $stage" "$y12" dump model="$tmp/a/kir.k" stage=$stage
	[ -s "$tmp/out" ] || fail "dump $stage printed nothing"
done
want 0 "drawn plan" "$y12" dump model="$tmp/a/plan.g" entry=look stage=plan out="$tmp/a/plan.svg"
want 3 "a stage that lies behind" "$y12" dump model="$tmp/a/plan.g" stage=fuse
want 2 "a stage that is none" "$y12" dump model="$spec" stage=fusion

# an engine
want 0 "compile" "$y12" compile model="$spec" $net out="$tmp/a/tiny.y12e"
same tiny.y12e host
want 3 "an engine has no graph" "$y12" run "$tmp/a/tiny.y12e" entry=forward input=random backend=eval
want 0 "inspect" "$y12" inspect "$tmp/a/tiny.y12e"
grep -q '^entry look' "$tmp/out" || fail "inspect shows no entry look"
want 0 "inspect as JSON" "$y12" inspect "$tmp/a/tiny.y12e" json=true
head -c 3000 "$tmp/a/tiny.y12e" >"$tmp/a/cut.y12e"
want 3 "inspect a cut engine" "$y12" inspect "$tmp/a/cut.y12e"

# what must not pass
want 5 "other outputs" "$y12" run "$tmp/a/plan.g" entry=forward input=random:3 compare="$tmp/forward.npy"
want 5 "another shape" "$y12" run "$tmp/a/plan.g" entry=forward input=random:1 compare="$tmp/mean.npy"
want 3 "an input of another type" "$y12" run "$tmp/a/plan.g" entry=forward input="$tmp/mean.npy"
want 3 "no input" "$y12" run "$tmp/a/plan.g" entry=forward
want 3 "no such entry" "$y12" run "$tmp/a/plan.g" entry=backward input=random
want 3 "no such input" "$y12" run "$tmp/a/plan.g" entry=forward input.picture=random input=random
rm "$tmp/a/kir.k.consts"
want 3 "constants that are gone" "$y12" run "$tmp/a/kir.k" entry=forward input=random
sed '/^# consts/d' "$tmp/b/kir.k" >"$tmp/a/hollow.k"
want 3 "a program without constants" "$y12" run "$tmp/a/hollow.k" entry=forward input=random backend=interp
grep -q 'constants are not beside it' "$tmp/err" || fail "hollow program: $(cat "$tmp/err")"

# the other verbs
want 0 "info" "$y12" info model="$spec" json=true
want 0 "convert" "$y12" convert $net out="$tmp/half.safetensors" dtype=f16
want 0 "inspect weights" "$y12" inspect "$tmp/half.safetensors"
want 0 "the spec is in canonical form" "$y12" fmt "$spec" check=true
printf 'fn   f(x)=x\n' >"$tmp/ugly.y12"
want 1 "another form" "$y12" fmt "$tmp/ugly.y12" check=true
want 0 "written" "$y12" fmt "$tmp/ugly.y12" write=true
want 0 "and now canonical" "$y12" fmt "$tmp/ugly.y12" check=true
want 0 "doc of a block" "$y12" doc AAttn
grep -q 'Area attention' "$tmp/out" || fail "doc AAttn: $(cat "$tmp/out")"
want 2 "doc of nothing" "$y12" doc AAttm
want 0 "bench" "$y12" bench model="$spec" $net rounds=3 profile=true json=true threads=1
grep -q first_result_from_cache "$tmp/out" || fail "bench tells no time from the cache"

# the cache: a damaged entry is compiled again
for f in "$tmp"/cache/engines/*.y12e; do
	printf x | dd of="$f" bs=1 seek=2000 conv=notrunc 2>/dev/null
done
want 0 "bench after damage" "$y12" bench model="$spec" $net rounds=1 json=true threads=1
grep -q '"first_result_from_cache": -' "$tmp/out" && fail "a damaged engine came from the cache"
want 0 "bench from the cache" "$y12" bench model="$spec" $net rounds=1 threads=1
grep -q 'NOT found' "$tmp/out" && fail "the cache did not keep the engine: $(cat "$tmp/out")"
exit $bad
