/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From the command line to a checked graph: reads or fetches the volume file, puts the values of
 * --xlator-option over those of the file, loads and checks everything. No init runs here.
 */
#include "config.h"
#include "call.h"
#include "daemon.h"

#include "../xlators/protocol/fetch.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static void problem(struct diag *diag, const char *option, const char *what)
{
	diag_add(diag, DIAG_ERROR, NULL, (struct vf_pos){ 0, 0 }, 0, "--xlator-option %s: %s",
		 option, what);
}

/* Sets key to value in a volume of a tree that we own; both strings must outlive the tree. 0 or
 * -ENOMEM. */
static int volume_set_option(struct vf_volume *v, const char *key, const char *value)
{
	struct vf_option *more;

	for (size_t i = v->nr_options; i-- > 0; ) {
		if (strcmp(v->options[i].key.text, key))
			continue;
		v->options[i].value = (struct vf_word){ .text = value };
		return 0;
	}
	more = reallocarray(v->options, v->nr_options + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	v->options = more;
	more[v->nr_options++] = (struct vf_option){ .key.text = key, .value.text = value };
	return 0;
}

/* The length of the volume's name (or pattern) in VOLUME.KEY, when it is that of `name`; 0: it is
 * not. A name may have dots of its own, so all places to cut are tried. */
static size_t names_volume(const char *option, size_t len, const char *name)
{
	char pattern[VF_MAX_WORD + 1];

	for (size_t i = 1; i < len && i < sizeof(pattern); i++) {
		if (option[i] != '.')
			continue;
		memcpy(pattern, option, i);
		pattern[i] = '\0';
		if (!fnmatch(pattern, name, 0))
			return i;
	}
	return 0;
}

/* One VOLUME.KEY=VALUE, where VOLUME may be a pattern. It is cut in two; the tree refers to it. */
static void override(struct volfile *vf, char *option, bool mounts, struct diag *diag)
{
	char *equals = strchr(option, '=');
	bool found = mounts && strncmp(option, "fuse.", 5) == 0;	/* push_mount() */

	if (!equals) {
		problem(diag, option, "it must be VOLUME.KEY=VALUE");
		return;
	}
	*equals = '\0';
	for (size_t i = 0; i < vf->nr_volumes; i++) {
		size_t n = names_volume(option, equals - option, vf->volumes[i].name.text);

		if (!n)
			continue;
		found = true;
		if (volume_set_option(&vf->volumes[i], option + n + 1, equals + 1))
			problem(diag, option, "out of memory");
	}
	if (!found)
		problem(diag, option, "there is no such volume in the volume file");
}

static struct volfile *fetch_volfile(const struct settings *s, struct diag *diag)
{
	struct diag_source src = { .file = s->volfile };
	struct volfile *vf = NULL;
	char transport[32], error[512], *text;

	/* 1.3 says tcp, tcp/client and tcp:... for the same */
	snprintf(transport, sizeof(transport), "%.*s", (int)strcspn(s->transport, ":"),
		 s->transport);
	if (protocol_fetch_volfile(transport, s->server, s->port, s->mount_timeout_ms, &text,
				   error) < 0) {
		diag_add(diag, DIAG_ERROR, &src, (struct vf_pos){ 0, 0 }, 0,
			 "cannot fetch the volume file: %s", error);
		return NULL;
	}
	vf = volfile_parse_doubtful(s->volfile, text, strlen(text), diag);
	free(text);
	return vf;
}

struct volfile *load_volfile(const struct settings *s, struct diag *diag)
{
	struct volfile *vf = s->server ? fetch_volfile(s, diag) : volfile_read_doubtful(s->volfile, diag);

	for (size_t i = 0; vf && i < s->nr_xlator_options; i++)
		override(vf, s->xlator_options[i], s->mount_point != NULL, diag);
	return vf;
}

struct graph *load_graph(const struct settings *s, struct loop *loop, struct diag *diag)
{
	struct graph_options o = {
		.loop = loop,
		.xlator_path = s->xlator_path,
		.top = s->volume_name,
		.inode_lru_limit = s->lru_limit,
		.strict = s->strict,
	};
	struct volfile *vf = load_volfile(s, diag);

	return vf ? graph_new(vf, &o, diag) : NULL;
}

bool xlator_is_entrance(const struct xlator *xl)
{
	for (int op = 0; op < FOP_COUNT; op++)
		if (xlator_handles(xl->type, op))
			return false;
	return !xl->nr_parents && xl->nr_children && xl->type->start;
}

bool graph_has_entrance(const struct graph *g)
{
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		if (xlator_is_entrance(g->xlators[i]))
			return true;
	return false;
}
