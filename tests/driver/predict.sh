#!/bin/sh
# predict.sh -- the command on good and bad input: results, messages, exit codes, what stays on the disk.
#
# With the demo model; all pictures but one have one frame, so that there is little to compile.
#
# SPDX-License-Identifier: Apache-2.0
set -u
src=$(cd "${srcdir:-.}" && pwd) build=$(cd "${builddir:-.}" && pwd)
tmp=$(mktemp -d) || exit 99
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
export YOLO12C_CACHE_DIR="$tmp/cache" YOLO12C_PATH="$src"
unset YOLO12C_PRECISION YOLO12C_ATTN
net="model=$src/models/yolov12.y12 weights=$src/models/weights/codes-n.safetensors"
pictures=$src/examples/pictures
cd "$tmp" || exit 99
bad=0

fail() {
	echo "FAIL: $*"
	bad=1
}

# want CODE WHAT keys...: predict with the demo model
want() {
	code=$1 what=$2
	shift 2
	"$build/yolo12c" predict "$@" >out 2>err
	got=$?
	[ $got -eq "$code" ] && return
	fail "$what: exit code $got, not $code"
	sed 's/^/    /' out err
}

# the last command's words, on standard output or standard error
said() {
	grep -q -- "$1" out err && return
	fail "$what: nothing says '$1'"
	sed 's/^/    /' out err
}

exists() {
	for f; do [ -s "$f" ] || fail "$what: there is no $f"; done
}

# no half of a file, by whatever name
whole() {
	find "$1" -type f ! -name '*.jpg' ! -name '*.txt' ! -name '*.json' >stray
	[ ! -s stray ] || fail "$what: left behind: $(cat stray)"
	for f in $(find "$1" -name '*.jpg'); do
		[ "$(tail -c 2 "$f" | od -An -tx1 | tr -d ' ')" = ffd9 ] || fail "$what: $f ends early"
	done
}

# ---- what works ----------------------------------------------------------------------------------

want 0 "a folder" $net source="$pictures" save_txt=true save_conf=true save_crop=true project=runs name=all
said '^image 1/4 .*4_barcodes.jpg: 640x480 .*4 barcodes'
said '^Speed: .* preprocess, .* inference, .* postprocess per image at shape (1, 3, '
said 'Results saved to runs/all'
said '4 labels saved to runs/all/labels'
for p in 4_barcodes choriginal diamondmarkers singlemarkersoriginal; do
	exists runs/all/$p.jpg runs/all/labels/$p.txt
	grep -qvE '^[0-5]( [01](\.[0-9e-]+)?){5}$' runs/all/labels/$p.txt && fail "labels of $p: $(cat runs/all/labels/$p.txt)"
done
exists runs/all/crops/barcode/4_barcodes.jpg
whole runs
want 0 "the same name again" $net source="$pictures/4_barcodes.jpg" project=runs name=all
said 'Results saved to runs/all2'
want 0 "into the same folder" $net source="$pictures/4_barcodes.jpg" project=runs name=all exist_ok=true
said 'Results saved to runs/all$'

want 0 "JSON" $net source="$pictures/choriginal.jpg" json=true save=false
cp out choriginal.json
said '"name": "marker"'
want 0 "standard input" $net source=- json=true save=false <"$pictures/choriginal.jpg"
[ "$(sed 's/.*"results"//' out)" = "$(sed 's/.*"results"//' choriginal.json)" ] || fail "a picture on standard input gives other results"
printf '%s\n' "$pictures/choriginal.jpg" '' "$pictures/4_barcodes.jpg" >list.txt
want 0 "a list" $net source=list.txt save=false
said '^image 2/2 .*4_barcodes.jpg'
want 0 "a pattern" $net source="$pictures/*markers*.jpg" save=false
said '^image 2/2 .*singlemarkersoriginal.jpg'
want 0 "classes by name and number" $net source="$pictures/4_barcodes.jpg" classes=qr,5 save=false
said 'image 1/1'
grep -q barcodes: out && fail "classes=qr,5 shows bar codes"
want 0 "a size that is no multiple of 32" $net imgsz=300 source="$pictures/4_barcodes.jpg" save=false
said 'it becomes 320,320'
[ -d runs/detect ] && fail "save=false makes a folder"

"$build/yolo12c" compile $net entry=detect out=codes.y12e quiet=true || fail "compile"
want 0 "an engine" model=codes.y12e source="$pictures/choriginal.jpg" json=true save=false
cp out engine.json
want 0 "as square" $net source="$pictures/choriginal.jpg" json=true save=false rect=false
cmp out engine.json || fail "an engine gives other results than the spec that it was made of"
printf x | dd of=codes.y12e bs=1 seek=5000 conv=notrunc 2>/dev/null
want 3 "a damaged engine" model=codes.y12e source="$pictures/choriginal.jpg"
said codes.y12e

# ---- mistakes in what was asked ---------------------------------------------------------------------

want 2 "an unknown key" $net source="$pictures" confi=0.3
said "did you mean.*conf"
want 2 "an unknown verb's cousin" predic
want 2 "no source" $net
said source
want 2 "no model" source="$pictures"
said model
want 2 "no weights" model=yolov12 source="$pictures"
said weights=
want 2 "a class that is none" $net source="$pictures/4_barcodes.jpg" classes=qrr save=false
said "did you mean 'qr'"
want 2 "a weights file as model" model=best.pt source="$pictures"
said "weights=best.pt"
for size in 0 -640 1e9 640,0 99999999999999999999 abc 1000000 640,640,640 ''; do
	want 2 "imgsz=$size" $net imgsz="$size" source="$pictures"
	said imgsz
done
for key in conf=1.5 conf=-1 conf=nan iou=2 batch=0 batch=1e9 max_det=0 line_width=-1 save=perhaps; do
	want 2 "$key" $net $key source="$pictures"
	said "${key%%=*}"
done

want 2 "a device that is none" $net device=tpu source="$pictures"
said 'device=tpu'

# ---- bad input data ------------------------------------------------------------------------------------

mkdir empty mixed
want 3 "an empty folder" $net source=empty
said empty
want 3 "a folder that is not there" $net source=nowhere
said nowhere
want 3 "a pattern that fits nothing" $net source='nowhere/*.jpg'
want 3 "a model that is not there" model=nowhere.y12 weights="$src/models/weights/codes-n.safetensors" source="$pictures"
said nowhere.y12
want 3 "weights that are not there" model=yolov12 weights=nowhere.pt source="$pictures"
said nowhere.pt
echo 'no weights at all' >text.safetensors
want 3 "weights that are text" model=yolov12 weights=text.safetensors source="$pictures"
said text.safetensors
head -c 300000 "$src/models/weights/codes-n.safetensors" >cut.safetensors
want 3 "weights that end early" model=yolov12 weights=cut.safetensors source="$pictures"
said cut.safetensors
want 3 "weights of another scale" $net scale=s source="$pictures"
said 'model.0.conv.weight'
printf 'model m() {\n  entry detect(x: f32[1]) { retrun x }\n}\n' >bad.y12
want 3 "a spec with a mistake" model=bad.y12 weights="$src/models/weights/codes-n.safetensors" source="$pictures"
said '^bad.y12:2:'

cp "$pictures/4_barcodes.jpg" mixed/b.jpg
cp "$pictures/choriginal.jpg" mixed/d.jpg
head -c 20000 mixed/b.jpg >mixed/a.jpg
echo 'no picture' >mixed/c.png
: >mixed/e.webp
want 3 "pictures that are none" $net source=mixed project=runs name=mixed
for p in a.jpg c.png e.webp; do said "mixed/$p: "; done
said '3 of 5 pictures'
exists runs/mixed/b.jpg runs/mixed/d.jpg
[ "$(ls runs/mixed | wc -l)" -eq 2 ] || fail "pictures that are none leave files: $(ls runs/mixed)"
whole runs
want 3 "a batch with one of them" $net batch=2 source=mixed save=false
said '3 of 5 pictures'
want 3 "no picture on standard input" $net source=- save=false </dev/null

# ---- resources ---------------------------------------------------------------------------------------------

: >file
want 4 "a run folder below a file" $net source="$pictures/4_barcodes.jpg" project=file/runs
said file
if [ "$(id -u)" -ne 0 ]; then
	mkdir locked
	chmod 500 locked
	want 4 "a folder that may not be written" $net source="$pictures/4_barcodes.jpg" project=locked
	said locked
fi
"$build/yolo12c" predict $net source="$pictures/4_barcodes.jpg" save=false >/dev/full 2>err
[ $? -eq 4 ] || fail "a full standard output: exit code $?"
grep -q 'standard output' err || fail "a full standard output: $(cat err)"

# as on a disk with no room: files may not grow beyond 20 KiB, and nobody is killed for trying
(trap '' XFSZ; ulimit -f 40; "$build/yolo12c" predict $net source="$pictures" project=runs name=full >out 2>err)
got=$? what="a full disk"
[ $got -eq 4 ] || fail "$what: exit code $got, not 4"
said runs/full
[ -z "$(find runs/full -type f)" ] || fail "$what leaves $(find runs/full -type f)"
# the same with a cache that can't be written: slower, and no more than that
(trap '' XFSZ; ulimit -f 40; YOLO12C_CACHE_DIR=$tmp/none "$build/yolo12c" predict $net source="$pictures/4_barcodes.jpg" save=false >out 2>err)
got=$? what="no room for the cache"
[ $got -eq 0 ] || { fail "$what: exit code $got"; cat out err; }
# what is small enough is kept, what is not leaves no half of it
find none -type f ! -name 'k-[0-9a-f]*' >stray 2>/dev/null
[ ! -s stray ] || fail "$what: left behind: $(cat stray)"
YOLO12C_CACHE_DIR=file/cache want 0 "a cache below a file" $net source="$pictures/4_barcodes.jpg" save=false

# ---- Ctrl-C ---------------------------------------------------------------------------------------------------

for i in 1 2 3 4 5 6 7 8 9; do
	for j in 1 2 3 4 5 6 7 8 9; do echo "$pictures/choriginal.jpg"; done
done >many.txt
what="Ctrl-C"
mkfifo lines
"$build/yolo12c" predict $net source=many.txt project=runs name=stopped threads=1 >lines 2>err &
pid=$!
# after the third picture; what it still says is read to the end
awk -v pid=$pid '{ print } /^image 3\// { system("kill -INT " pid) }' lines >out
wait $pid
got=$?
[ $got -eq 130 ] || fail "$what: exit code $got, not 130"
said 'pictures are done'
done=$(grep -c '^image ' out)
[ "$done" -ge 3 ] && [ "$done" -lt 81 ] || fail "$what: $done pictures"
[ "$(ls runs/stopped | wc -l)" -eq "$done" ] || fail "$what: $done pictures, $(ls runs/stopped | wc -l) files"
whole runs
exit $bad
