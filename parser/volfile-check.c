/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What can be checked in a tree without knowing translators.
 *
 * GlusterFS 1.3 wanted a subvolume defined above its parents, so that loops were impossible.
 * Here it may be anywhere in the file; so loops, and depth, are looked for. Duplicate names
 * were accepted by 1.3 and the later definition was the one found: a sure way to mount
 * something else than what one reads, so an error here.
 *
 * Names are found by bisection in a sorted array: 4 million subvolumes are not slow.
 */
#include "config.h"

#include "volfile-parse.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { NOWHERE = VF_MAX_VOLUMES };

/* What is found out about a volume. */
struct node {
	unsigned height;	/* volumes from here down, 0 = not known yet */
	bool on_path;		/* we are just below it */
	unsigned seen_by;	/* the last volume that named it, +1, and where */
	struct vf_pos seen_at;
};

struct check {
	const struct volfile *vf;
	struct diag *diag;
	unsigned errors, warnings;
	bool lost_name, told_depth;
	uint32_t *by_name;	/* numbers of volumes, sorted by name */
	size_t nr_names;
	const char **names;	/* as by_name, for suggestions */
	struct node *nodes;
	uint32_t path[VF_MAX_DEPTH];
};

static bool check_full(const struct check *c)
{
	return c->errors >= VF_MAX_ERRORS;
}

__attribute__((format(printf, 4, 5)))
static void tell(struct check *c, enum diag_level level, const struct vf_word *at,
		 const char *fmt, ...)
{
	size_t width = at->text ? strlen(at->text) : 1;
	char *text;
	va_list ap;

	if (check_full(c) || (level == DIAG_WARNING && c->warnings++ >= VF_MAX_ERRORS))
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	diag_add(c->diag, level, &c->vf->source, at->pos, width, "%s",
		 text ? text : "out of memory");
	free(text);
	if (level == DIAG_ERROR && ++c->errors == VF_MAX_ERRORS)
		diag_add(c->diag, DIAG_NOTE, &c->vf->source, (struct vf_pos){ 0, 0 }, 0,
			 "too many errors: what else is wrong is not told");
}

static const char *name_of(const struct vf_volume *vol)
{
	return vol->name.text ? vol->name.text : "";
}

/* --- Names --- */

static int compare_names(const void *a, const void *b, void *arg)
{
	const struct volfile *vf = arg;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int ret = strcmp(vf->volumes[i].name.text, vf->volumes[j].name.text);

	return ret != 0 ? ret : (i > j) - (i < j);
}

static bool check_start(struct check *c)
{
	size_t nr = c->vf->nr_volumes;

	c->by_name = calloc(nr + 1, sizeof(*c->by_name));
	c->names = calloc(nr + 1, sizeof(*c->names));
	c->nodes = calloc(nr + 1, sizeof(*c->nodes));
	if (!c->by_name || !c->names || !c->nodes)
		return false;
	for (size_t i = 0; i < nr; i++)
		if (c->vf->volumes[i].name.text)
			c->by_name[c->nr_names++] = (uint32_t)i;
	qsort_r(c->by_name, c->nr_names, sizeof(*c->by_name), compare_names, (void *)c->vf);
	for (size_t i = 0; i < c->nr_names; i++)
		c->names[i] = c->vf->volumes[c->by_name[i]].name.text;
	return true;
}

static void check_finish(struct check *c)
{
	free(c->by_name);
	free(c->names);
	free(c->nodes);
}

/* The number of the first volume of that name, or NOWHERE. */
static size_t find(const struct check *c, const char *name)
{
	size_t low = 0, high = c->nr_names;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(c->names[middle], name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->nr_names || strcmp(c->names[low], name) != 0)
		return NOWHERE;
	return c->by_name[low];
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static void check_name(struct check *c, size_t v)
{
	const struct vf_volume *vol = &c->vf->volumes[v];
	const struct vf_word at = { .pos = vol->pos };
	size_t first;

	if (!vol->name.text) {
		if (!c->lost_name)
			tell(c, DIAG_ERROR, &at, "a volume without a name");
		return;
	}
	first = find(c, vol->name.text);
	if (vol->name.text[0] == '\0')
		tell(c, DIAG_ERROR, &vol->name, "the name of a volume is empty");
	else if (has_control(vol->name.text))
		tell(c, DIAG_ERROR, &vol->name, "a control character in the name of a volume");
	else if (first != v)
		tell(c, DIAG_ERROR, &vol->name, "volume '%.60s' is defined already, on line %u",
		     vol->name.text, c->vf->volumes[first].pos.line);
}

static void check_type(struct check *c, const struct vf_volume *vol)
{
	const struct vf_word at = { .text = "volume", .pos = vol->pos };

	if (!vol->type.text && !vol->name.text && c->lost_name)
		return;
	if (!vol->type.text)
		tell(c, DIAG_ERROR, &at, "volume '%.60s' has no type", name_of(vol));
	else if (vol->type.text[0] == '\0' || has_control(vol->type.text))
		tell(c, DIAG_ERROR, &vol->type, "the type of volume '%.60s' is no name",
		     name_of(vol));
}

/* --- Options --- */

static int compare_options(const void *a, const void *b)
{
	const struct vf_option *x = *(const struct vf_option *const *)a;
	const struct vf_option *y = *(const struct vf_option *const *)b;
	int ret = strcmp(x->key.text, y->key.text);

	return ret != 0 ? ret : (x > y) - (x < y);	/* both are of one array */
}

static void check_options(struct check *c, const struct vf_volume *vol)
{
	const struct vf_option *sorted[VF_MAX_OPTIONS];

	if (vol->nr_options > VF_MAX_OPTIONS) {
		tell(c, DIAG_ERROR, &vol->name, "more than %d options in one volume",
		     VF_MAX_OPTIONS);
		return;
	}
	for (size_t i = 0; i < vol->nr_options; i++) {
		sorted[i] = &vol->options[i];
		if (sorted[i]->key.text[0] == '\0')
			tell(c, DIAG_ERROR, &sorted[i]->key, "the name of an option is empty");
	}
	qsort(sorted, vol->nr_options, sizeof(sorted[0]), compare_options);
	for (size_t i = 1; i < vol->nr_options; i++)
		if (strcmp(sorted[i - 1]->key.text, sorted[i]->key.text) == 0)
			tell(c, DIAG_WARNING, &sorted[i]->key,
			     "option '%.60s' is given again: this value counts, the one on line "
			     "%u does not", sorted[i]->key.text, sorted[i - 1]->key.pos.line);
}

/* --- Subvolumes --- */

/* A subvolume that is not defined. Returns true when it was rather meant as a keyword at the
 * start of a line. */
static bool tell_undefined(struct check *c, const struct vf_volume *vol, size_t i)
{
	const struct vf_word *word = &vol->subvolumes[i];
	bool starts_line = i > 0 && word->pos.line != word[-1].pos.line;
	const char *keyword = starts_line ? vf_nearest_keyword(word->text) : NULL;
	const char *near;

	if (keyword) {
		tell(c, DIAG_ERROR, word, "unknown word '%.60s'; did you mean '%s'?", word->text,
		     keyword);
		return true;
	}
	if (c->lost_name || check_full(c))
		return false;
	near = diag_nearest(word->text, c->names, c->nr_names);
	if (near && strcmp(near, name_of(vol)) != 0)
		tell(c, DIAG_ERROR, word, "subvolume '%.60s' is not defined; did you mean '%s'?",
		     word->text, near);
	else
		tell(c, DIAG_ERROR, word, "subvolume '%.60s' is not defined", word->text);
	return false;
}

static void check_subvolumes(struct check *c, size_t v)
{
	const struct vf_volume *vol = &c->vf->volumes[v];

	if (vol->nr_subvolumes > VF_MAX_SUBVOLUMES) {
		tell(c, DIAG_ERROR, &vol->name, "more than %d subvolumes in one volume",
		     VF_MAX_SUBVOLUMES);
		return;
	}
	for (size_t i = 0; i < vol->nr_subvolumes; i++) {
		const struct vf_word *word = &vol->subvolumes[i];
		size_t s = find(c, word->text);

		if (s == NOWHERE) {
			uint32_t line = word->pos.line;

			if (tell_undefined(c, vol, i))	/* its words are none of ours */
				while (i + 1 < vol->nr_subvolumes &&
				       vol->subvolumes[i + 1].pos.line == line)
					i++;
			continue;
		}
		if (strcmp(word->text, name_of(vol)) == 0 && c->nodes[s].seen_by != v + 1)
			tell(c, DIAG_ERROR, word, "volume '%.60s' is its own subvolume",
			     word->text);
		else if (c->nodes[s].seen_by == v + 1)
			tell(c, DIAG_ERROR, word, "subvolume '%.60s' is named already, on line %u",
			     word->text, c->nodes[s].seen_at.line);
		c->nodes[s].seen_by = (unsigned)v + 1;
		c->nodes[s].seen_at = word->pos;
	}
}

/* --- The graph --- */

/* The path from `from` down to the end of the path, and back to `from` through `word`. */
static void tell_loop(struct check *c, size_t from, unsigned depth, const struct vf_word *word)
{
	char text[512];
	unsigned at = 0, shown = 0;
	FILE *out = fmemopen(text, sizeof(text), "w");

	if (!out) {
		tell(c, DIAG_ERROR, word, "the subvolumes loop");
		return;
	}
	while (c->path[at] != from)
		at++;
	for (; at <= depth; at++, shown++) {
		if (shown < 8)
			fprintf(out, "%.40s -> ", name_of(&c->vf->volumes[c->path[at]]));
		else if (shown == 8)
			fprintf(out, "... -> ");
	}
	fprintf(out, "%.40s", word->text);
	fclose(out);
	text[sizeof(text) - 1] = '\0';
	tell(c, DIAG_ERROR, word, "the subvolumes loop: %s", text);
}

/*
 * Returns how many volumes are on top of each other from v down; VF_MAX_DEPTH + 1 means too
 * many, which is told once. `depth` is how many are above v: the recursion ends at VF_MAX_DEPTH.
 */
static unsigned check_below(struct check *c, size_t v, unsigned depth)
{
	const struct vf_volume *vol = &c->vf->volumes[v];
	struct node *node = &c->nodes[v];
	unsigned height = 1;

	if (node->height > 0)
		return node->height;
	c->path[depth] = (uint32_t)v;
	node->on_path = true;
	for (size_t i = 0; i < vol->nr_subvolumes && height <= VF_MAX_DEPTH; i++) {
		size_t s = find(c, vol->subvolumes[i].text);
		unsigned below;

		if (s == NOWHERE || s == v)
			continue;
		if (c->nodes[s].on_path) {
			tell_loop(c, s, depth, &vol->subvolumes[i]);
			continue;
		}
		below = c->nodes[s].height;
		if (below == 0 && depth + 1 < VF_MAX_DEPTH)
			below = check_below(c, s, depth + 1);
		else if (below == 0)
			below = VF_MAX_DEPTH;
		if (below == VF_MAX_DEPTH && !c->told_depth) {
			c->told_depth = true;
			tell(c, DIAG_ERROR, &vol->subvolumes[i],
			     "more than %d volumes on top of each other", VF_MAX_DEPTH);
		}
		if (below + 1 > height)
			height = below + 1;
	}
	node->on_path = false;
	node->height = height > VF_MAX_DEPTH ? VF_MAX_DEPTH + 1 : height;
	return node->height;
}

/* The last volume is the top; where it has a parent, the file is probably in a wrong order. */
static void check_top(struct check *c)
{
	const struct vf_volume *top = volfile_top(c->vf);

	for (size_t v = 0; top && v < c->vf->nr_volumes; v++) {
		const struct vf_volume *vol = &c->vf->volumes[v];

		for (size_t i = 0; i < vol->nr_subvolumes; i++) {
			if (strcmp(vol->subvolumes[i].text, top->name.text) != 0)
				continue;
			tell(c, DIAG_WARNING, &top->name, "volume '%.60s' is the last one and so "
			     "the top of the graph, but it is a subvolume of '%.60s' on line %u",
			     top->name.text, name_of(vol), vol->pos.line);
			return;
		}
	}
}

unsigned vf_check(const struct volfile *vf, struct diag *d, unsigned errors, bool lost_name)
{
	struct check c = { .vf = vf, .diag = d, .errors = errors, .lost_name = lost_name };

	if (vf->nr_volumes > VF_MAX_VOLUMES || !check_start(&c)) {
		tell(&c, DIAG_ERROR, &(struct vf_word){ .text = NULL }, "%s",
		     vf->nr_volumes > VF_MAX_VOLUMES ? "too many volumes" : "out of memory");
		check_finish(&c);
		return c.errors;
	}
	for (size_t v = 0; v < vf->nr_volumes && !check_full(&c); v++) {
		check_name(&c, v);
		check_type(&c, &vf->volumes[v]);
		check_options(&c, &vf->volumes[v]);
		check_subvolumes(&c, v);
	}
	for (size_t v = 0; v < vf->nr_volumes && !check_full(&c); v++)
		check_below(&c, v, 0);
	if (c.errors == 0)
		check_top(&c);
	check_finish(&c);
	return c.errors;
}

unsigned volfile_check(const struct volfile *vf, struct diag *d)
{
	return vf_check(vf, d, 0, false);
}
