/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * --help-xlator: what the installed translators are and what options they take, from their own
 * tables, so that this help cannot be out of date.
 */
#include "config.h"
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xlator-impl.h"

enum { TYPES_MAX = 256, TYPE_NAME = 128 };

static void print_children(const struct xlator_type *t)
{
	if (t->max_children == 0)
		puts("subvolumes: none");
	else if (t->max_children == t->min_children)
		printf("subvolumes: exactly %u\n", t->min_children);
	else if (t->max_children == XL_MANY)
		printf("subvolumes: at least %u\n", t->min_children);
	else
		printf("subvolumes: %u to %u\n", t->min_children, t->max_children);
}

static int help_type(const struct settings *s)
{
	char error[512];
	void *handle;
	const struct xlator_type *t = xlator_load(s->help_type, s->xlator_path, &handle, error);

	if (!t) {
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, error);
		return EXIT_USAGE;
	}
	printf("%s: %s\n", t->name, t->help ? t->help : "");
	print_children(t);
	if (!t->options || !t->options->key) {
		puts("options: none");
		return EXIT_OK;
	}
	puts("options:");
	option_print_help(t->options, stdout, false);
	return EXIT_OK;
}

static int list_types(const struct settings *s)
{
	char (*names)[TYPE_NAME] = calloc(TYPES_MAX, sizeof(*names));
	size_t n = names ? xlator_list_types(s->xlator_path, names, TYPES_MAX) : 0;

	for (size_t i = 0; i < n; i++) {
		char error[512];
		void *handle;
		const struct xlator_type *t;

		if (i && !strcmp(names[i], names[i - 1]))
			continue;
		t = xlator_load(names[i], s->xlator_path, &handle, error);
		printf("%-28s %s\n", names[i], t ? t->help ? t->help : "" : error);
	}
	free(names);
	if (n)
		return EXIT_OK;
	fprintf(stderr, "%s: no translators are installed in %s\n", program_invocation_short_name,
		XLATORDIR);
	return EXIT_USAGE;
}

int help_xlator(const struct settings *s)
{
	return s->help_type ? help_type(s) : list_types(s);
}
