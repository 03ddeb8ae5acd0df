"""editors.py -- the grammars under editors/ against dsl/token.def and against every spec.

    keyword lists        those of the TextMate grammar and of the Vim file are those of token.def
    every .y12 file      is cut by the TextMate grammar; each token has the scope that it must have

The engine here knows what the grammar uses: match, begin and end, captures, include.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import sys

ROOT = sys.argv[1]
bad = 0


def fail(text):
    global bad
    bad += 1
    if bad < 20:
        print("FAIL:", text)


def read(path):
    with open(os.path.join(ROOT, path), "rb") as f:
        return f.read().decode("utf-8", "replace")


# ---- the words ---------------------------------------------------------------------------------

tokens = re.findall(r"^TOKEN\(\S+\s+\"([^\"]+)\",\s*([^)]*)\)", read("dsl/token.def"), re.M)
hard = {t for t, f in tokens if "KEY" in f}
soft = {t for t, f in tokens if "SOFT" in f}
operators = {t for t, f in tokens if "OP" in f.replace("TOP", "") and not t[0].isalpha()} | {"=", "->", "=>", "~", "|", "^"}
assert len(hard) == 15 and len(soft) == 13, (hard, soft)

grammar = json.loads(read("editors/y12.tmLanguage.json"))
vim = read("editors/vim/syntax/y12.vim")


def words_of(regex):
    return set(re.findall(r"[a-z_][a-z_0-9]*", re.sub(r"\[[^\]]*\]|\\[bs]|\(\?[:<=!]+", " ", regex)))


repo = grammar["repository"]
tm_hard = set()
for rule in repo["keyword"]["patterns"] + repo["constant"]["patterns"][:1]:
    tm_hard |= words_of(rule["match"])
if tm_hard != hard:
    fail("TextMate keywords: %s" % sorted(tm_hard ^ hard))
tm_soft = set()
for rule in repo["declaration"]["patterns"][:2] + repo["soft"]["patterns"]:
    tm_soft |= words_of(rule["match"])
if tm_soft - {"shape"} != soft:
    fail("TextMate words of a place: %s" % sorted((tm_soft - {"shape"}) ^ soft))

vim_words = {}
for group, text in re.findall(r"^syntax keyword (\w+) (.*)$", vim, re.M):
    vim_words.setdefault(group, set()).update(w for w in text.split() if w != "contained")
vim_hard = set().union(*(vim_words[g] for g in
                         ("y12Conditional", "y12Repeat", "y12Statement", "y12Declare", "y12Word", "y12Boolean")))
if vim_hard != hard:
    fail("Vim keywords: %s" % sorted(vim_hard ^ hard))
vim_soft = set()
for text in re.findall(r"^syntax match y12Soft (.*)$", vim, re.M):
    vim_soft |= set(re.findall(r"(?<![\\\w])[a-z]{2,}", text.replace(r"\zs", "").replace(r"\ze", "").replace(r"\v", "")))
if vim_soft - {"shape"} != soft:
    fail("Vim words of a place: %s" % sorted((vim_soft - {"shape"}) ^ soft))

types = set(re.findall(r"^DTYPE\((\w+),", read("compiler/base/dtype.def"), re.M)) - {"bool"}
for who, have in (("TextMate", words_of(repo["type"]["match"])), ("Vim", vim_words["y12Type"])):
    if not types <= have:
        fail("%s types lack %s" % (who, sorted(types - have)))
for line in vim.splitlines():
    if line and not re.match(r"\"|if |  finish|endif|syntax (keyword|match|region) |highlight default link |setlocal |let ", line):
        fail("Vim: " + line)
for group in re.findall(r"^syntax (?:keyword|match|region) (\w+)", vim, re.M):
    if "highlight default link %s " % group not in vim:
        fail("Vim: %s has no highlight" % group)

# ---- a small engine -----------------------------------------------------------------------------


def rules(patterns):
    out = []
    for p in patterns:
        if "include" in p:
            r = repo[p["include"][1:]]
            out += rules([r] if "match" in r or "begin" in r else r["patterns"])
        else:
            out.append(p)
    return out


compiled = {}


def rx(text):
    if text not in compiled:
        compiled[text] = re.compile(text)
    return compiled[text]


TOP = rules(grammar["patterns"])


def scopes(line):
    """The scope of each character of a line, or None."""
    out = [None] * len(line)
    stack = []
    at = 0
    while at <= len(line):
        here = rules(stack[-1].get("patterns", [])) if stack else TOP
        best = None
        if stack:
            m = rx(stack[-1]["end"]).search(line, at)
            best = (m, None) if m else None
        for r in here:
            m = rx(r.get("match") or r["begin"]).search(line, at)
            if m and (best is None or m.start() < best[0].start()):
                best = (m, r)
        if best is None:
            break
        m, r = best
        if stack:
            for i in range(at, m.start()):
                out[i] = stack[-1]["name"]
        if r is None:                           # the end of what is open
            for i in range(m.start(), m.end()):
                out[i] = stack[-1]["name"]
            stack.pop()
        elif "begin" in r:
            for i in range(m.start(), m.end()):
                out[i] = r["name"]
            stack.append(r)
        else:
            for i in range(m.start(), m.end()):
                out[i] = r.get("name", out[i])
            for k, c in r.get("captures", {}).items():
                for i in range(*m.span(int(k))):
                    out[i] = c["name"]
            if m.end() == m.start():
                at += 1
        at = max(at, m.end())
    return out


# ---- every spec ---------------------------------------------------------------------------------

LEX = re.compile(r"(?P<comment>#.*)|(?P<string>\"(?:[^\"\\]|\\.)*\")|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)"
                 r"|(?P<word>[A-Za-z_]\w*)|(?P<op>\|>|\.\.|==|!=|<=|>=|->|=>|//|\*\*|[-<>+*/%^=~|])|(?P<punct>[()\[\]{}.,;:])")


def check(path, text):
    global count
    for number, line in enumerate(text.splitlines(), 1):
        line = line.rstrip("\r")
        got = scopes(line)
        for m in LEX.finditer(line):
            kind, s = m.lastgroup, m.group()
            have = got[m.start()] or "nothing"
            count += 1
            if kind == "comment":
                ok = have.startswith("comment.line.documentation" if s.startswith("##") and not line[:m.start()].strip()
                                     else "comment.line")
            elif kind == "string":
                ok = have.startswith("string") and (got[m.end() - 1] or "").startswith("string")
            elif kind == "number":
                ok = have.startswith("constant.numeric")
            elif kind == "word" and s in ("true", "false"):
                ok = have.startswith("constant.language")
            elif kind == "word" and s in hard:
                ok = have.startswith("keyword")
            elif kind == "word" and s in soft | {"shape"}:
                ok = have != "nothing"
            elif kind == "word":
                ok = have.split(".")[0] in ("variable", "entity", "storage", "support")
            elif kind == "op":
                ok = have.startswith("keyword.operator") and s in operators
            else:
                ok = have.startswith("punctuation")
            if not ok:
                fail("%s:%d:%d: %s is %s" % (path, number, m.start() + 1, s[:30], have))
    # declarations of a file are seen as such
    for m in re.finditer(r"(?m)^(use|model|block|export|train|augment|warp) ", text):
        line = text[m.start():].split("\n", 1)[0]
        if not (scopes(line)[0] or "").startswith("keyword.declaration"):
            fail("%s: %s" % (path, line))


count = files = 0
for folder in ("stdlib", "models", "examples", "tests"):
    for here, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(here, name), ROOT)
            # specs with mistakes in their text are no specs
            if name.endswith(".y12") and not name.startswith("syntax-") and "modules/app/broken" not in path:
                check(path, read(path))
                files += 1
manual = read("docs/language.md")
for block in re.findall(r"(?s)```y12[^\n]*\n(.*?)\n```", manual):
    check("docs/language.md", block)
    files += 1
print("%d specs, %d tokens, %d mistakes" % (files, count, bad))
sys.exit(1 if bad or files < 100 or count < 5000 else 0)
