#!/bin/sh
# editors.sh -- runs editors.py, and Vim on its own file, where there are such.
#
# SPDX-License-Identifier: Apache-2.0
src=${srcdir:-.}
command -v python3 >/dev/null || { echo "no python3: the grammars under editors/ are not looked at"; exit 77; }
python3 "$src/tests/dsl/editors.py" "$src" || exit 1
if command -v vim >/dev/null; then
	vim -es -u NONE -c 'set nocp' -c 'syntax on' -c "source $src/editors/vim/syntax/y12.vim" -c 'qa!' || exit 1
fi
