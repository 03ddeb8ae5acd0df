#!/bin/sh
# rooms.sh -- rooms include only what the table of docs/architecture.md lets them, and other rules of the house.
#
#     | `compiler/passes/` | graph to graph … | base, graph, target |
#
# A word is the last piece of a room's name, or the path of one header.  A room may always include itself.
#
# SPDX-License-Identifier: Apache-2.0
set -u
src=${srcdir:-.} build=${builddir:-.}
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0

fail() {
	echo "FAIL: $*"
	bad=1
}

# what a check found is its error
none() {
	if [ -s "$tmp/found" ]; then
		fail "$1"
		sed 's/^/    /' "$tmp/found"
	fi
}

files() {
	(cd "$src" && find compiler runtime dsl "$@" -type f)
}

# ---- arrows --------------------------------------------------------------------------------------

# room, then what it may include, one row each
awk -F'|' '$2 ~ /^ *`[a-z\/]+\/` *$/ {
	gsub(/[` ]/, "", $2); gsub(/[`]/, "", $4); sub(/\/$/, "", $2); gsub(/,/, " ", $4)
	print $2, $4
}' "$src/docs/architecture.md" >"$tmp/rooms"
[ "$(wc -l <"$tmp/rooms")" -ge 16 ] || fail "the table of rooms in docs/architecture.md can't be read"

# file:line room-of-the-file included-path, for every include of ours
includes() {
	(cd "$src" && find "$@" -type f \( -name '*.[chly]' -o -name '*.def' \) -exec grep -nH '^ *# *include *"' {} +) |
		sed 's/^\([^:]*:[0-9]*\):.*"\(.*\)".*/\1 \2/'
}

# The arrows of the table, and what includes follow.
arrows() {
	awk '
	NR == FNR { name = $1; sub(/.*\//, "", name); path[name] = $1; room[$1] = 1
	            for (i = 2; i <= NF; i++) may[$1, $i] = 1; next }
	{
		file = $1; sub(/:.*/, "", file)
		from = file; while (from != "" && !(from in room)) if (!sub(/\/[^\/]*$/, "", from)) from = ""
		to = $2
		# the roots of include paths: the top, and compiler/
		if (to !~ /^(runtime|dsl)\//) to = "compiler/" to
		dir = to; while (dir != "" && !(dir in room)) if (!sub(/\/[^\/]*$/, "", dir)) dir = ""
		short = dir; sub(/.*\//, "", short)
		if ($2 == "config.h") next
		if (from == "") { print $1 ": lies in no room of the table"; next }
		if (dir == from || (from, short) in may || (from, $2) in may) next
		print $1 ": " from " may not include " $2
	}' "$tmp/rooms" -
}
includes compiler runtime dsl | arrows >"$tmp/found"
none "an include turns an arrow round"

# and the check itself sees what it should
mistakes='compiler/passes/x.c:1 kir/kir.h
compiler/backend/x.c:1 graph/graph.h
runtime/core/x.c:1 base/base.h
runtime/core/x.c:2 runtime/media/media.h
compiler/graph/x.c:1 dsl/ast.h
dsl/x.c:1 graph/graph.h
compiler/base/x.c:1 graph/graph.h
compiler/engine/x.c:1 runtime/core/engine.h'
printf '%s\n' "$mistakes" | arrows >"$tmp/seen"
[ "$(wc -l <"$tmp/seen")" -eq "$(printf '%s\n' "$mistakes" | wc -l)" ] || fail "a wrong include goes unseen: $(cat "$tmp/seen")"

# ---- every file ------------------------------------------------------------------------------------

# sources say their licence at the top
files tests bench \( -name '*.[chly]' -o -name '*.def' -o -name '*.sh' -o -name '*.py' \) |
	while read -r f; do
		head -n 60 "$src/$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"
	done >"$tmp/found"
none "no SPDX-License-Identifier"

# nothing knows the machine that it was written on, nothing is left for later
text() {
	(cd "$src" && find compiler runtime dsl stdlib models tests bench docs README.md CONTRIBUTING.md configure.ac Makefile.am \
		quickstart -type f ! -name '*.safetensors' ! -name '*.pt' ! -path tests/lint/rooms.sh -exec grep -nHIE "$1" {} +)
}
text '(^|[^[:alnum:]./])/(work|root|mnt|srv|workspace)/|/home/[a-z]+/[a-z]+/' >"$tmp/found"
none "a path of one machine"
text '(^|[^[:alnum:]_])(TODO|FIXME|XXX|HACK)([^[:alnum:]_]|$)' >"$tmp/found"
none "left for later"
(cd "$src" && files tests bench \( -name '*.[chly]' -o -name '*.def' -o -name '*.sh' -o -name '*.py' \) |
	xargs grep -nHE '[[:space:]]+$') >"$tmp/found"
none "blanks at the end of a line"

# ---- what ships alone ------------------------------------------------------------------------------

# runtime/core needs a C compiler and libc, nothing else
cc=${CC:-cc}
for f in "$src"/runtime/core/*.c; do
	$cc -std=gnu11 -D_GNU_SOURCE -O0 -fPIC -Wall -Wextra -Werror -I"$src" -c "$f" -o "$tmp/$(basename "$f").o" ||
		fail "$f does not compile alone"
done
$cc -shared -Wl,--no-undefined "$tmp"/*.o -lpthread -ldl -o "$tmp/libcore.so" || fail "runtime/core does not link alone"
# the public header suits C and, where there is a compiler, C++
printf '#include "runtime/yolo12c.h"\nint main(void) { return y12_message(0) == 0; }\n' >"$tmp/user.c"
$cc -std=c11 -pedantic -Wall -Wextra -Werror -I"$src" -fsyntax-only "$tmp/user.c" || fail "runtime/yolo12c.h in strict C11"
if command -v c++ >/dev/null; then
	cp "$tmp/user.c" "$tmp/user.cc"
	c++ -std=c++11 -Wall -Wextra -Werror -I"$src" -fsyntax-only "$tmp/user.cc" || fail "runtime/yolo12c.h in C++"
fi

# specs that come with yolo12c have the form that fmt prints
for f in "$src"/stdlib/*.y12 "$src"/models/*.y12; do
	"$build/yolo12c" fmt "$f" check=true >"$tmp/found" 2>&1 || none "$f is not in canonical form"
done
exit $bad
