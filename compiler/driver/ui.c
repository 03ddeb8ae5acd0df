/* ui.c -- messages, a progress bar, and Ctrl-C.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "driver/ui.h"

static bool bar_shown;
static enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER } color_choice;

bool
ui_set_color(const char *choice)
{
	static const char *const word[] = { [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never" };

	for (size_t i = 0; i < COUNT(word); i++)
		if (strcmp(choice, word[i]) == 0) {
			color_choice = (int)i;
			return true;
		}
	return false;
}

bool
ui_color(FILE *f)
{
	if (color_choice != COLOR_AUTO)
		return color_choice == COLOR_ALWAYS;

	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(f)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static void
clear_bar(void)
{
	if (bar_shown)
		fputs("\r\033[K", stderr);
	bar_shown = false;
}

static void
say(const char *color, const char *what, const char *fmt, va_list ap)
{
	bool colored = ui_color(stderr) && *color;

	clear_bar();
	fprintf(stderr, "yolo12c: %s%s%s", colored ? color : "", what, colored ? "\033[0m" : "");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

#define SAY(name, color, what)                  \
	void                                    \
	name(const char *fmt, ...)              \
	{                                       \
		va_list ap;                     \
                                                \
		va_start(ap, fmt);              \
		say(color, what, fmt, ap);      \
		va_end(ap);                     \
	}

SAY(ui_error, "\033[1;31m", "error: ")
SAY(ui_warning, "\033[1;35m", "warning: ")
SAY(ui_note, "", "")

void
ui_lines(const char *lines)
{
	while (*lines) {
		int n = (int)strcspn(lines, "\n");

		ui_error("%.*s", n, lines);
		lines += n + (lines[n] == '\n');
	}
}

void
ui_progress(size_t done, size_t total)
{
	enum { WIDTH = 30 };
	static struct timespec last;
	struct timespec now;
	size_t full = total ? done * WIDTH / total : 0;

	if (!isatty(STDERR_FILENO) || !total)
		return;
	if (done == total) {
		clear_bar();
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (bar_shown && (now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000 < 50)
		return;                 /* a fast run must not wait for its terminal */
	last = now;
	fputs("\r\033[K[", stderr);
	for (size_t i = 0; i < WIDTH; i++)
		fputc(i < full ? '#' : '.', stderr);
	fprintf(stderr, "] %zu/%zu", done, total);
	fflush(stderr);
	bar_shown = true;
}

static volatile sig_atomic_t interrupted;

static void
on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

void
ui_catch_interrupts(void)
{
	/* no SA_RESTART: a read from a pipe that never ends must return */
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	sigemptyset(&act.sa_mask);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

bool
ui_interrupted(void)
{
	return interrupted;
}
