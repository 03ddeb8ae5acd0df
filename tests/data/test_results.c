/* test_results.c -- frames, summaries, label lines, JSON and run folders.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/data/scratch.h"

#include <math.h>
#include <pthread.h>

#include <jansson.h>

#include "runtime/data/data.h"

/* ---- the network's frame --------------------------------------------------------------- */

static void
frames(void **state)
{
	static const struct { int h, w, fit_h, fit_w, frame_h, frame_w; } row[] = {
		{ 1080, 810, 640, 640, 640, 480 },      /* the table of the facts */
		{ 720, 1280, 640, 640, 384, 640 },
		{ 480, 640, 640, 640, 480, 640 },
		{ 427, 640, 640, 640, 448, 640 },
		{ 500, 333, 640, 640, 640, 448 },
		{ 375, 500, 640, 640, 480, 640 },
		{ 640, 640, 640, 640, 640, 640 },
		{ 200, 1600, 640, 640, 96, 640 },
		{ 53, 37, 640, 640, 640, 448 },
		{ 1, 1, 640, 640, 640, 640 },
		{ 1, 2000, 640, 640, 32, 640 },         /* a side that rounds to nothing is one pixel */
		{ 65535, 1, 640, 640, 640, 32 },
		{ 480, 640, 320, 640, 320, 448 },       /* not square */
		{ 480, 640, 480, 640, 480, 640 },
		{ 449, 640, 640, 640, 480, 640 },
		{ 448, 640, 640, 640, 448, 640 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		const int64_t fit[2] = { row[i].fit_h, row[i].fit_w };
		int64_t frame[2];

		y12_letterbox_frame(row[i].h, row[i].w, fit, frame);
		if (frame[0] != row[i].frame_h || frame[1] != row[i].frame_w)
			fail_msg("%d x %d: frame %d x %d, not %d x %d", row[i].h, row[i].w, (int)frame[0],
			         (int)frame[1], row[i].frame_h, row[i].frame_w);
	}
}

/* ---- words -------------------------------------------------------------------------------- */

static const char *const coco[] = { "person", "bicycle", "car", "motorcycle", "airplane", "bus" };
static const y12_names names = { coco, 6 };

static void
check_summary(const int *label, size_t n, const char *want)
{
	y12_detection d[8];
	char *got;

	assert_true(n <= 8);
	for (size_t i = 0; i < n; i++)
		d[i] = (y12_detection){ .label = label[i] };
	got = y12_summary(d, n, &names);
	assert_string_equal(got, want);
	free(got);
}

static void
summaries(void **state)
{
	(void)state;
	check_summary(NULL, 0, "(no detections), ");
	check_summary((int[]){ 5 }, 1, "1 bus, ");
	check_summary((int[]){ 5, 0, 0, 5, 0, 0 }, 6, "4 persons, 2 buss, ");
	check_summary((int[]){ 5, 0, 0, 0, 0 }, 5, "4 persons, 1 bus, ");
	check_summary((int[]){ 9, 6 }, 2, "1 class6, 1 class9, ");
}

static void
label_lines(void **state)
{
	static const y12_detection d[] = {
		{ 867.18726f, 32.582f, 1089.19873f, 296.85486f, 0.625612f, 1 },
		{ 0, 0, 1280, 720, 1, 0 },
	};
	char *got = y12_label_lines(d, 2, 1280, 720, true);

	(void)state;
	assert_string_equal(got, "1 0.764213 0.228776 0.173446 0.367046 0.625612\n0 0.5 0.5 1 1 1\n");
	free(got);
	got = y12_label_lines(d, 1, 1280, 720, false);
	assert_string_equal(got, "1 0.764213 0.228776 0.173446 0.367046\n");
	free(got);
	got = y12_label_lines(d, 0, 1280, 720, false);
	assert_string_equal(got, "");
	free(got);
}

static void
appending(void **state)
{
	char err[Y12_ERRLEN];

	(void)state;
	assert_true(y12_append("a.txt", "one\n", err));
	assert_true(y12_append("a.txt", "two\n", err));
	assert_string_equal(get_text("a.txt"), "one\ntwo\n");
	assert_false(y12_append("no/a.txt", "x", err));
	assert_non_null(strstr(err, "no/a.txt can't be written: No such file"));
	if (access("/dev/full", W_OK) == 0) {
		assert_false(y12_append("/dev/full", "x", err));
		assert_non_null(strstr(err, "No space left"));
	}
}

static void
json(void **state)
{
	static const char *const odd[] = { "With \"Helmet\"\\\n", "bad \xff\xc3(\xed\xa0\x80 gr\xc3\xbc\xc3\x9f" };
	static const y12_names odd_names = { odd, 2 };
	const y12_detection d[] = {
		{ 867.18726f, 32.582f, 1089.19873f, 296.85486f, 0.625612f, 1 },
		{ 1, -0.5f, NAN, 3e30f, 0.000004f, 0 },
		{ .label = 7 },
	};
	char *got = y12_json_detections(d, 3, &odd_names), *want;
	json_error_t why;
	json_t *j = json_loads(got, 0, &why);

	(void)state;
	want = "[{\"name\": \"bad \xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd gr\xc3\xbc\xc3\x9f\", "
	       "\"class\": 1, \"confidence\": 0.62561, "
	       "\"box\": {\"x1\": 867.18726, \"y1\": 32.582, \"x2\": 1089.19873, \"y2\": 296.85486}}, ";
	assert_memory_equal(got, want, strlen(want));
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 1), "name")), odd[0]);
	assert_true(json_is_null(json_object_get(json_object_get(json_array_get(j, 1), "box"), "x2")));
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 2), "name")), "class7");
	assert_non_null(strstr(got, "\"confidence\": 0.0, \"box\": {\"x1\": 1.0, \"y1\": -0.5"));
	json_decref(j);
	free(got);
	got = y12_json_detections(NULL, 0, NULL);
	assert_string_equal(got, "[]");
	free(got);
}

/* The numbers that the reference printed for the same detections. */
static void
as_the_reference(void **state)
{
	const char *srcdir = getenv("srcdir"), *folder = getenv("Y12_REFERENCE");
	static const char *const helmets[] = { "With Helmet", "Without Helmet" };
	static const y12_names two = { helmets, 2 };
	y12_detection d[2];
	char path[8300], *got;
	json_error_t why;
	json_t *j, *row, *again;
	size_t i;

	(void)state;
	if (!folder)
		folder = srcdir ? srcdir : ".";
	/* the scratch folder is the current one */
	snprintf(path, sizeof path, "%.4000s%s%.4000s%s/predict/console/zidane-summary.json",
	         *folder == '/' ? "" : scratch_home, *folder == '/' ? "" : "/", folder,
	         getenv("Y12_REFERENCE") ? "" : "/../shared/reference");
	j = json_load_file(path, 0, &why);
	if (!j) {
		print_message("no reference data at %s\n", path);
		skip();
	}
	json_array_foreach(j, i, row) {
		json_t *box = json_object_get(row, "box");
		double x0, y0, x1, y1;

		assert_int_equal(json_unpack(box, "{s:f, s:f, s:f, s:f}", "x1", &x0, "y1", &y0, "x2", &x1, "y2", &y1), 0);
		d[i] = (y12_detection){ (float)x0, (float)y0, (float)x1, (float)y1,
			(float)json_real_value(json_object_get(row, "confidence")),
			(int)json_integer_value(json_object_get(row, "class")) };
	}
	got = y12_json_detections(d, i, &two);
	again = json_loads(got, 0, &why);
	assert_true(json_equal(j, again));
	free(got);
	json_decref(again);
	json_decref(j);
}

/* ---- folders --------------------------------------------------------------------------------- */

static void
run_is(const char *project, const char *name, bool exist_ok, const char *want)
{
	char err[Y12_ERRLEN], *got = y12_rundir(project, name, exist_ok, err);

	if (!got)
		fail_msg("%s", err);
	assert_string_equal(got, want);
	assert_int_equal(access(want, W_OK | X_OK), 0);
	free(got);
}

static void
run_folders(void **state)
{
	char err[Y12_ERRLEN];

	(void)state;
	run_is("runs/detect", "predict", false, "runs/detect/predict");
	run_is("runs/detect", "predict", false, "runs/detect/predict2");
	run_is("runs/detect", "predict", true, "runs/detect/predict");
	run_is("runs/detect", "predict", false, "runs/detect/predict3");
	run_is("runs//detect/", "predict/", false, "runs//detect//predict4");
	run_is("", "here", false, "here");
	run_is("", "here", false, "here2");
	run_is("a/b", "", true, "a/b");
	put_text("file", "x");
	assert_null(y12_rundir("file", "predict", false, err));
	assert_string_equal(err, "the folder file can't be made: a file of that name is there");
	assert_null(y12_rundir("file/below", "predict", false, err));
	assert_non_null(strstr(err, "can't be made"));
	run_is("", "file", false, "file2");
	if (geteuid() != 0) {
		assert_int_equal(mkdir("locked", 0500), 0);
		assert_null(y12_rundir("locked", "predict", false, err));
		assert_string_equal(err, "the folder locked/predict can't be made: Permission denied");
	}
}

static void *
one_run(void *arg)
{
	char err[Y12_ERRLEN];

	(void)arg;
	return y12_rundir("runs/detect", "predict", false, err);
}

static void
runs_at_once(void **state)
{
	pthread_t t[8];
	char *got[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, one_run, NULL), 0);
	for (int i = 0; i < 8; i++) {
		void *p;

		pthread_join(t[i], &p);
		got[i] = p;
		assert_non_null(got[i]);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(got[i], got[j]);
	}
	for (int i = 0; i < 8; i++)
		free(got[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(summaries),
		cmocka_unit_test(label_lines),
		cmocka_unit_test(json),
		SCRATCH_TEST(appending),
		SCRATCH_TEST(as_the_reference),
		SCRATCH_TEST(run_folders),
		SCRATCH_TEST(runs_at_once),
	};

	return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
