#!/bin/sh
# package_gpu.sh -- yolo12c as one folder for a machine that has a driver and a C library, and nothing else.
#
#     bench/package_gpu.sh OUT.tar.xz [BUILD]
#
#         yolo12c/bin      the programs, LLVM inside
#         yolo12c/lib      the other libraries they need, but those of the C library itself
#         yolo12c/run      sets the library path and starts one of them: run yolo12c doctor
#         yolo12c/stdlib models examples bench tests
#
# The two programs hold the same LLVM, which the compressor sees when its window spans both.
# BUILD is a folder for the build, kept for the next time; without it one is made and removed.  The C
# library there must not be older than the one here.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,/^# SPDX/p' "$0" >&2; exit 2; }
src=$(cd "$(dirname "$0")/.." && pwd)
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
build=${2:-$tmp/build}
llvm=${LLVM_CONFIG:-llvm-config-19}
jobs=${JOBS:-$(nproc)}

# ---- built, with the parts of LLVM that the back ends call ----------------------------------
mkdir -p "$build"
cd "$build"
[ -f config.status ] || "$src/configure" -q CFLAGS="-O2 -g1"
parts=$("$llvm" --link-static --libs nvptx x86 aarch64 passes | tr '\n' ' ')
system=$("$llvm" --link-static --system-libs | tr '\n' ' ')
grep -q LLVMNVPTXCodeGen libbackend.la 2>/dev/null || rm -f libbackend.la
programs="yolo12c tests/gpu/check_gpu"
make -s -j"$jobs" LLVM_LIBS="-L$("$llvm" --libdir) $parts $system -lstdc++" \
	LDFLAGS="-Wl,--gc-sections,--as-needed" $programs
cc -std=gnu11 -D_GNU_SOURCE -O2 -DY12_CUDA=1 -I"$src" "$src"/runtime/core/*.c "$src/bench/gpu_run.c" \
	-o gpu_run -ldl -lpthread -lm

# ---- gathered -------------------------------------------------------------------------------
to=$tmp/yolo12c
mkdir -p "$to/bin" "$to/lib"
for p in $programs gpu_run; do
	cp "$p" "$to/bin/"
	strip "$to/bin/$(basename "$p")"
done
ldd "$to"/bin/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r lib; do
	case $(basename "$lib") in
	libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so* | ld-linux*) ;;
	*) cp -L "$lib" "$to/lib/"; strip --strip-unneeded "$to/lib/$(basename "$lib")" ;;
	esac
done
cat >"$to/run" <<'END'
#!/bin/sh
# run PROGRAM [ARGUMENT …]: a program of bin/ with the libraries of lib/
here=$(cd "$(dirname "$0")" && pwd)
program=$here/bin/$1
shift
LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} YOLO12C_PATH=$here exec "$program" "$@"
END
chmod +x "$to/run"
cp -R "$src/stdlib" "$src/models" "$src/examples" "$src/bench" "$to/"
mkdir -p "$to/tests"
cp -R "$src/tests/numeric" "$to/tests/"
rm -f "$to"/tests/numeric/*.c
mkdir -p "$to/tests/gpu"
cp "$src"/tests/gpu/*.k "$to/tests/gpu/"
[ ! -d "$src/compiler/target/tune" ] || { mkdir -p "$to/compiler/target"; cp -R "$src/compiler/target/tune" "$to/compiler/target/"; }
cp "$src/LICENSE" "$to/"

# ---- tried, with nothing but what is in it ---------------------------------------------------
cd /
env -i HOME="$tmp" PATH=/usr/bin:/bin YOLO12C_CACHE_DIR="$tmp/cache" "$to/run" yolo12c predict model=yolov12 \
	weights="$to/models/weights/codes-n.safetensors" source="$to/examples/pictures" save=false quiet=true >/dev/null
env -i "$to/run" gpu_run 2>/dev/null || [ $? -eq 2 ]

mkdir -p "$(dirname "$out")"
tar -C "$tmp" --owner=0 --group=0 --numeric-owner --sort=name -cf - yolo12c | xz --lzma2=preset=4,dict=128MiB >"$out.part"
mv "$out.part" "$out"
du -h "$out"
