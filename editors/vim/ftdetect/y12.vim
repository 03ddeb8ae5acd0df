" y12.vim -- files of yolo12c
" SPDX-License-Identifier: Apache-2.0
autocmd BufRead,BufNewFile *.y12 setfiletype y12
