/* main.c -- the command: arguments to a verb, a verb to an exit code.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "driver/help.h"
#include "driver/ui.h"

const VerbInfo verb_table[VERB_COUNT] = {
#define VERB(name, operands, help) { operands, help, verb_##name },
#include "driver/verbs.def"
#undef VERB
};

int
main(int argc, char **argv)
{
	Arena *a = arena_new();
	Text msg = { .a = a };
	Options o;
	int code;

	if (argc < 2) {
		usage(stderr);
		code = EXIT_USAGE;
	} else if (!options_parse(a, argc - 1, argv + 1, &o, &msg) || !environment_parse(a, &msg)) {
		ui_lines(text_str(&msg));
		code = EXIT_USAGE;
	} else if (!ui_set_color(o.color)) {
		ui_error("color=%s: it must be auto, always or never", o.color);
		code = EXIT_USAGE;
	} else {
		code = verb_table[o.verb].run(&o);
	}
	arena_free(a);
	return code;
}
