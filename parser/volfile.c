/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Volume files: parsing, and building the tree. See volfile.h.
 *
 * volfile_parse runs the grammar (volfile.y) over the tokens of volfile-syntax.c; its actions
 * call the vf_volume_ functions here. All words of a tree lie in one block that is as large
 * as they can ever get, so storing one cannot fail. The tree is built even when there are
 * errors, so that volfile_check can tell what else is wrong.
 */
#include "config.h"

#include "volfile-parse.h"
#include "volfile-gram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Tells that there is no memory, and ends the parsing. */
static void no_memory(struct vf_parse *p)
{
	vf_problem(p, DIAG_ERROR, &p->token, "out of memory");
	p->give_up = true;
}

/* --- The tree --- */

/* Makes room for one more element in an array. */
static int grow(void *array, size_t *cap, size_t nr, size_t size)
{
	void **items = array, *more;
	size_t want = *cap ? *cap * 2 : 8;

	if (nr < *cap)
		return 0;
	more = reallocarray(*items, want, size);
	if (!more)
		return -ENOMEM;
	*items = more;
	*cap = want;
	return 0;
}

/* Stores the text of a token, without quotes and what they escape. */
static struct vf_word make_word(struct vf_parse *p, const struct vf_token *t)
{
	const char *s = p->vf->text_copy + t->start, *end = s + t->len;
	char *to = p->vf->words + p->words_used;
	struct vf_word word = { to, t->pos };

	if (t->quoted) {
		s++;
		end--;
	}
	while (s < end) {
		if (t->quoted && *s == '\\')
			s++;
		*to++ = *s++;
	}
	*to++ = '\0';
	p->words_used = (size_t)(to - p->vf->words);
	return word;
}

static struct vf_volume *open_volume(struct vf_parse *p)
{
	return p->in_volume ? &p->vf->volumes[p->vf->nr_volumes - 1] : NULL;
}

/* `name` is NULL when it is missing. */
void vf_volume_begin(struct vf_parse *p, const struct vf_token *keyword,
		     const struct vf_token *name)
{
	struct vf_volume vol = { .pos = keyword->pos };

	if (p->vf->nr_volumes == VF_MAX_VOLUMES) {
		vf_problem(p, DIAG_ERROR, keyword, "more than %d volumes", VF_MAX_VOLUMES);
		p->give_up = true;
		return;
	}
	if (grow(&p->vf->volumes, &p->cap_volumes, p->vf->nr_volumes, sizeof(vol)) < 0) {
		no_memory(p);
		return;
	}
	if (name)
		vol.name = make_word(p, name);
	else
		p->lost_name = true;
	p->vf->volumes[p->vf->nr_volumes++] = vol;
	p->cap_options = p->cap_subvolumes = 0;
	p->told_full = false;
	p->in_volume = true;
}

void vf_volume_end(struct vf_parse *p, const struct vf_token *keyword)
{
	struct vf_volume *vol = open_volume(p);

	if (vol)
		vol->end_pos = keyword->pos;
	p->in_volume = false;
}

/* Was end-volume misspelt and taken for a subvolume? Tells so, and drops it from there on. */
static bool subvolumes_hide_end(struct vf_parse *p, struct vf_volume *vol)
{
	for (size_t i = vol->nr_subvolumes; i-- > 1;) {
		const struct vf_word *word = &vol->subvolumes[i];
		struct vf_token at = { .pos = word->pos, .len = strlen(word->text) };
		const char *near;

		if (word->pos.line == word[-1].pos.line)
			continue;
		near = vf_nearest_keyword(word->text);
		if (!near || strcmp(near, "end-volume") != 0)
			continue;
		vf_problem(p, DIAG_ERROR, &at, "unknown word '%.60s'; did you mean 'end-volume'?",
			   word->text);
		vol->nr_subvolumes = i;
		return true;
	}
	return false;
}

void vf_volume_unended(struct vf_parse *p)
{
	struct vf_volume *vol = open_volume(p);
	struct vf_token at = { .len = strlen("volume") };

	p->in_volume = false;
	if (!vol || subvolumes_hide_end(p, vol))
		return;
	if (p->open_quote) {	/* it holds whatever is missing */
		p->lost_name = true;
		if (!vol->type.text)
			vol->type = vol->name;
		return;
	}
	at.pos = vol->pos;
	if (!vol->name.text && p->told_at == p->token.start + 1)
		return;
	if (p->token.kind == VOLUME)
		vf_problem(p, DIAG_ERROR, &at, "volume '%.60s' is not ended: there is no "
			   "'end-volume' before the 'volume' on line %u",
			   vol->name.text ? vol->name.text : "", p->token.pos.line);
	else
		vf_problem(p, DIAG_ERROR, &at, "volume '%.60s' is not ended: there is no "
			   "'end-volume' before the end of the file",
			   vol->name.text ? vol->name.text : "");
}

void vf_volume_type(struct vf_parse *p, const struct vf_token *type)
{
	struct vf_volume *vol = open_volume(p);

	if (vol && vol->type.text)
		vf_problem(p, DIAG_ERROR, type, "a second type for volume '%.60s': it has one on "
			   "line %u", vol->name.text ? vol->name.text : "", vol->type.pos.line);
	else if (vol)
		vol->type = make_word(p, type);
}

/* Is there room for one more? Tells it once when there is not. */
static bool has_room(struct vf_parse *p, const struct vf_token *at, size_t nr, size_t max,
		     const char *what)
{
	if (nr < max)
		return true;
	if (!p->told_full)
		vf_problem(p, DIAG_ERROR, at, "more than %zu %s in one volume", max, what);
	p->told_full = true;
	return false;
}

void vf_volume_option(struct vf_parse *p, const struct vf_token *key,
		      const struct vf_token *value)
{
	struct vf_volume *vol = open_volume(p);
	struct vf_option *option;

	if (!vol || !has_room(p, key, vol->nr_options, VF_MAX_OPTIONS, "options"))
		return;
	if (grow(&vol->options, &p->cap_options, vol->nr_options, sizeof(*option)) < 0) {
		no_memory(p);
		return;
	}
	option = &vol->options[vol->nr_options++];
	option->key = make_word(p, key);
	option->value = make_word(p, value);
}

void vf_volume_subvolume(struct vf_parse *p, const struct vf_token *name)
{
	struct vf_volume *vol = open_volume(p);

	if (!vol || !has_room(p, name, vol->nr_subvolumes, VF_MAX_SUBVOLUMES, "subvolumes"))
		return;
	if (grow(&vol->subvolumes, &p->cap_subvolumes, vol->nr_subvolumes,
		 sizeof(*vol->subvolumes)) < 0) {
		no_memory(p);
		return;
	}
	vol->subvolumes[vol->nr_subvolumes++] = make_word(p, name);
}

void volfile_free(struct volfile *vf)
{
	if (!vf)
		return;
	for (size_t i = 0; i < vf->nr_volumes; i++) {
		free(vf->volumes[i].options);
		free(vf->volumes[i].subvolumes);
	}
	free(vf->volumes);
	free(vf->name_copy);
	free(vf->text_copy);
	free(vf->words);
	free(vf);
}

/* --- Parsing --- */

/* A tree without volumes, with copies of name and text. */
static struct volfile *volfile_new(const char *name, const char *text, size_t len)
{
	struct volfile *vf = calloc(1, sizeof(*vf));

	if (!vf)
		return NULL;
	vf->name_copy = strdup(name);
	vf->text_copy = malloc(len + 1);
	vf->words = malloc(2 * len + 2);	/* each token at most its length and one */
	if (!vf->name_copy || !vf->text_copy || !vf->words) {
		volfile_free(vf);
		return NULL;
	}
	if (len > 0)
		memcpy(vf->text_copy, text, len);
	vf->text_copy[len] = '\0';
	vf->source = (struct diag_source){ vf->name_copy, vf->text_copy, len };
	return vf;
}

/* Can the text be a volume file at all? */
static bool text_is_sane(const char *name, const char *text, size_t len, struct diag *d)
{
	const struct diag_source src = { .file = name };
	const char *nul = len > 0 ? memchr(text, '\0', len) : NULL;
	struct vf_pos pos = { 0, 0 };

	if (len > VF_MAX_FILE) {
		diag_add(d, DIAG_ERROR, &src, pos, 0, "too large for a volume file: more than "
			 "%d MiB", VF_MAX_FILE >> 20);
		return false;
	}
	if (nul) {
		diag_add(d, DIAG_ERROR, &src, pos, 0, "not a volume file but binary data: byte "
			 "%zu is NUL", (size_t)(nul - text) + 1);
		return false;
	}
	return true;
}

/* Runs the grammar over a copy of the text: flex writes NUL bytes into what it reads. */
static void run_grammar(struct vf_parse *p)
{
	size_t len = p->vf->source.len;
	char *buf = calloc(1, len + 2);	/* and wants two of them at the end */
	void *scanner = NULL;

	if (buf) {
		memcpy(buf, p->vf->text_copy, len);
		scanner = vf_lex_start(p, buf, len + 2);
	}
	p->line = 1;
	if (!scanner || vf_gram_parse(p, scanner) != 0)
		no_memory(p);
	if (scanner)
		vf_lex_stop(scanner);
	free(buf);
}

/* Whether the text was one that the grammar knows, whatever else is wrong with the tree. */
static bool parse_text(struct vf_parse *p)
{
	struct vf_token start = { .len = 0 };

	run_grammar(p);
	if (p->errors == 0 && p->vf->nr_volumes == 0)
		vf_problem(p, DIAG_ERROR, &start, "the file defines no volume");
	bool known = p->errors == 0;
	if (!p->give_up)
		p->errors = vf_check(p->vf, p->diag, p->errors, p->lost_name);
	return known;
}

struct volfile *vf_parse(const char *name, const char *text, size_t len, struct diag *d, bool doubtful)
{
	struct vf_parse p = { .diag = d };

	if (!text_is_sane(name, text, len, d))
		return NULL;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {	/* a byte order mark */
		text += 3;
		len -= 3;
	}
	p.vf = volfile_new(name, text, len);
	if (!p.vf) {
		diag_add(d, DIAG_ERROR, &(struct diag_source){ .file = name },
			 (struct vf_pos){ 0, 0 }, 0, "out of memory");
		return NULL;
	}
	bool known = parse_text(&p);
	if (p.errors > 0 && !(known && doubtful)) {
		volfile_free(p.vf);
		return NULL;
	}
	return p.vf;
}

struct volfile *volfile_parse(const char *name, const char *text, size_t len, struct diag *d)
{
	return vf_parse(name, text, len, d, false);
}

struct volfile *volfile_parse_doubtful(const char *name, const char *text, size_t len,
				       struct diag *d)
{
	return vf_parse(name, text, len, d, true);
}
