#!/bin/sh
# front.sh -- the verbs around the language: check, train, explain-error, doc, fmt, complete.
#
# SPDX-License-Identifier: Apache-2.0
set -u
src=${srcdir:-.} build=${builddir:-.}
y12=$PWD/$build/yolo12c
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
YOLO12C_PATH=$(cd "$src" && pwd)
export YOLO12C_PATH
bad=0

fail() {
	echo "FAIL: $*"
	bad=1
}

# want CODE TEXT command...: the exit code, and a text on either output
want() {
	code=$1 text=$2
	shift 2
	"$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	[ $got -eq "$code" ] || fail "$*: exit code $got, not $code"
	grep -qF -e "$text" "$tmp/out" "$tmp/err" || {
		fail "$*: nothing says: $text"
		cat "$tmp/out" "$tmp/err"
	}
}

many=$YOLO12C_PATH/tests/golden/err/elab-many.y12
later=$YOLO12C_PATH/tests/golden/err/elab-later.y12

want 0 "yolov12 is fine" "$y12" check model=yolov12 scale=x
want 3 "nothing is named nothing [unknown-name]" "$y12" check "$many"
want 0 "training, augmentation" "$y12" check "$later"
want 2 "which spec?" "$y12" check
want 1 "training arrives in later work" "$y12" train model="$later" data=coco.yaml epochs=100
want 3 "[unknown-name]" "$y12" train model="$many"

# colours when asked for, and not otherwise
esc=$(printf '\033')
want 3 "$esc[1;31m" "$y12" check "$many" color=always
want 3 "$esc[1;31m" "$y12" check "$many" --color=always
"$y12" check "$many" 2>&1 | grep -q "$esc" && fail "colours in a pipe"
want 2 "it must be auto, always or never" "$y12" check "$many" color=red

# LSP-like: lines and characters from 0
want 3 '"code": "unknown-name"' "$y12" check "$many" json=true
if command -v python3 >/dev/null; then
	python3 - "$tmp/out" <<'PY' || fail "the JSON of check"
import json, sys
d = json.load(open(sys.argv[1]))
assert len(d) == 3, d
m = [x for x in d if x["code"] == "unknown-name"][0]
assert m["range"] == {"start": {"line": 7, "character": 18}, "end": {"line": 7, "character": 25}}, m
assert m["severity"] == 1
PY
fi
want 0 "[]" "$y12" check model=yolov12 json=true

# every slug has its section, and every section is printed
want 0 "Nothing is named so here" "$y12" explain-error unknown-name
want 0 "Nothing is named so here" "$y12" explain_error unknown-name
want 2 "did you mean unknown-name?" "$y12" explain-error unknown-nam
for slug in $(sed -n 's/^## //p' "$YOLO12C_PATH/docs/errors.md"); do
	want 0 "Wrong:" "$y12" explain-error "$slug"
done

for name in Conv DWConv Bottleneck C3k C3k2 C2f A2C2f ABlock AAttn Upsample Concat DFL Detect \
	letterbox decode suppress nms; do
	want 0 "$name(" "$y12" doc $name
	[ "$(wc -l <"$tmp/out")" -gt 2 ] || fail "doc $name says next to nothing"
done

printf 'let  a=1\n' >"$tmp/a.y12"
want 1 "$tmp/a.y12" "$y12" fmt check=true "$tmp/a.y12"
want 1 "$tmp/a.y12" "$y12" fmt --check "$tmp/a.y12"
want 0 "let a = 1" "$y12" fmt "$tmp/a.y12"

# completion: what bash makes of it; the others are looked at by their own shell, if there is one
want 2 "for which shell?" "$y12" complete
want 2 "there is no completion for csh" "$y12" complete csh
for shell in bash zsh fish; do
	"$y12" complete $shell >"$tmp/complete.$shell" || fail "complete $shell"
	for verb in predict check explain-error; do
		grep -q -e "$verb" "$tmp/complete.$shell" || fail "complete $shell does not know $verb"
	done
	command -v $shell >/dev/null && ! $shell -n "$tmp/complete.$shell" && fail "complete $shell: syntax"
done
if command -v bash >/dev/null; then
	# completes LINE WANTED
	completes() {
		got=$(bash -c '. "$1"; COMP_WORDS=($2); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _yolo12c; echo "${COMPREPLY[*]}"' \
			sh "$tmp/complete.bash" "$1")
		[ "$got" = "$2" ] || fail "completion of '$1' is '$got', not '$2'"
	}
	completes "yolo12c pre" "predict"
	completes "yolo12c ex" "explain-error"
	completes "yolo12c predict con" "conf="
	completes "yolo12c info scale = n" "n"
	completes "yolo12c info scale =" "n s m l x"
	completes "yolo12c fmt check = t" "true"
	completes "yolo12c complete f" "fish"
fi
if command -v fish >/dev/null; then
	# fish_completes LINE WANTED
	fish_completes() {
		got=$(HOME=$tmp fish --no-config -c "source $tmp/complete.fish; complete -C '$1'" | cut -f1 | tr '\n' ' ')
		[ "$got" = "$2 " ] || fail "completion of '$1' in fish is '$got', not '$2'"
	}
	fish_completes "yolo12c pre" "predict"
	fish_completes "yolo12c predict con" "conf="
	fish_completes "yolo12c info scale=" "scale=l scale=m scale=n scale=s scale=x"
	fish_completes "yolo12c predict weights=$tmp/a.y" "weights=$tmp/a.y12"
fi
if command -v zsh >/dev/null; then
	# what _describe and compadd would be given
	zsh_completes() {
		got=$(zsh -f -c "_describe() { shift \$((\$# > 2 ? 1 : 0)); print -r -- \${(P)2%%:*} }; compadd() { shift; print -r -- \$* }
			compset() { [[ \${words[CURRENT]} = *=* ]] }; _files() { print files }
			words=($1) CURRENT=$2; . $tmp/complete.zsh")
		case " $(echo $got) " in *" $3 "*) ;; *) fail "completion of '$1' in zsh is '$got', without '$3'" ;; esac
	}
	zsh_completes "yolo12c pre" 2 predict
	zsh_completes "yolo12c predict con" 3 conf=
	zsh_completes "yolo12c info scale=" 3 "n s m l x"
	zsh_completes "yolo12c predict weights=a" 3 files
fi
exit $bad
