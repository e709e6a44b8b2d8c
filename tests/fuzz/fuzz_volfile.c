/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Volume files: whatever the text, parsing ends with a tree or with errors; and a tree that
 * is printed parses back to an equal one without errors. What is told must be printable.
 */
#include "config.h"

#include "fuzz.h"
#include "volfile.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* As assert(), also with NDEBUG. */
#define MUST(condition)								\
	do {									\
		if (!(condition)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,	\
				__LINE__, #condition);				\
			abort();						\
		}								\
	} while (0)

static bool same_words(const struct vf_word *a, const struct vf_word *b)
{
	return strcmp(a->text, b->text) == 0;
}

static bool same_volumes(const struct vf_volume *a, const struct vf_volume *b)
{
	if (!same_words(&a->name, &b->name) || !same_words(&a->type, &b->type) ||
	    a->nr_options != b->nr_options || a->nr_subvolumes != b->nr_subvolumes)
		return false;
	for (size_t i = 0; i < a->nr_options; i++)
		if (!same_words(&a->options[i].key, &b->options[i].key) ||
		    !same_words(&a->options[i].value, &b->options[i].value))
			return false;
	for (size_t i = 0; i < a->nr_subvolumes; i++)
		if (!same_words(&a->subvolumes[i], &b->subvolumes[i]))
			return false;
	return true;
}

/* No byte of what is printed does more to a terminal than go to the next line. */
static void check_printed(const struct diag *d)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	MUST(out);
	diag_print(d, out);
	fclose(out);
	for (size_t i = 0; i < size; i++)
		MUST(text[i] == '\n' || ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f));
	free(text);
}

static void check_places(const struct diag *d, const uint8_t *data, size_t len)
{
	uint32_t lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += data[i] == '\n';
	for (size_t i = 0; i < diag_count(d); i++) {
		struct vf_pos pos;

		diag_message(d, i, NULL, &pos);
		MUST(pos.line <= lines && pos.column <= len + 1);
	}
}

static void check_round_trip(const struct volfile *vf)
{
	struct diag *d = diag_new();
	struct volfile *again;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	MUST(out && d);
	MUST(volfile_print(vf, out) == 0);
	fclose(out);
	again = volfile_parse("printed", text, size, d);
	if (!again)
		diag_print(d, stderr);
	MUST(again);
	MUST(vf->nr_volumes == again->nr_volumes);
	for (size_t i = 0; i < vf->nr_volumes; i++)
		MUST(same_volumes(&vf->volumes[i], &again->volumes[i]));
	volfile_free(again);
	free(text);
	diag_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diag *d = diag_new();
	struct volfile *vf = volfile_parse("fuzz.vol", (const char *)data, len, d);

	MUST(d);
	MUST(!vf == (diag_errors(d) > 0));
	MUST(diag_errors(d) <= VF_MAX_ERRORS);
	check_printed(d);
	check_places(d, data, len);
	if (vf) {
		MUST(volfile_top(vf) && volfile_find(vf, volfile_top(vf)->name.text));
		MUST(volfile_check(vf, NULL) == 0);
		check_round_trip(vf);
	}
	volfile_free(vf);
	diag_free(d);
	return 0;
}
