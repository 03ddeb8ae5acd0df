/* test_options.c -- the command line: values, limits, slips of the finger, habits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "driver/options.h"

static Arena *arena;
static Options o;
static Text msg;

/* Words of a command line, parted by single blanks. */
static bool
parse(const char *line)
{
	char *argv[64], *s = arena_str(arena, line);
	int argc = 0;

	for (char *word = strtok(s, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	msg = (Text){ .a = arena };
	return options_parse(arena, argc, argv, &o, &msg);
}

static void
accepts(const char *line)
{
	if (!parse(line))
		fail_msg("%s: %s", line, text_str(&msg));
	assert_string_equal(text_str(&msg), "");
}

static void
refuses(const char *line, const char *want)
{
	if (parse(line))
		fail_msg("accepted: %s", line);
	assert_string_equal(text_str(&msg), want);
}

static int
setup(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void
defaults(void **state)
{
	(void)state;
	accepts("predict");
	assert_int_equal(o.verb, VERB_predict);
	assert_true(o.conf == 0.25);
	assert_true(o.iou == 0.7);
	assert_int_equal(o.max_det, 300);
	assert_int_equal(o.imgsz.h, 640);
	assert_int_equal(o.imgsz.w, 640);
	assert_int_equal(o.batch, 1);
	assert_true(o.save && o.rect && o.show_conf && !o.save_txt && !o.json);
	assert_null(o.model);
	assert_null(o.weights);
	assert_null(o.source);
	assert_string_equal(o.project, "runs/detect");
	assert_string_equal(o.name, "predict");
	for (int i = 0; i < KEY_COUNT; i++)
		assert_false(o.given[i]);
}

static void
values(void **state)
{
	(void)state;
	accepts("predict model=a=b.y12 conf=1e-3 iou=0 max_det=30000 imgsz=480,640 save=False save_txt=1 rect=no line_width=3");
	assert_string_equal(o.model, "a=b.y12");
	assert_true(o.conf == 1e-3);
	assert_true(o.iou == 0);
	assert_int_equal(o.max_det, 30000);
	assert_int_equal(o.imgsz.h, 480);
	assert_int_equal(o.imgsz.w, 640);
	assert_true(!o.save && o.save_txt && !o.rect);
	assert_int_equal(o.line_width, 3);
	assert_true(o.given[KEY_conf] && o.given[KEY_save] && !o.given[KEY_batch]);
	accepts("predict imgsz=[480,640]");
	assert_int_equal(o.imgsz.h, 480);
	accepts("predict imgsz=480x640");
	assert_int_equal(o.imgsz.w, 640);
	accepts("predict conf=0.1 conf=0.2");           /* the last one holds */
	assert_true(o.conf == 0.2);
	accepts("predict model.width=2 model.depth=x");
	assert_int_equal(o.param.n, 2);
	assert_string_equal(o.param.p[1].key, "depth");
	assert_string_equal(o.param.p[1].value, "x");
}

static void
bad_values(void **state)
{
	(void)state;
	refuses("predict conf=1.5", "conf=1.5: it must be a number from 0 to 1\n");
	refuses("predict conf=-0.1", "conf=-0.1: it must be a number from 0 to 1\n");
	refuses("predict conf=nan", "conf=nan: it must be a number from 0 to 1\n");
	refuses("predict conf=inf", "conf=inf: it must be a number from 0 to 1\n");
	refuses("predict conf=0x1", "conf=0x1: it must be a number from 0 to 1\n");
	refuses("predict conf=0.5.5", "conf=0.5.5: it must be a number from 0 to 1\n");
	refuses("predict conf=", "conf= has no value (there must be no blank after the =)\n");
	refuses("predict max_det=0", "max_det=0: it must be a whole number from 1 to 30000\n");
	refuses("predict max_det=3.5", "max_det=3.5: it must be a whole number from 1 to 30000\n");
	refuses("predict max_det=99999999999999999999", "max_det=99999999999999999999: it must be a whole number from 1 to 30000\n");
	refuses("predict save=maybe", "save=maybe: it must be true or false\n");
	refuses("predict imgsz=0", "imgsz=0: it must be a side from 1 to 8192 pixels, or two: height,width\n");
	refuses("predict imgsz=-640", "imgsz=-640: it must be a side from 1 to 8192 pixels, or two: height,width\n");
	refuses("predict imgsz=1000000000", "imgsz=1000000000: it must be a side from 1 to 8192 pixels, or two: height,width\n");
	refuses("predict imgsz=640,", "imgsz=640,: it must be a side from 1 to 8192 pixels, or two: height,width\n");
	refuses("predict imgsz=640,480,3", "imgsz=640,480,3: it must be a side from 1 to 8192 pixels, or two: height,width\n");
}

static void
slips(void **state)
{
	(void)state;
	refuses("predikt", "there is no verb predikt; did you mean predict?\n");
	refuses("frobnicate", "there is no verb frobnicate; see: yolo12c help\n");
	refuses("predict sorce=x", "predict takes no sorce; did you mean source?\n");
	refuses("predict zzzzzzz=x", "predict takes no zzzzzzz; see: yolo12c help predict\n");
	refuses("doctor conf=0.5", "doctor takes no conf (predict does)\n");
	refuses("source=x predict", "source=x comes before the verb; write: yolo12c predict source=x …\n");
	/* all of them at once */
	refuses("predict sorce=x conf=2 wieghts=y", "predict takes no sorce; did you mean source?\n"
	        "conf=2: it must be a number from 0 to 1\npredict takes no wieghts; did you mean weights?\n");
}

static void
habits(void **state)
{
	(void)state;
	refuses("predict --conf=0.25", "--conf=0.25: write conf=0.25\n");
	refuses("predict --conf 0.3", "--conf: write conf=0.3\n");
	refuses("predict conf 0.3", "conf: write conf=0.3\n");
	refuses("predict conf = 0.3 iou = 0.5", "conf: write conf=0.3\niou: write iou=0.5\n");
	refuses("predict conf: 0.3", "conf:: write conf=0.3\n");
	refuses("predict --save-txt source=x", "--save-txt: write save_txt=true\n");
	refuses("predict --weights best.pt --source x.jpg", "--weights: write weights=best.pt\n--source: write source=x.jpg\n");
	refuses("predict --conf --iou", "--conf: write conf=0.25\n--iou: write iou=0.7\n");
	refuses("predict --frob", "--frob: arguments are written key=value, without dashes; see: yolo12c help predict\n");
	refuses("predict frob", "frob: arguments are written key=value; see: yolo12c help predict\n");
	refuses("detect predict source=x", "detect: leave it out, detection is the only task; write: yolo12c predict …\n");
	refuses("predict task=detect", "task: leave it out: detection is the only task\n");
	refuses("predict half=true", "half: write precision=f16\n");
}

static void
files_that_stand_alone(void **state)
{
	(void)state;
	char path[] = "/tmp/y12-options-XXXXXX.pt", want[200];
	int fd = mkstemps(path, 3);

	assert_true(fd >= 0);
	close(fd);
	snprintf(want, sizeof want, "%s stands alone; did you mean weights=%s?\n", path, path);
	refuses(arena_printf(arena, "predict %s", path), want);
	unlink(path);
}

static void
help_and_version(void **state)
{
	(void)state;
	accepts("--help");
	assert_int_equal(o.verb, VERB_help);
	assert_int_equal(o.noperand, 0);
	accepts("predict source=x --help");
	assert_int_equal(o.verb, VERB_help);
	assert_string_equal(o.operand[0], "predict");
	accepts("help predict");
	assert_string_equal(o.operand[0], "predict");
	refuses("help predict doctor", "doctor: arguments are written key=value; see: yolo12c help help\n");
	accepts("--version");
	assert_int_equal(o.verb, VERB_version);
}

/* Every row of the table has a default that its own type accepts, a help text, and a verb. */
static void
the_table_is_sound(void **state)
{
	(void)state;
	for (int i = 0; i < KEY_COUNT; i++) {
		const KeyInfo *k = &key_info[i];

		assert_true(*k->help);
		/* some verbs, or simply all */
		assert_true(k->verbs && (k->verbs == ~(uint64_t)0 || !(k->verbs >> VERB_COUNT)));
		assert_true(*k->dflt || *k->looks);
		if (k->type == KEYTYPE_INT || k->type == KEYTYPE_REAL || k->type == KEYTYPE_SIZE)
			assert_true(k->from < k->to);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(k->name, key_info[j].name);
	}
}

static void
needed(void **state)
{
	static const KeyId key[] = { KEY_model, KEY_source };

	(void)state;
	accepts("predict source=x");
	assert_false(options_need(&o, key, 2, &msg));
	assert_non_null(strstr(text_str(&msg), "predict needs model=yolov12: the network"));
	assert_null(strstr(text_str(&msg), "source="));
	accepts("predict source=x model=y");
	assert_true(options_need(&o, key, 2, &msg));
}

static void
help_names_every_key(void **state)
{
	(void)state;
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	options_help(f, VERB_predict);
	fclose(f);
	assert_non_null(strstr(text, "  conf=0.25 "));
	assert_non_null(strstr(text, "least score (0 to 1)"));
	for (int i = 0; i < KEY_COUNT; i++)
		if (key_info[i].verbs >> VERB_predict & 1)
			assert_non_null(strstr(text, arena_printf(arena, "\n  %s=", key_info[i].name) + (i == 0)));
	free(text);
}

/* ---- environment ---------------------------------------------------------------------------- */

static void
environment(void **state)
{
	static const char *const all[] = {
		"YOLO12C_ATTN", "YOLO12C_PRECISION", "YOLO12C_CHECKPOINT", "YOLO12C_CACHE_DIR",
		"YOLOV12_FLASH_ATTN", "YOLOV12_AMP", "YOLOV12_CHECKPOINT", "YOLOV12_TRT_CACHE_DIR",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		unsetenv(all[i]);
	msg = (Text){ .a = arena };
	assert_true(environment_parse(arena, &msg));
	assert_null(getenv("YOLO12C_ATTN"));

	setenv("YOLOV12_FLASH_ATTN", "0", 1);
	setenv("YOLOV12_AMP", "True", 1);
	setenv("YOLOV12_CHECKPOINT", "1", 1);
	setenv("YOLOV12_TRT_CACHE_DIR", "/somewhere", 1);
	assert_true(environment_parse(arena, &msg));
	assert_string_equal(getenv("YOLO12C_ATTN"), "reference");
	assert_string_equal(getenv("YOLO12C_PRECISION"), "auto");
	assert_string_equal(getenv("YOLO12C_CHECKPOINT"), "1");
	assert_string_equal(getenv("YOLO12C_CACHE_DIR"), "/somewhere");

	setenv("YOLO12C_ATTN", "fused", 1);             /* ours goes before the older one */
	assert_true(environment_parse(arena, &msg));
	assert_string_equal(getenv("YOLO12C_ATTN"), "fused");

	setenv("YOLO12C_PRECISION", "fp8", 1);
	assert_false(environment_parse(arena, &msg));
	assert_string_equal(text_str(&msg), "the environment has YOLO12C_PRECISION=fp8: it must be one of auto, fp32, fp16, bf16\n");
	for (size_t i = 0; i < COUNT(all); i++)
		unsetenv(all[i]);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults), TEST(values), TEST(bad_values), TEST(slips), TEST(habits),
		TEST(files_that_stand_alone), TEST(help_and_version), TEST(the_table_is_sound),
		TEST(needed), TEST(help_names_every_key), TEST(environment),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
