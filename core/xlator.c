/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xlator.c - finding and loading translators, and what a translator asks of the core.
 *
 * Shared objects stay loaded until the process ends: types are referred to from everywhere, and
 * tools want their symbols.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "call.h"
#include "graph.h"
#include "xlator-impl.h"

const struct xlator_type *const *graph_builtin_types;

/* ---- loading ---- */

/* The path of the shared object for a type, in `out`.  False: none found. */
static bool find_object(const char *type, const char *const *path, char *out, size_t size)
{
	const char *base = strrchr(type, '/');

	if (type[0] == '/' || strncmp(type, "./", 2) == 0 || strncmp(type, "../", 3) == 0) {
		snprintf(out, size, "%s", type);
		return access(out, F_OK) == 0;
	}
	base = base ? base + 1 : type;
	for (; path && *path; path++) {
		snprintf(out, size, "%s/%s.so", *path, type);
		if (access(out, F_OK) == 0)
			return true;
		snprintf(out, size, "%s/%s.so", *path, base);
		if (access(out, F_OK) == 0)
			return true;
	}
	snprintf(out, size, "%s/%s.so", XLATORDIR, type);
	return access(out, F_OK) == 0;
}

static const struct xlator_type *check_export(const struct xlator_export *e, const char *object,
					      char error[512])
{
	if (memcmp(e->magic, "gf-xlatr", sizeof e->magic) != 0)
		snprintf(error, 512,
			 "%s is not a glusterfs translator: glusterfs_xlator is something else",
			 object);
	else if (e->abi != XLATOR_ABI || e->nr_fops != FOP_COUNT ||
		 e->type_size != sizeof(struct xlator_type))
		snprintf(
			error, 512,
			"%s was built for another version of glusterfs (interface %u with %u operations; "
			"this is %u with %u): compile it again",
			object, e->abi, e->nr_fops, XLATOR_ABI, FOP_COUNT);
	else if (!e->type || e->type->abi != XLATOR_ABI)
		snprintf(error, 512, "%s: .abi of its xlator_type is not XLATOR_ABI", object);
	else if (!e->type->name || e->type->min_children > e->type->max_children)
		snprintf(error, 512,
			 "%s: its xlator_type is incomplete (name, min_children <= max_children)",
			 object);
	else
		return e->type;
	return NULL;
}

const struct xlator_type *xlator_load(const char *type, const char *const *path, void **ret_handle,
				      char error[512])
{
	char object[4096];

	*ret_handle = NULL;
	for (const struct xlator_type *const *b = graph_builtin_types; b && *b; b++)
		if (strcmp((*b)->name, type) == 0)
			return *b;
	if (!find_object(type, path, object, sizeof object)) {
		const char *near = xlator_nearest_type(type, path);

		snprintf(error, 512, "there is no translator \"%s\"%s%s%s (looked for %s)", type,
			 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "",
			 object);
		return NULL;
	}
	void *handle = dlopen(object, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		snprintf(error, 512, "cannot load: %s", dlerror());
		return NULL;
	}
	const struct xlator_export *e = dlsym(handle, "glusterfs_xlator");
	const struct xlator_type *t = NULL;
	if (!e)
		snprintf(error, 512,
			 "%s is not a glusterfs translator: it has no symbol glusterfs_xlator "
			 "(XLATOR_EXPORT)",
			 object);
	else
		t = check_export(e, object, error);
	if (!t) {
		dlclose(handle);
		return NULL;
	}
	*ret_handle = handle;
	return t;
}

/* ---- the types there are ---- */

static size_t list_dir(const char *dir, const char *prefix, char (*out)[128], size_t nr, size_t max)
{
	DIR *d = opendir(dir);

	if (!d)
		return nr;
	for (struct dirent *e; nr < max && (e = readdir(d)); ) {
		size_t len = strlen(e->d_name);
		char sub[4096];

		if (e->d_name[0] == '.')
			continue;
		if (len > 3 && strcmp(e->d_name + len - 3, ".so") == 0) {
			int n = snprintf(out[nr], sizeof out[nr], "%s%s%.*s", prefix,
					 *prefix ? "/" : "", (int)(len - 3), e->d_name);
			if (n > 0 && n < (int)sizeof out[nr])
				nr++;
		} else if (!*prefix && len < 64) {
			if (snprintf(sub, sizeof sub, "%s/%s", dir, e->d_name) < (int)sizeof sub)
				nr = list_dir(sub, e->d_name, out, nr, max);
		}
	}
	closedir(d);
	return nr;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

size_t xlator_list_types(const char *const *path, char (*out)[128], size_t max)
{
	size_t nr = 0;

	for (; path && *path; path++)
		nr = list_dir(*path, "", out, nr, max);
	nr = list_dir(XLATORDIR, "", out, nr, max);
	qsort(out, nr, sizeof *out, compare_names);
	return nr;
}

const char *xlator_nearest_type(const char *type, const char *const *path)
{
	static char names[256][128];	/* the answer points here; errors are made on one thread */
	const char *pointers[256];
	size_t nr = xlator_list_types(path, names, 256);

	for (size_t i = 0; i < nr; i++) {
		const char *base = strrchr(names[i], '/');

		if (base && strcmp(base + 1, type) == 0)
			return names[i];	/* only the folder was forgotten */
		pointers[i] = names[i];
	}
	return diag_nearest(type, pointers, nr);
}

/* ---- for translators ---- */

struct inode_table *xl_inodes(const struct xlator *xl)
{
	return xl->graph->inodes;
}

struct loop *xl_loop(const struct xlator *xl)
{
	return xl->graph->loop;
}

void xl_notify(struct xlator *xl, enum xl_event what, void *data)
{
	struct graph *g = xl->graph;

	if (what == XL_CHILD_UP)
		xl->up = true;
	else if (what == XL_CHILD_DOWN || what == XL_CHILD_FAILED)
		xl->up = false;
	for (int i = 0; i < xl->nr_parents; i++) {
		struct xlator *p = xl->parents[i];

		if (p->type->event)
			p->type->event(p, xl->parent_child[i], what, data);
		else
			xl_notify(p, what, data);
	}
	if (xl == g->top && g->on_event)
		g->on_event(g, what, data);
	if (g->on_notify)
		g->on_notify(g, xl, what, data);
}

static void say(struct xlator *xl, enum diag_level level, const char *key, const char *fmt,
		va_list ap)
{
	char text[1024];
	const struct vf_volume *v = xl->volume;
	const struct vf_word *word = v ? &v->name : NULL;

	vsnprintf(text, sizeof text, fmt, ap);
	if (!xl->graph->diag) {
		log_plain(level == DIAG_ERROR ? LOG_ERROR_ : LOG_WARNING_, xl->name, "%s%s%s%s",
			  key ? "option \"" : "", key ? key : "", key ? "\": " : "", text);
		return;
	}
	/* As it was written: perhaps by another spelling. */
	const struct option *row = key ? option_find(xl->type->options, key) : NULL;
	for (size_t i = 0; v && key && i < v->nr_options; i++) {
		const char *written = v->options[i].key.text;

		if (strcmp(written, key) != 0 &&
		    (!row || option_find(xl->type->options, written) != row ||
		     row->kind == OPT_PATTERN_))
			continue;
		word = &v->options[i].value;
		key = written;
	}
	struct vf_pos pos = word ? word->pos : (struct vf_pos){ 0, 0 };
	const struct diag_source *src = pos.line ? &xl->graph->file->source : NULL;
	diag_add(xl->graph->diag, level, src, pos, word && word->text ? strlen(word->text) : 0,
		 "volume \"%s\": %s%s%s%s", xl->name, key ? "option \"" : "", key ? key : "", key ? "\": " : "", text);
}

void xl_error(struct xlator *xl, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(xl, DIAG_ERROR, key, fmt, ap);
	va_end(ap);
}

void xl_warning(struct xlator *xl, const char *key, const char *fmt, ...)
{
	va_list ap;

	/* "There is no volume x" is not true of one that could not be loaded. */
	if (xl->graph->incomplete)
		return;
	va_start(ap, fmt);
	say(xl, DIAG_WARNING, key, fmt, ap);
	va_end(ap);
}

bool xl_option_match(const struct xlator *xl, const char *pattern, size_t n, const char **key,
		     const char **value)
{
	const struct vf_volume *v = xl->volume;

	for (size_t i = 0; v && i < v->nr_options; i++) {
		if (fnmatch(pattern, v->options[i].key.text, 0) != 0 || n-- > 0)
			continue;
		*key = v->options[i].key.text;
		*value = v->options[i].value.text;
		return true;
	}
	return false;
}

const char *xl_directory(const struct xlator *xl)
{
	while (!xl->type->directory && xl->nr_children == 1)
		xl = xl->children[0];
	return xl->type->directory ? xl->type->directory(xl) : NULL;
}

void xl_busy(struct xlator *xl, int plus_or_minus)
{
	assert(plus_or_minus > 0 || xl->busy >= (uint32_t)-plus_or_minus);
	xl->busy += plus_or_minus;
}

/* ---- txns and identities ---- */

uint64_t call_new_txn(struct graph *g)
{
	return ++g->next_txn;
}

/*
 * The identity that a txn gives to what it creates: the same for a repeated txn, different for any
 * two. The first two bytes, which choose the directory of the handle on a brick, stay the same for
 * 4,096 txns: a burst of creates touches one such directory, not 4,096.
 */
struct gfid txn_gfid(uint64_t client, uint64_t txn)
{
	uint64_t key[2] = { client, txn };
	XXH128_hash_t h = XXH3_128bits(key, sizeof key);
	struct gfid gfid;

	memcpy(gfid.b, &h, sizeof gfid.b);
	key[1] = txn >> 12;
	uint64_t place = XXH3_64bits_withSeed(key, sizeof key, 1);
	memcpy(gfid.b, &place, 2);
	if (gfid_is_none(&gfid) || gfid_equal(&gfid, &gfid_root))
		gfid.b[8] ^= 0x80;
	return gfid;
}

struct gfid call_new_gfid(struct graph *g, uint64_t txn)
{
	return txn_gfid(g->client_id, txn);
}
