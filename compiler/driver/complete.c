/* complete.c -- `yolo12c complete`: completion for a shell, from the tables of verbs and keys.
 *
 *     source <(yolo12c complete bash)
 *     yolo12c complete zsh > ~/.zsh/completions/_yolo12c
 *     yolo12c complete fish > ~/.config/fish/completions/yolo12c.fish
 *
 * A key is completed with its `=`; behind that come the words that its row knows (true and false,
 * or n|s|m|l|x), and files where it takes any text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "driver/verb.h"

static bool
takes(VerbId v, const KeyInfo *k)
{
	return k->verbs >> v & 1;
}

/* "n s m l x", "true false", or "" */
static const char *
choices(Arena *a, const KeyInfo *k)
{
	char *s;

	if (k->type == KEYTYPE_BOOL)
		return "true false";
	if (k->type != KEYTYPE_TEXT || !strchr(k->looks, '|'))
		return "";
	for (const char *c = k->looks; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_|", *c))
			return "";              /* an example, not a list: 0,2|person,car */
	s = arena_str(a, k->looks);
	for (char *c = s; *c; c++)
		if (*c == '|')
			*c = ' ';
	return s;
}

/* What the verb's own word may be: shells, verbs, files. */
static const char *
operands(VerbId v)
{
	return v == VERB_complete ? "bash zsh fish" : v == VERB_help ? "@verbs" : verb_table[v].operands ? "@files" : "";
}

static void
bash(Arena *a)
{
	fputs("# completion of yolo12c for bash: source <(yolo12c complete bash)\n"
	      "_yolo12c() {\n"
	      "  local cur=${COMP_WORDS[COMP_CWORD]} key= keys= values= verbs=\"", stdout);
	for (int v = 0; v < VERB_COUNT; v++)
		printf("%s%s", v ? " " : "", verb_names[v]);
	fputs("\"\n"
	      "  COMPREPLY=()\n"
	      "  if ((COMP_CWORD == 1)); then COMPREPLY=($(compgen -W \"$verbs\" -- \"$cur\")); return; fi\n"
	      "  # bash cuts words at =: key = value\n"
	      "  if [[ $cur == '=' ]]; then key=${COMP_WORDS[COMP_CWORD-1]} cur=\n"
	      "  elif ((COMP_CWORD > 2)) && [[ ${COMP_WORDS[COMP_CWORD-1]} == '=' ]]; then key=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "  elif [[ $cur == *=* ]]; then key=${cur%%=*} cur=${cur#*=}; fi\n"
	      "  if [[ $key ]]; then\n"
	      "    case $key in\n", stdout);
	for (int k = 0; k < KEY_COUNT; k++) {
		const char *words = choices(a, &key_info[k]);

		if (*words)
			printf("      %s) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")) ;;\n", key_info[k].name, words);
	}
	fputs("      *) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
	      "    esac\n"
	      "    return\n"
	      "  fi\n"
	      "  case ${COMP_WORDS[1]} in\n", stdout);
	for (int v = 0; v < VERB_COUNT; v++) {
		const char *own = operands((VerbId)v), *sep = "";

		printf("    %s) keys=\"", verb_names[v]);
		for (int k = 0; k < KEY_COUNT; k++)
			if (takes((VerbId)v, &key_info[k])) {
				printf("%s%s=", sep, key_info[k].name);
				sep = " ";
			}
		printf("\" values=\"%s\" ;;\n", strcmp(own, "@verbs") == 0 ? "$verbs" : *own == '@' ? "" : own);
	}
	fputs("  esac\n"
	      "  COMPREPLY=($(compgen -W \"$keys $values\" -- \"$cur\"))\n"
	      "  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi\n"
	      "  if [[ ! ${COMPREPLY[*]} ]]; then compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); fi\n"
	      "}\n"
	      "complete -F _yolo12c yolo12c\n", stdout);
}

/* A text between single quotes, fit for a list with `:` between a word and what it is. */
static void
quoted(const char *s, const char *also)
{
	putchar('\'');
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\'", stdout);
		else if (strchr(also, *s))
			putchar('\\');
		putchar(*s);
	}
	putchar('\'');
}

static void
zsh(Arena *a)
{
	fputs("#compdef yolo12c\n"
	      "# completion of yolo12c for zsh: put it on fpath as _yolo12c\n"
	      "_yolo12c() {\n"
	      "  local -a verbs keys\n"
	      "  verbs=(\n", stdout);
	for (int v = 0; v < VERB_COUNT; v++) {
		fputs("    ", stdout);
		quoted(arena_printf(a, "%s:%s", verb_names[v], verb_table[v].help), "");
		putchar('\n');
	}
	fputs("  )\n"
	      "  if ((CURRENT == 2)); then _describe verb verbs; return; fi\n"
	      "  if compset -P '*='; then\n"
	      "    case ${words[CURRENT]%%=*} in\n", stdout);
	for (int k = 0; k < KEY_COUNT; k++) {
		const char *words = choices(a, &key_info[k]);

		if (*words)
			printf("      %s) compadd -- %s ;;\n", key_info[k].name, words);
	}
	fputs("      *) _files ;;\n"
	      "    esac\n"
	      "    return\n"
	      "  fi\n"
	      "  case ${words[2]} in\n", stdout);
	for (int v = 0; v < VERB_COUNT; v++) {
		const char *own = operands((VerbId)v);

		printf("    %s)\n      keys=(\n", verb_names[v]);
		for (int k = 0; k < KEY_COUNT; k++)
			if (takes((VerbId)v, &key_info[k])) {
				fputs("        ", stdout);
				quoted(arena_printf(a, "%s=:%s", key_info[k].name, key_info[k].help), "");
				putchar('\n');
			}
		fputs("      )\n", stdout);
		if (strcmp(own, "@verbs") == 0)
			fputs("      _describe verb verbs\n", stdout);
		else if (*own == '@')
			fputs("      _files\n", stdout);
		else if (*own)
			printf("      compadd -- %s\n", own);
		fputs("      ;;\n", stdout);
	}
	fputs("  esac\n"
	      "  _describe -o key keys -S ''\n"
	      "}\n"
	      "_yolo12c \"$@\"\n", stdout);
}

static void
fish(Arena *a)
{
	/* no -f once a value of any text has begun: then fish offers files by itself */
	fputs("# completion of yolo12c for fish\n"
	      "function __yolo12c_value --description 'does this word begin with KEY=?'\n"
	      "  string match -q -- \"$argv[1]=*\" (commandline -ct)\n"
	      "end\n", stdout);
	for (int v = 0; v < VERB_COUNT; v++) {
		printf("complete -c yolo12c -n __fish_use_subcommand -f -a %s -d ", verb_names[v]);
		quoted(verb_table[v].help, "\\");
		putchar('\n');
	}
	for (int v = 0; v < VERB_COUNT; v++) {
		const char *own = operands((VerbId)v);

		if (*own && *own != '@')
			printf("complete -c yolo12c -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", verb_names[v], own);
		if (strcmp(own, "@verbs") == 0) {
			printf("complete -c yolo12c -n '__fish_seen_subcommand_from %s' -f -a '", verb_names[v]);
			for (int w = 0; w < VERB_COUNT; w++)
				printf("%s%s", w ? " " : "", verb_names[w]);
			fputs("'\n", stdout);
		}
		for (int k = 0; k < KEY_COUNT; k++)
			if (takes((VerbId)v, &key_info[k])) {
				printf("complete -c yolo12c -n '__fish_seen_subcommand_from %s; and not __yolo12c_value \\*' -f -a '%s=' -d ",
				       verb_names[v], key_info[k].name);
				quoted(key_info[k].help, "\\");
				putchar('\n');
			}
	}
	for (int k = 0; k < KEY_COUNT; k++) {
		const char *words = choices(a, &key_info[k]);

		if (!*words)
			continue;
		printf("complete -c yolo12c -n '__yolo12c_value %s' -f -a '", key_info[k].name);
		for (const char *w = words; *w; w += strcspn(w, " "), w += *w == ' ')
			printf("%s%s=%.*s", w == words ? "" : " ", key_info[k].name, (int)strcspn(w, " "), w);
		puts("'");
	}
}

static const struct { const char *name; void (*print)(Arena *a); } shells[] = {
	{ "bash", bash }, { "zsh", zsh }, { "fish", fish },
};

int
verb_complete(const Options *o)
{
	const char *want = o->noperand ? o->operand[0] : NULL;

	for (size_t i = 0; want && i < COUNT(shells); i++)
		if (strcmp(want, shells[i].name) == 0) {
			shells[i].print(o->a);
			return EXIT_OK;
		}
	if (!want)
		return verb_usage(o, "for which shell? write: yolo12c complete bash, zsh or fish");
	return verb_usage(o, "there is no completion for %s; there is bash, zsh and fish", want);
}
