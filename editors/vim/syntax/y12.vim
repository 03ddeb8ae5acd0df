" y12.vim -- specs of yolo12c.  The words are those of dsl/token.def; a test compares them.
" SPDX-License-Identifier: Apache-2.0
if exists('b:current_syntax')
  finish
endif

" words that are never names
syntax keyword y12Conditional if else match
syntax keyword y12Repeat for
syntax keyword y12Statement return assert
syntax keyword y12Declare let fn
syntax keyword y12Word as in and or not
syntax keyword y12Boolean true false
syntax keyword y12Constant none pi inf
syntax keyword y12Type int real bool string symbol shape size list tuple range tensor function any dtype one_of
syntax keyword y12Type u8 i32 i64 f16 bf16 f32 f64

" words that are keywords in their place only
syntax match y12Soft /\v(^|[;{])\s*\zs<(use|model|block|entry|export|train|augment|warp)>\ze\s+["A-Za-z_]/
syntax match y12Soft /\v(^|[;{])\s*\zs<layers>\ze\s*["{]/
syntax match y12Soft /\v(^|[;{])\s*\zs<check>\s+shape>/
syntax match y12Soft /\v<(param|buffer)>\ze\s+[A-Za-z_]/
syntax match y12Soft /\v\)\s*\zs<at>\ze\s*\(/

syntax match y12Function /\v<\h\w*>\ze\(/
syntax match y12Argument /\v<\h\w*>\ze\s*:/
syntax match y12Number /\v<\d+(\.\d+)?([eE][+-]?\d+)?>/
syntax match y12Operator /\v\|\>|\.\.|\=\=|!\=|\<\=|\>\=|-\>|\=\>|\/\/|\*\*|[-<>+*\/%^=~|]/
syntax match y12Escape /\v\\[nt"\\]/ contained
syntax region y12String start=/"/ end=/"\|$/ skip=/\\\\\|\\"/ contains=y12Escape oneline
syntax match y12Comment /#.*$/ contains=y12Todo,@Spell
syntax match y12Doc /^\s*##.*$/ contains=@Spell
syntax keyword y12Todo TODO FIXME contained

highlight default link y12Conditional Conditional
highlight default link y12Repeat Repeat
highlight default link y12Statement Statement
highlight default link y12Declare Keyword
highlight default link y12Soft Keyword
highlight default link y12Word Operator
highlight default link y12Boolean Boolean
highlight default link y12Constant Constant
highlight default link y12Type Type
highlight default link y12Function Function
highlight default link y12Argument Identifier
highlight default link y12Number Number
highlight default link y12Operator Operator
highlight default link y12Escape SpecialChar
highlight default link y12String String
highlight default link y12Comment Comment
highlight default link y12Doc SpecialComment
highlight default link y12Todo Todo

setlocal commentstring=#\ %s
let b:current_syntax = 'y12'
