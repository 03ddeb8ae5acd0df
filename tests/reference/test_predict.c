/* test_predict.c -- the command, from picture files to boxes, label files and log lines.
 *
 *     clone alone     the demo model on its four photographs: what the evaluator of graphs finds, and what
 *                     people saw in them
 *     with reference  a real checkpoint on 13 pictures of many kinds: what the reference finds
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference.h"

#include <errno.h>
#include <sys/stat.h>

#include "runtime/media/media.h"

static char scratch[] = "/tmp/y12-predict-XXXXXX";
static const char *const MODES[] = { "square", "rect" };

/* ---- running the command -------------------------------------------------------------------- */

/* What it prints; fails the test if it does not exit with 0. */
static const char *
output_of(Arena *a, const char *command)
{
	Text t = { .a = a };
	char buf[4096];
	FILE *f = popen(command, "r");
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof buf, f)) > 0)
		text_putn(&t, buf, n);
	if (pclose(f) != 0)
		fail_msg("%s failed", command);
	return text_str(&t);
}

/* yolo12c predict with the model of this project and an own cache */
static const char *
predict(Arena *a, const char *keys)
{
	return output_of(a, arena_printf(a, "cd '%s' && YOLO12C_CACHE_DIR=cache '%s' predict model='%s' quiet=false %s 2>log || "
	                                    "{ cat log >&2; exit 1; }", scratch, realpath(in_build(a, "yolo12c"), arena_alloc(a, 4096)),
	                                 realpath(in_source(a, "models/yolov12.y12"), arena_alloc(a, 4096)), keys));
}

static json_t *
predict_json(Arena *a, const char *keys)
{
	json_error_t err;
	const char *text = predict(a, arena_printf(a, "json=true save=false %s", keys));
	json_t *j = json_loads(text, 0, &err);

	if (!j)
		fail_msg("line %d: %s: %.200s", err.line, err.text, text);
	return j;
}

static const char *
absolute(Arena *a, const char *path)
{
	char *p = realpath(path, arena_alloc(a, 4096));

	if (!p)
		fail_msg("%s: %s", path, strerror(errno));
	return p;
}

/* ---- comparing ---------------------------------------------------------------------------------- */

/* got: a result of the command; want: [x0, y0, x1, y1, confidence, class] */
static void
same_detection(const char *what, size_t row, json_t *got, json_t *want, double pixel, double most[2])
{
	static const char *const corner[] = { "x1", "y1", "x2", "y2" };
	json_t *box = json_object_get(got, "box");

	if ((int)json_number(got, "class") != json_integer_value(json_array_get(want, 5)))
		fail_msg("%s, row %zu: class %d", what, row, (int)json_number(got, "class"));
	for (size_t i = 0; i < 5; i++) {
		double is = i < 4 ? json_number(box, corner[i]) : json_number(got, "confidence");
		double d = fabs(is - json_number_value(json_array_get(want, i)));

		/* half a unit of the last decimal on either side */
		if (!(d <= (i < 4 ? pixel + 1e-4 : 2e-5 + 6e-6)))
			fail_msg("%s, row %zu: %s is %.6f, not %.6f", what, row, i < 4 ? corner[i] : "confidence", is,
			         json_number_value(json_array_get(want, i)));
		most[i / 4] = fmax(most[i / 4], d);
	}
}

/* The results of a picture against rows and their count. */
static void
same_detections(const char *what, json_t *got, json_t *want, size_t count, double pixel, double most[2])
{
	size_t i;
	json_t *row;

	if (json_array_size(got) != count)
		fail_msg("%s: %zu detections, not %zu", what, json_array_size(got), count);
	json_array_foreach(want, i, row)
		same_detection(what, i, json_array_get(got, i), row, pixel, most);
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- the demo model --------------------------------------------------------------------------------- */

static const char *
demo_keys(Arena *a, const char *more)
{
	return arena_printf(a, "weights='%s' source='%s' %s", absolute(a, in_source(a, "models/weights/codes-n.safetensors")),
	                    absolute(a, in_source(a, "examples/pictures")), more);
}

/* demo.json was made with backend=eval */
static void
test_demo(void **state)
{
	Arena *a = arena_new();
	json_t *all = json_file(in_source(a, "tests/reference/demo.json")), *one;
	double most[2] = { 0 };

	(void)state;
	for (size_t m = 0; m < 2; m++) {
		json_t *got = predict_json(a, demo_keys(a, m ? "rect=true" : "rect=false"));
		size_t i;

		assert_int_equal(json_array_size(got), 4);
		json_array_foreach(got, i, one) {
			const char *name = base_name(json_string_value(json_object_get(one, "path")));
			json_t *want = json_object_get(json_object_get(all, name), MODES[m]);

			assert_non_null(want);
			same_detections(arena_printf(a, "%s, %s", name, MODES[m]), json_object_get(one, "results"), want,
			                json_array_size(want), 0.01, most);
		}
		json_decref(got);
	}
	print_message("boxes within %.2g px, confidence within %.2g of the evaluator's\n", most[0], most[1]);
	json_decref(all);
	arena_free(a);
}

static double
overlap(const double p[4], const double q[4])
{
	double w = fmin(p[2], q[2]) - fmax(p[0], q[0]), h = fmin(p[3], q[3]) - fmax(p[1], q[1]);
	double both = w > 0 && h > 0 ? w * h : 0;

	return both / ((p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both);
}

/* Finds the labels of a picture in its results; how many results there are of each class. */
static void
check_labels(Arena *a, const json_t *picture, int count[6])
{
	const char *path = json_string_value(json_object_get(picture, "path"));
	const char *text = arena_printf(a, "%.*s.txt", (int)(strrchr(path, '.') - path), path);
	double w = json_number(picture, "width"), h = json_number(picture, "height"), x, y, bw, bh;
	json_t *results = json_object_get(picture, "results"), *one;
	FILE *f = fopen(text, "r");
	size_t i;
	int class;

	assert_non_null(f);
	while (fscanf(f, "%d %lf %lf %lf %lf", &class, &x, &y, &bw, &bh) == 5) {
		const double want[4] = { (x - bw / 2) * w, (y - bh / 2) * h, (x + bw / 2) * w, (y + bh / 2) * h };
		double best = 0;

		json_array_foreach(results, i, one) {
			json_t *b = json_object_get(one, "box");
			const double got[4] = { json_number(b, "x1"), json_number(b, "y1"), json_number(b, "x2"), json_number(b, "y2") };

			if ((int)json_number(one, "class") == class)
				best = fmax(best, overlap(got, want));
		}
		if (best < 0.5)
			fail_msg("%s: the thing of class %d at %.3f, %.3f is not found: IoU %.2f", path, class, x, y, best);
	}
	fclose(f);
	json_array_foreach(results, i, one)
		count[(int)json_number(one, "class")]++;
}

/* The counts that the training code had; every hand-made label. */
static void
test_demo_labels(void **state)
{
	/* qr, datamatrix, aztec, pdf417, barcode, marker */
	static const struct { const char *name; int count[6]; } want[] = {
		{ "4_barcodes.jpg", { 1, 0, 0, 0, 4, 0 } }, { "choriginal.jpg", { 0, 0, 0, 0, 0, 17 } },
		{ "diamondmarkers.jpg", { 0, 0, 0, 0, 0, 12 } }, { "singlemarkersoriginal.jpg", { 0, 1, 0, 0, 1, 6 } },
	};
	Arena *a = arena_new();
	json_t *got = predict_json(a, demo_keys(a, "rect=false")), *one;
	size_t i;

	(void)state;
	json_array_foreach(got, i, one) {
		int count[6] = { 0 };

		assert_string_equal(base_name(json_string_value(json_object_get(one, "path"))), want[i].name);
		check_labels(a, one, count);
		assert_memory_equal(count, want[i].count, sizeof count);
	}
	json_decref(got);
	arena_free(a);
}

/* ---- a real checkpoint ---------------------------------------------------------------------------------- */

static void
check_pictures(const char *mode, const char *conf, const char *slot)
{
	Arena *a = arena_new();
	const char *weights = absolute(a, reference(a, "weights/helmet-m.pt")), *folder = absolute(a, reference(a, "pictures"));
	json_t *got = predict_json(a, arena_printf(a, "weights='%s' source='%s' conf=%s rect=%s", weights, folder, conf,
	                                           strcmp(mode, "rect") ? "false" : "true")), *one;
	double most[2] = { 0 }, large[2] = { 0 };
	size_t i, rows = 0;

	assert_int_equal(json_array_size(got), 13);
	json_array_foreach(got, i, one) {
		const char *name = base_name(json_string_value(json_object_get(one, "path")));
		json_t *file = json_file(reference(a, arena_printf(a, "predict/%s.json", name)));
		json_t *want = json_object_get(json_object_get(json_object_get(file, "modes"), mode), slot);
		json_t *list = json_object_get(want, json_object_get(want, "first") ? "first" : "detections");
		bool big = strcmp(name, "field-large.jpg") == 0;

		assert_int_equal(json_number(one, "width"), json_number(file, "width"));
		assert_int_equal(json_number(one, "height"), json_number(file, "height"));
		same_detections(arena_printf(a, "%s, %s, conf %s", name, mode, conf), json_object_get(one, "results"), list,
		                (size_t)json_number(want, "count"), big ? 0.05 : 0.01, big ? large : most);
		rows += json_array_size(list);
		json_decref(file);
	}
	print_message("%s, conf %s: %zu rows, boxes within %.2g px (field-large %.2g), confidence within %.2g\n", mode, conf,
	              rows, most[0], large[0], fmax(most[1], large[1]));
	json_decref(got);
	arena_free(a);
}

static void test_square(void **state) { (void)state; check_pictures("square", "0.25", "conf_0_25"); }
static void test_rect(void **state) { (void)state; check_pictures("rect", "0.25", "conf_0_25"); }
static void test_square_all(void **state) { (void)state; check_pictures("square", "0.001", "conf_0_001"); }
static void test_rect_all(void **state) { (void)state; check_pictures("rect", "0.001", "conf_0_001"); }

/* ---- log lines and label files ------------------------------------------------------------------------------ */

/* A line without what differs from run to run: times, and where files lie. */
static char *
bare_line(Arena *a, const char *line)
{
	const char *at = strrchr(line, ','), *slash;

	if (strncmp(line, "image ", 6) == 0 && at) {
		const char *path = strchr(line + 6, ' ') + 1, *end = strstr(path, ": ");

		slash = path;
		for (const char *p = path; p < end; p++)
			if (*p == '/')
				slash = p + 1;
		return arena_printf(a, "%.*s%.*s", (int)(path - line), line, (int)(at - slash), slash);
	}
	if (strncmp(line, "Speed: ", 7) == 0)
		return arena_str(a, strstr(line, "per image"));
	if ((at = strstr(line, " saved to ")))
		return arena_strn(a, line, (size_t)(at - line));
	return arena_str(a, line);
}

static const char *
bare(Arena *a, const char *text)
{
	Text t = { .a = a };
	char *save;

	for (char *line = strtok_r(arena_str(a, text), "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		text_printf(&t, "%s\n", bare_line(a, line));
	return text_str(&t);
}

static const char *
read_text(Arena *a, const char *path)
{
	const char *err;
	size_t len;
	const char *s = file_read(a, path, &len, &err);

	if (!s)
		fail_msg("%s", err);
	return s;
}

static void
same_labels(Arena *a, const char *got, const char *want)
{
	const char *p = read_text(a, got), *q = read_text(a, want);
	char *end;

	for (int i = 0; *q; i++) {
		double x = strtod(p, &end), y = (p = end, strtod(q, &end));

		q = end;
		if (!(fabs(x - y) <= (i % 6 ? 2.5e-5 : 0)))
			fail_msg("%s: number %d is %.7g, not %.7g", got, i, x, y);
		assert_int_equal(*p, *q);       /* a space, or the end of the line */
		q += *q != 0;
		p += *p != 0;
	}
	assert_string_equal(p, "");
}

/* The reference's run of that name on these pictures, as files of their own folder. */
static void
check_console(const char *run, const char *const *picture, const char *const *label, const char *keys)
{
	Arena *a = arena_new();
	const char *weights = absolute(a, reference(a, "weights/helmet-m.pt")), *want = reference(a, arena_printf(a, "predict/console/%s.txt", run));
	const char *folder = arena_printf(a, "%s/%s", scratch, run), *one = "";
	struct stat st;
	const char *lines;

	assert_int_equal(mkdir(folder, 0700), 0);
	for (size_t i = 0; picture[i]; i++) {
		one = arena_printf(a, "%s/%s", folder, picture[i]);
		assert_int_equal(symlink(absolute(a, reference(a, arena_printf(a, "pictures/%s", picture[i]))), one), 0);
	}
	lines = predict(a, arena_printf(a, "weights='%s' source='%s' save=false save_txt=true save_conf=true project=runs name=%s %s",
	                                weights, picture[1] ? folder : one, run, keys));
	assert_string_equal(bare(a, lines), bare(a, read_text(a, want)));
	for (size_t i = 0; picture[i]; i++) {
		const char *stem = arena_strn(a, picture[i], strcspn(picture[i], "."));
		const char *mine = arena_printf(a, "%s/runs/%s/labels/%s.txt", scratch, run, stem);

		if (label[i])
			same_labels(a, mine, reference(a, arena_printf(a, "predict/console/%s.txt", label[i])));
		else
			assert_int_equal(stat(mine, &st), -1);
	}
	arena_free(a);
}

#define LIST(...) (const char *const[]){ __VA_ARGS__, NULL }

static void
test_console(void **state)
{
	(void)state;
	check_console("one-bus", LIST("bus.jpg"), LIST("one-bus-bus"), "");
	check_console("one-zidane", LIST("zidane.jpg"), LIST("one-zidane-zidane"), "");
	check_console("folder", LIST("bus.jpg", "hopper-grey.jpg", "hopper.jpg", "parkour.jpg"),
	              LIST("folder-bus", NULL, "folder-hopper", NULL), "");
	check_console("batch2", LIST("bus.jpg", "zidane.jpg"), LIST("batch2-bus", "batch2-zidane"), "batch=2");
}

static int
make_scratch(void **state)
{
	(void)state;
	return mkdtemp(scratch) ? 0 : -1;
}

static int
remove_scratch(void **state)
{
	(void)state;
	char command[64];

	snprintf(command, sizeof command, "rm -r %s", scratch);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_demo), cmocka_unit_test(test_demo_labels),
		cmocka_unit_test(test_square), cmocka_unit_test(test_rect),
		cmocka_unit_test(test_square_all), cmocka_unit_test(test_rect_all),
		cmocka_unit_test(test_console),
	};

	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
