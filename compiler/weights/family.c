/* family.c -- which network tensors belong to, seen from their names and shapes.
 *
 *     model.0.conv.weight [64,3,3,3]              width: m or l
 *     model.6.m.2.0.…     absent                  depth: two repeats, so m
 *     model.6.m.0.0.attn.qk.conv.weight           turbo
 *     model.21.cv3.0.2.weight [2,256,1,1]         two classes
 *
 * Two families share the name YOLOv12 and a third is close to them; their files
 * load into each other's networks only in part, which is worse than not at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights/internal.h"

#include <stdlib.h>

const KinInfo kin_info[KIN_COUNT] = {
#define KIN(NAME, name, says, model) [KIN_##NAME] = { name, says, model },
#include "weights/kin.def"
#undef KIN
};

Kin
kin_named(const char *name)
{
	for (int k = 0; k < KIN_COUNT; k++)
		if (strcmp(kin_info[k].name, name) == 0)
			return (Kin)k;
	return KIN_UNKNOWN;
}

/* What one pass over the names gathers. */
typedef struct Signs {
	bool qk, qkv, pe_bias, bn, conv_bias, proto, linear, deep, yolo;
	int last;                       /* highest layer number */
	int64_t width;                  /* channels of layer 0 */
	int head;                       /* layer with cv3.0, or -1 */
	bool single;                    /* cv3.0.0 is one Conv: the legacy branch */
	int64_t classes;
} Signs;

static bool
has(const char *s, const char *part)
{
	return strstr(s, part) != NULL;
}

static void
look(Signs *g, const WTensor *t)
{
	char *rest;
	const char *s = t->name;

	if (strncmp(s, "model.", 6) != 0)
		return;
	long layer = strtol(s + 6, &rest, 10);
	if (rest == s + 6 || *rest != '.' || layer < 0 || layer > 1000)
		return;
	g->last = MAX(g->last, (int)layer);
	g->bn |= has(rest, ".bn.");
	g->conv_bias |= has(rest, ".conv.bias");
	g->qk |= has(rest, ".attn.qk.");
	g->qkv |= has(rest, ".attn.qkv.");
	g->pe_bias |= has(rest, ".attn.pe.conv.bias");
	g->proto |= strncmp(rest, ".proto.", 7) == 0;
	if (strcmp(s, "model.0.conv.weight") == 0 && t->rank == 4) {
		g->width = t->dim[0];
		g->yolo = true;
	}
	/* the third repeat: only where depth is 1 */
	g->deep |= strncmp(s, "model.6.m.2.", 12) == 0;
	if (strcmp(rest, ".linear.weight") == 0 && t->rank == 2) {
		g->linear = true;
		g->classes = t->dim[0];
	}
	if (strcmp(rest, ".cv3.0.2.weight") == 0 && t->rank == 4) {
		g->head = (int)layer;
		g->classes = t->dim[0];
	}
	g->single |= strcmp(rest, ".cv3.0.0.conv.weight") == 0;
}

WFamily
family_of(const WTensor *t, size_t n)
{
	static const struct { int64_t width; bool deep; char scale; } scales[] = {
		{ 16, false, 'n' }, { 32, false, 's' }, { 64, false, 'm' }, { 64, true, 'l' }, { 96, true, 'x' },
	};
	Signs g = { .last = -1, .head = -1 };
	WFamily f = { .kin = KIN_UNKNOWN };

	for (size_t i = 0; i < n; i++)
		look(&g, &t[i]);
	f.folded = g.conv_bias && !g.bn;
	if (g.qk)
		f.kin = KIN_TURBO;
	else if (g.qkv && (g.pe_bias || f.folded))      /* folded, the two look alike */
		f.kin = KIN_V1;
	else if (g.qkv)
		f.kin = KIN_UPSTREAM;
	else if (g.single)
		f.kin = KIN_LEGACY;
	else if (g.yolo && (g.head >= 0 || g.linear))
		f.kin = KIN_OTHER;
	if (g.qk || g.qkv)
		for (size_t i = 0; i < COUNT(scales); i++)
			if (g.width == scales[i].width && g.deep == scales[i].deep)
				f.scale = scales[i].scale;
	if (g.head >= 0 || g.linear) {
		f.task = g.proto ? "segment" : g.linear ? "classify" : "detect";
		f.nc = g.classes > 0 && g.classes <= 1 << 20 ? (int)g.classes : 0;
	}
	return f;
}

const char *
family_says(Arena *a, const WFamily *f)
{
	switch (f->kin) {
	case KIN_TURBO: case KIN_V1: case KIN_UPSTREAM: {
		const char *name = f->kin == KIN_UPSTREAM ? "yolo12" : "YOLOv12";
		const char *which = f->kin == KIN_UPSTREAM ? "ultralytics" : kin_info[f->kin].name;
		return f->scale ? arena_printf(a, "%s-%c %s", name, f->scale, which)
		                : arena_printf(a, "%s %s of a scale of its own", name, which);
	}
	default:
		return kin_info[f->kin].says;
	}
}
