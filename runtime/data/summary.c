/* summary.c -- what was found, in words: "4 persons, 1 bus, ".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>

#include "runtime/data/inner.h"

const char *
y12_class_name(const y12_names *names, int label, char buf[24])
{
	if (names && label >= 0 && label < names->n && names->name[label])
		return names->name[label];
	snprintf(buf, 24, "class%d", label);
	return buf;
}

/* the least label above `after`; INT_MAX: none */
static int
next_label(const y12_detection *d, size_t n, int after)
{
	int best = INT_MAX;

	for (size_t i = 0; i < n; i++)
		if (d[i].label > after && d[i].label < best)
			best = d[i].label;
	return best;
}

char *
y12_summary(const y12_detection *d, size_t n, const y12_names *names)
{
	Out o = { 0 };
	char buf[24];

	for (int label = -1; (label = next_label(d, n, label)) != INT_MAX; ) {
		size_t count = 0;

		for (size_t i = 0; i < n; i++)
			count += d[i].label == label;
		out_printf(&o, "%zu ", count);
		out_put(&o, y12_class_name(names, label, buf));
		out_put(&o, count > 1 ? "s, " : ", ");
	}
	if (!o.n)
		out_put(&o, "(no detections), ");
	return out_take(&o);
}
