/* help.c -- usage, the verbs help and version.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config.h"

#include "backend/backend.h"
#include "driver/help.h"

void
usage(FILE *f)
{
	static const struct { const char *command, *does; } next[] = {
		{ "predict model=yolov12 weights=best.pt source=bus.jpg", "find things in a picture" },
		{ "inspect best.pt", "what is in a file of weights" },
		{ "doctor", "what works on this machine" },
		{ "help", "every verb" },
		{ "help predict", "every key of a verb, with its default" },
	};
	int width = 0;

	for (size_t i = 0; i < COUNT(next); i++)
		width = MAX(width, (int)strlen(next[i].command));
	fputs("yolo12c compiles YOLOv12 for this machine and runs it.  Next:\n\n", f);
	for (size_t i = 0; i < COUNT(next); i++)
		fprintf(f, "  yolo12c %-*s  %s\n", width, next[i].command, next[i].does);
}

int
verb_version(const Options *o)
{
	const Target *t = target_host();

	(void)o;
	printf("yolo12c %s\nback end %s\n%s\n", PACKAGE_VERSION, backend_version(), t ? t->name : "no known processor");
	return EXIT_OK;
}

int
verb_help(const Options *o)
{
	const char *near;

	if (!o->noperand) {
		fputs("yolo12c VERB key=value …\n\n", stdout);
		for (int v = 0; v < VERB_COUNT; v++)
			printf("  %-13s  %s\n", verb_names[v], verb_table[v].help);
		fputs("\nThe keys of a verb: yolo12c help VERB.  Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad input,\n"
		      "4 no memory, room or device, 5 a check found a difference, 130 interrupted.\n", stdout);
		return EXIT_OK;
	}
	for (int v = 0; v < VERB_COUNT; v++)
		if (strcmp(o->operand[0], verb_names[v]) == 0) {
			printf("yolo12c %s -- %s\n\n", verb_names[v], verb_table[v].help);
			options_help(stdout, (VerbId)v);
			return EXIT_OK;
		}
	near = did_you_mean(o->operand[0], verb_names, VERB_COUNT);
	fprintf(stderr, "yolo12c: there is no verb %s%s%s%s\n", o->operand[0], near ? "; did you mean " : "; see: yolo12c help",
	        near ? near : "", near ? "?" : "");
	return EXIT_USAGE;
}
