/* map.c -- string -> pointer; the entries keep the order they came in.
 *
 *     slot  [ . | 3 | . | 1 | 2 | . ]      open addressing, entry number + 1
 *     entry [ a | b | c ]                  in order of insertion
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"

typedef struct Entry { const char *key; void *value; uint64_t hash; } Entry;

struct Map {
	Arena *a;
	VEC(Entry) entry;
	uint32_t *slot;
	size_t nslot;           /* a power of two, at most half full; or 0 */
};

Map *
map_new(Arena *a)
{
	Map *m = NEW(a, Map);

	m->a = a;
	return m;
}

/* the slot that holds key, or the free one where it would go */
static size_t
probe(const Map *m, const char *key, uint64_t hash)
{
	size_t i = hash & (m->nslot - 1);

	for (; m->slot[i]; i = (i + 1) & (m->nslot - 1)) {
		const Entry *e = &m->entry.p[m->slot[i] - 1];
		if (e->hash == hash && strcmp(e->key, key) == 0)
			break;
	}
	return i;
}

static Entry *
find(const Map *m, const char *key)
{
	if (!m->nslot)
		return NULL;
	uint32_t at = m->slot[probe(m, key, hash64(key, strlen(key)))];
	return at ? &m->entry.p[at - 1] : NULL;
}

void *
map_get(const Map *m, const char *key)
{
	const Entry *e = find(m, key);

	return e ? e->value : NULL;
}

bool
map_has(const Map *m, const char *key)
{
	return find(m, key);
}

static void
rehash(Map *m)
{
	m->nslot = m->nslot ? m->nslot * 2 : 16;
	m->slot = NEWN(m->a, uint32_t, m->nslot);
	for (size_t k = 0; k < m->entry.n; k++) {
		size_t i = m->entry.p[k].hash & (m->nslot - 1);
		while (m->slot[i])
			i = (i + 1) & (m->nslot - 1);
		m->slot[i] = (uint32_t)k + 1;
	}
}

void
map_set(Map *m, const char *key, void *value)
{
	uint64_t hash = hash64(key, strlen(key));

	if ((m->entry.n + 1) * 2 > m->nslot)
		rehash(m);
	size_t i = probe(m, key, hash);
	if (m->slot[i]) {
		m->entry.p[m->slot[i] - 1].value = value;
		return;
	}
	Entry e = { arena_str(m->a, key), value, hash };
	vec_push(m->a, &m->entry, e);
	m->slot[i] = (uint32_t)m->entry.n;
}

size_t
map_count(const Map *m)
{
	return m->entry.n;
}

const char *
map_key(const Map *m, size_t i)
{
	return m->entry.p[i].key;
}

void *
map_value(const Map *m, size_t i)
{
	return m->entry.p[i].value;
}
