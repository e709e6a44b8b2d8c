/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * graph.c - from the tree of a volume file to linked and running translators.
 *
 * graph_new() does everything that can be found wrong without touching the world: loads the types,
 * links the children, stores and checks the options of all volumes.  Only then do the volumes
 * initialise.  The array `xlators` has children before parents; an xlator's index in it is the
 * index of its slots.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "call.h"
#include "graph.h"

enum { GRAPH_LRU_DEFAULT = 16384, GRAPH_WORKERS_DEFAULT = 4, KEYS_MAX = 256 };

static size_t word_width(const struct vf_word *w)
{
	return w->text ? strlen(w->text) : 0;
}

static void no_memory(struct graph *g)
{
	diag_add(g->diag, DIAG_ERROR, NULL, (struct vf_pos){ 0, 0 }, 0, "out of memory");
}

static struct xlator *xlator_new(struct graph *g, const struct vf_volume *v,
				 const struct graph_options *o)
{
	char error[512];
	void *handle;
	const struct xlator_type *type = xlator_load(v->type.text, o->xlator_path, &handle, error);

	if (!type) {
		diag_add(g->diag, DIAG_ERROR, v->type.pos.line ? &g->file->source : NULL,
			 v->type.pos, word_width(&v->type), "volume \"%s\": type \"%s\": %s",
			 v->name.text, v->type.text, error);
		return NULL;
	}
	struct xlator *xl = calloc(1, sizeof *xl);
	if (!xl) {
		no_memory(g);
		return NULL;
	}
	xl->type = type;
	xl->handle = handle;
	xl->name = v->name.text;
	xl->type_name = v->type.text;
	xl->volume = v;
	xl->graph = g;
	xl->priv = calloc(1, type->priv_size ? type->priv_size : 1);
	if (!xl->priv) {
		free(xl);
		no_memory(g);
		return NULL;
	}
	return xl;
}

static void xlator_free(struct xlator *xl)
{
	if (!xl)
		return;
	option_free(xl->type->options, xl->priv);
	free(xl->priv);
	free(xl->children);
	free(xl->parents);
	free(xl->parent_child);
	free(xl->next);
	free(xl);
}

struct xlator *graph_find(const struct graph *g, const char *name)
{
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		if (strcmp(g->xlators[i]->name, name) == 0)
			return g->xlators[i];
	return NULL;
}

static int add_parent(struct xlator *kid, struct xlator *parent, int as_child)
{
	struct xlator **parents = realloc(kid->parents, (kid->nr_parents + 1) * sizeof *parents);
	if (!parents)
		return -ENOMEM;
	kid->parents = parents;
	uint16_t *nth = realloc(kid->parent_child, (kid->nr_parents + 1) * sizeof *nth);
	if (!nth)
		return -ENOMEM;
	kid->parent_child = nth;
	parents[kid->nr_parents] = parent;
	nth[kid->nr_parents++] = as_child;
	return 0;
}

static int set_children(struct xlator *xl, struct xlator **kids, int nr)
{
	xl->children = calloc(nr ? nr : 1, sizeof *kids);
	xl->next = calloc(nr ? nr : 1, sizeof *xl->next);
	if (!xl->children || !xl->next)
		return -ENOMEM;
	for (int i = 0; i < nr; i++) {
		xl->children[i] = kids[i];
		xl->nr_children++;
		int err = add_parent(kids[i], xl, i);
		if (err)
			return err;
	}
	return 0;
}

/* Parents are linked past translators that do nothing about an operation: those cost nothing. */
static void link_next(struct xlator *xl)
{
	for (int i = 0; i < xl->nr_children; i++) {
		for (int op = 0; op < FOP_COUNT; op++) {
			struct xlator *kid = xl->children[i];

			while (kid && !xlator_handles(kid->type, op))
				kid = kid->nr_children ? kid->children[0] : NULL;
			xl->next[i][op] = kid;
		}
	}
}

static void check_child_count(struct graph *g, struct xlator *xl)
{
	const struct xlator_type *t = xl->type;
	int nr = xl->nr_children;
	char wants[64];

	if (nr >= t->min_children && (t->max_children == XL_MANY || nr <= t->max_children))
		return;
	if (t->max_children == 0)
		snprintf(wants, sizeof wants, "no subvolumes");
	else if (t->min_children == t->max_children)
		snprintf(wants, sizeof wants, "exactly %d subvolume%s", t->min_children,
			 t->min_children == 1 ? "" : "s");
	else if (t->max_children == XL_MANY)
		snprintf(wants, sizeof wants, "at least %d subvolume%s", t->min_children,
			 t->min_children == 1 ? "" : "s");
	else
		snprintf(wants, sizeof wants, "%d to %d subvolumes", t->min_children,
			 t->max_children);
	const struct vf_volume *v = xl->volume;
	const struct vf_word *at = v->nr_subvolumes ? &v->subvolumes[0] : &v->name;
	diag_add(g->diag, DIAG_ERROR, &g->file->source, at->pos, word_width(at),
		 "volume \"%s\": %s takes %s, not %d", xl->name, xl->type_name, wants, nr);
}

/* ---- options ---- */

static const char *nearest_key(const struct xlator_type *t, const char *key)
{
	const char *keys[KEYS_MAX];
	size_t nr = 0;

	for (const struct option *o = t->options; o && o->key && nr < KEYS_MAX; o++)
		keys[nr++] = o->key;
	return diag_nearest(key, keys, nr);
}

static bool option_given(const struct xlator *xl, const struct option *row)
{
	const struct vf_volume *v = xl->volume;

	for (size_t i = 0; i < v->nr_options; i++)
		if (option_find(xl->type->options, v->options[i].key.text) == row)
			return true;
	return false;
}

static void set_option(struct graph *g, struct xlator *xl, const struct vf_option *o,
		       const char *const *kids, size_t nr_kids)
{
	const struct diag_source *src = o->key.pos.line ? &g->file->source : NULL;
	const struct option *row =
		xl->type->options ? option_find(xl->type->options, o->key.text) : NULL;
	char error[256];

	if (!row) {
		const char *near = nearest_key(xl->type, o->key.text);

		diag_add(g->diag, g->strict ? DIAG_ERROR : DIAG_WARNING, src, o->key.pos,
			 word_width(&o->key),
			 "volume \"%s\": option \"%s\": %s has no such option%s%s%s%s", xl->name,
			 o->key.text, xl->type_name, near ? "; did you mean \"" : "",
			 near ? near : "", near ? "\"?" : "", g->strict ? "" : " (ignored)");
		return;
	}
	if (row->kind == OPT_PATTERN_)
		return;
	if (row->kind == OPT_OBSOLETE_) {
		diag_add(g->diag, DIAG_WARNING, src, o->key.pos, word_width(&o->key),
			 "volume \"%s\": option \"%s\" has no effect: %s", xl->name, o->key.text, row->help);
		return;
	}
	int err = option_set(row, xl->priv, o->value.text, kids, nr_kids, error);
	if (err)
		diag_add(g->diag, DIAG_ERROR, src, o->value.pos, word_width(&o->value),
			 "volume \"%s\": option \"%s\": %s", xl->name, o->key.text, error);
}

static int set_options(struct graph *g, struct xlator *xl)
{
	const struct vf_volume *v = xl->volume;
	/* As written: a subvolume that could not be loaded is known by name too.  An implicit
	 * volume has none written. */
	size_t nr_kids = v->nr_subvolumes ? v->nr_subvolumes : (size_t)xl->nr_children;
	const char **kids = calloc(nr_kids + 1, sizeof *kids);
	char error[256];

	if (!kids)
		return -ENOMEM;
	for (size_t i = 0; i < nr_kids; i++)
		kids[i] = v->nr_subvolumes ? v->subvolumes[i].text : xl->children[i]->name;
	if (xl->type->options &&
	    option_defaults(xl->type->options, xl->priv, kids, nr_kids, error) != 0)
		diag_add(g->diag, DIAG_ERROR, NULL, v->name.pos, 0, "%s: a default is wrong: %s",
			 xl->type_name, error);
	for (size_t i = 0; i < v->nr_options; i++)
		set_option(g, xl, &v->options[i], kids, nr_kids);
	free(kids);
	for (const struct option *o = xl->type->options; o && o->key; o++)
		if ((o->flags & OPT_REQUIRED_FLAG) && !option_given(xl, o))
			diag_add(g->diag, DIAG_ERROR, v->name.pos.line ? &g->file->source : NULL,
				 v->name.pos, word_width(&v->name),
				 "volume \"%s\": option \"%s\" is missing (%s)", xl->name, o->key,
				 o->help);
	return 0;
}

/* ---- building ---- */

/* Volume number i of the file and everything below it, children first.  A file that was found wrong may loop;
 * nobody is added twice. */
static void add_volume(struct graph *g, const struct graph_options *o, size_t i, struct xlator **of,
		       bool *seen)
{
	const struct vf_volume *v = &g->file->volumes[i];
	bool complete = true;
	unsigned before;

	if (seen[i])
		return;
	seen[i] = true;
	struct xlator **kids = calloc(v->nr_subvolumes + 1, sizeof *kids);
	if (!kids)
		return no_memory(g);
	for (size_t k = 0; k < v->nr_subvolumes; k++) {
		const struct vf_volume *sub = volfile_find(g->file, v->subvolumes[k].text);
		size_t n = sub ? sub - g->file->volumes : 0;

		if (sub)
			add_volume(g, o, n, of, seen);
		kids[k] = sub ? of[n] : NULL;
		complete &= kids[k] != NULL;
	}
	struct xlator *xl = v->type.text && v->name.text ? xlator_new(g, v, o) : NULL;
	if (xl && complete) {
		if (set_children(xl, kids, v->nr_subvolumes) == 0)
			check_child_count(g, xl);
		else
			no_memory(g);
	}
	free(kids);
	g->incomplete |= !xl || !complete;
	if (!xl)
		return;
	xl->index = g->nr_xlators;
	g->xlators[g->nr_xlators++] = xl;
	of[i] = xl;
	before = diag_errors(g->diag);
	if (set_options(g, xl) != 0)
		no_memory(g);
	xl->well_set = diag_errors(g->diag) == before;
}

static int add_volumes(struct graph *g, const struct graph_options *o)
{
	size_t nr = g->file->nr_volumes;
	struct xlator **of = calloc(nr, sizeof *of);
	bool *seen = calloc(nr, sizeof *seen);

	g->xlators = calloc(nr ? nr : 1, sizeof *g->xlators);
	if (of && seen && g->xlators)
		for (size_t i = 0; i < nr; i++)
			add_volume(g, o, i, of, seen);
	else
		no_memory(g);
	free(of);
	free(seen);
	return g->xlators && g->nr_xlators == nr ? 0 : -EINVAL;
}

/* ---- volumes that the file does not name ---- */

/* Appends a copy of s to the strings of an implicit volume. */
static const char *keep_string(char **at, const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = memcpy(*at, s, n);

	*at += n;
	return copy;
}

/* The description of a volume that no file has, in one block: words without a position. */
static struct vf_volume *implicit_volume(const char *type, const char *name,
					 const char *const *options)
{
	size_t nr = 0, bytes = strlen(type) + strlen(name) + 2;

	for (; options && options[nr]; nr++)
		bytes += strlen(options[nr]) + 1;
	struct vf_volume *v = calloc(1, sizeof *v + nr / 2 * sizeof *v->options + bytes);
	if (!v)
		return NULL;
	v->options = (struct vf_option *)(v + 1);
	v->nr_options = nr / 2;
	char *strings = (char *)(v->options + v->nr_options);
	v->name.text = keep_string(&strings, name);
	v->type.text = keep_string(&strings, type);
	for (size_t i = 0; i < v->nr_options; i++) {
		v->options[i].key.text = keep_string(&strings, options[2 * i]);
		v->options[i].value.text = keep_string(&strings, options[2 * i + 1]);
	}
	return v;
}

/* A translator that the file does not name, in nobody's list yet.  NULL after a problem was told. */
static struct xlator *implicit_new(struct graph *g, const char *type, const char *name,
				   const char *const *options)
{
	struct vf_volume **all = realloc(g->implicit, (g->nr_implicit + 1) * sizeof *all);
	struct vf_volume *v = all ? implicit_volume(type, name, options) : NULL;

	if (all)
		g->implicit = all;
	if (!v) {
		no_memory(g);
		return NULL;
	}
	g->implicit[g->nr_implicit++] = v;
	return xlator_new(g, v, &(struct graph_options){ .xlator_path = g->xlator_path });
}

/* Puts xl at a place in the list: behind its children, before its parents. */
static int insert_at(struct graph *g, struct xlator *xl, uint32_t at)
{
	struct xlator **all = realloc(g->xlators, (g->nr_xlators + 1) * sizeof *all);

	if (!all)
		return -ENOMEM;
	g->xlators = all;
	memmove(all + at + 1, all + at, (g->nr_xlators - at) * sizeof *all);
	all[at] = xl;
	g->nr_xlators++;
	for (uint32_t i = at; i < g->nr_xlators; i++)
		all[i]->index = i;
	return 0;
}

/* The translator above `kid` that the file does not name, if there is one already. */
static struct xlator *find_above(const struct graph *g, const struct xlator *kid, const char *type)
{
	for (int i = 0; i < kid->nr_parents; i++)
		if (!kid->parents[i]->volume->name.pos.line && strcmp(kid->parents[i]->type->name, type) == 0)
			return kid->parents[i];
	return NULL;
}

static struct xlator *put_above(struct graph *g, struct xlator *kid, const char *type)
{
	char name[300];

	snprintf(name, sizeof name, "%s.%s", kid->name, strchr(type, '/') + 1);
	struct xlator *xl = implicit_new(g, type, name, NULL);
	if (!xl)
		return NULL;
	if (insert_at(g, xl, kid->index + 1)) {
		xlator_free(xl);
		no_memory(g);
		return NULL;
	}
	if (set_children(xl, &kid, 1) || set_options(g, xl)) {
		no_memory(g);
		return NULL;
	}
	xl->well_set = true;
	return xl;
}

static void remove_parent(struct xlator *kid, const struct xlator *parent)
{
	for (int i = 0; i < kid->nr_parents; i++) {
		if (kid->parents[i] != parent)
			continue;
		kid->nr_parents--;
		memmove(kid->parents + i, kid->parents + i + 1, (kid->nr_parents - i) * sizeof *kid->parents);
		memmove(kid->parent_child + i, kid->parent_child + i + 1,
			(kid->nr_parents - i) * sizeof *kid->parent_child);
		return;
	}
}

/* Is there a storage below, and no translator of this type yet? */
static bool lacks_above(const struct xlator *xl, const char *type)
{
	for (; xl->nr_children == 1; xl = xl->children[0])
		if (strcmp(xl->type->name, type) == 0)
			return false;
	return xl->type->directory != NULL;
}

/* What xlator_type.needs_above asks for. */
static void put_in_needed(struct graph *g)
{
	for (uint32_t i = 0; i < g->nr_xlators; i++) {
		struct xlator *xl = g->xlators[i];
		const char *type = xl->type->needs_above;

		for (int k = 0; type && k < xl->nr_children; k++) {
			struct xlator *kid = xl->children[k];

			if (!lacks_above(kid, type))
				continue;
			struct xlator *above = find_above(g, kid, type);
			if (!above)
				above = put_above(g, kid, type);
			if (!above)
				return;
			remove_parent(kid, xl);
			xl->children[k] = above;
			if (add_parent(above, xl, k))
				return no_memory(g);
		}
		i = xl->index;		/* it may have moved up */
	}
}

static struct xlator *choose_top(struct graph *g, const char *name)
{
	const struct vf_volume *v = name ? volfile_find(g->file, name) : volfile_top(g->file);

	if (name && !v)
		diag_add(g->diag, DIAG_ERROR, &(struct diag_source){ .file = g->file->source.file },
			 (struct vf_pos){ 0, 0 }, 0, "there is no volume \"%s\" (--volume-name)",
			 name);
	return v && v->name.text ? graph_find(g, v->name.text) : NULL;
}

/* What translators have to say about their options as a whole, when each of these is right. */
static void check_all(struct graph *g)
{
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		if (g->xlators[i]->type->check && g->xlators[i]->well_set)
			g->xlators[i]->type->check(g->xlators[i]);
}

struct graph *graph_new(struct volfile *file, const struct graph_options *o, struct diag *diag)
{
	struct graph *g = calloc(1, sizeof *g);

	if (!g) {
		diag_add(diag, DIAG_ERROR, NULL, (struct vf_pos){ 0, 0 }, 0, "out of memory");
		volfile_free(file);
		return NULL;
	}
	g->file = file;
	g->loop = o->loop;
	g->diag = diag;
	g->strict = o->strict;
	g->xlator_path = o->xlator_path;
	if (g->loop && loop_is_sim(g->loop))
		g->client_id = loop_random(g->loop);
	else if (getrandom(&g->client_id, sizeof g->client_id, 0) != sizeof g->client_id)
		g->client_id = 0;
	g->client_id |= 1;
	g->lru_limit = o->inode_lru_limit ? o->inode_lru_limit : GRAPH_LRU_DEFAULT;
	int err = add_volumes(g, o);
	if (!err && !g->incomplete)
		put_in_needed(g);
	g->top = choose_top(g, o->top);
	check_all(g);
	if (!err && g->top && g->loop) {
		g->pool = pool_new(g->loop, "gf-work",
				   o->workers ? o->workers : GRAPH_WORKERS_DEFAULT);
		if (!g->pool)
			no_memory(g);
	}
	if (err || !g->top || diag_errors(diag)) {
		graph_free(g);
		return NULL;
	}
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		link_next(g->xlators[i]);
	return g;
}

int graph_push(struct graph *g, const char *type, const char *name, const char *const *options)
{
	unsigned before = diag_errors(g->diag);

	assert(!g->inodes);
	struct xlator *xl = implicit_new(g, type, name, options);
	if (!xl)
		return -EINVAL;
	int err = insert_at(g, xl, g->nr_xlators);
	if (err) {
		xlator_free(xl);
		return err;
	}
	err = set_children(xl, &g->top, 1);
	if (!err)
		err = set_options(g, xl);
	if (err || diag_errors(g->diag) > before)
		return err ? err : -EINVAL;
	if (xl->type->check && (err = xl->type->check(xl)))
		return err;
	link_next(xl);
	g->top = xl;
	return 0;
}

/* ---- running ---- */

/* Each xlator runs what may block in the pool of the nearest translator above it that has one, else
 * in the graph's. */
static void hand_down_pools(struct graph *g)
{
	for (uint32_t i = g->nr_xlators; i-- > 0; ) {
		struct xlator *xl = g->xlators[i];

		for (int p = 0; !xl->pool && p < xl->nr_parents; p++) {
			if (!xl->parents[p]->pool_owner)
				continue;
			xl->pool = xl->parents[p]->pool;
			xl->pool_owner = xl->parents[p]->pool_owner;
		}
	}
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		if (!g->xlators[i]->pool)
			g->xlators[i]->pool = g->pool;
}

const char *volatile graph_initialising;

int graph_init(struct graph *g)
{
	g->inodes = inode_table_new(g, g->nr_xlators, g->lru_limit);
	if (!g->inodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->nr_xlators; i++) {
		struct xlator *xl = g->xlators[i];
		unsigned before = g->diag ? diag_errors(g->diag) : 0;
		graph_initialising = xl->name;
		int err = xl->type->init ? xl->type->init(xl) : 0;
		graph_initialising = NULL;

		xl->inited = true;		/* fini() also after a failed init */
		if (!err)
			continue;
		if (g->diag && diag_errors(g->diag) == before)
			xl_error(xl, NULL, "%s cannot start: %s", xl->type_name, strerror(-err));
		return err;
	}
	hand_down_pools(g);
	return 0;
}

int graph_start(struct graph *g)
{
	for (uint32_t i = 0; i < g->nr_xlators; i++) {
		struct xlator *xl = g->xlators[i];
		unsigned before = g->diag ? diag_errors(g->diag) : 0;
		int err = xl->type->start ? xl->type->start(xl) : 0;

		if (err) {
			if (g->diag && diag_errors(g->diag) == before)
				xl_error(xl, NULL, "%s cannot start: %s", xl->type_name,
					 strerror(-err));
			return err;
		}
		xl->started = true;
	}
	return 0;
}

void graph_leave(struct graph *g)
{
	for (uint32_t i = g->nr_xlators; i-- > 0; )
		if (g->xlators[i]->started && g->xlators[i]->type->leave)
			g->xlators[i]->type->leave(g->xlators[i]);
}

bool graph_leaving(const struct graph *g)
{
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		if (g->xlators[i]->leaving)
			return true;
	return false;
}

void graph_stop(struct graph *g)
{
	for (uint32_t i = g->nr_xlators; i-- > 0; ) {
		struct xlator *xl = g->xlators[i];

		if (xl->started && xl->type->stop)
			xl->type->stop(xl);
		xl->started = false;
	}
}

bool graph_idle(const struct graph *g)
{
	for (uint32_t i = 0; i < g->nr_xlators; i++) {
		if (g->xlators[i]->busy)
			return false;
		if (g->xlators[i]->pool && !pool_idle(g->xlators[i]->pool))
			return false;
	}
	return true;
}

void graph_free(struct graph *g)
{
	if (!g)
		return;
	graph_stop(g);
	inode_table_free(g->inodes);
	for (uint32_t i = g->nr_xlators; i-- > 0; )
		if (g->xlators[i]->inited && g->xlators[i]->type->fini)
			g->xlators[i]->type->fini(g->xlators[i]);
	pool_free(g->pool);
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		xlator_free(g->xlators[i]);
	free(g->xlators);
	for (uint32_t i = 0; i < g->nr_implicit; i++)
		free(g->implicit[i]);
	free(g->implicit);
	volfile_free(g->file);
	free(g);
}

/* ---- dump ---- */

static void dump_xlator(struct xlator *xl, struct dump *d)
{
	char key[64];

	dump_section(d, "%s: %s", xl->name, xl->type_name);
	for (int i = 0; i < xl->nr_children; i++) {
		snprintf(key, sizeof key, "subvolume.%d", i);
		dump_value(d, key, "%s", xl->children[i]->name);
	}
	for (int op = 0; op < FOP_COUNT; op++) {
		if (!xl->stats[op].calls)
			continue;
		snprintf(key, sizeof key, "calls.%s", fop_names[op]);
		dump_value(d, key, "%llu, %llu failed", (unsigned long long)xl->stats[op].calls,
			   (unsigned long long)xl->stats[op].errors);
	}
	if (xl->type->dump)
		xl->type->dump(xl, d);
}

struct calls_dump {
	struct dump *d;
	uint32_t nr;
};

static void dump_call(void *arg, const char *line)
{
	struct calls_dump *c = arg;
	char key[32];

	if (c->nr == 0)
		dump_section(c->d, "calls under way");
	snprintf(key, sizeof key, "call.%u", c->nr++);
	dump_value(c->d, key, "%s", line);
}

void graph_dump(struct graph *g, struct dump *d)
{
	struct inode_counts c = inode_table_counts(g->inodes);
	struct pool_stats p = pool_stats(g->pool);

	dump_section(d, "graph");
	dump_value(d, "volume-file", "%s", g->file->source.file);
	dump_value(d, "client-id", "%016llx", (unsigned long long)g->client_id);
	dump_u64(d, "inodes.active", c.active);
	dump_u64(d, "inodes.lru", c.lru);
	dump_u64(d, "open-files", c.fds);
	dump_u64(d, "calls.under-way", call_count());
	dump_u64(d, "workers.done", p.done);
	dump_u64(d, "workers.queued", p.queued);
	dump_u64(d, "workers.max-queued", p.max_queued);
	calls_tell(g, dump_call, &(struct calls_dump){ .d = d });
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		dump_xlator(g->xlators[i], d);
}
