/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A list of problems with their places. See diag.h.
 *
 * An entry is rendered once, when it is added: the text that it quotes may be gone when it is
 * printed. Everything that comes from outside goes through escape_next(), so that no file
 * can write escape sequences to a terminal.
 *
 * Limitations: columns of a terminal are counted one per code point, so the caret is off
 * behind wide characters.
 */
#include "config.h"

#include "diag.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	MESSAGE_MAX = 1024,	/* bytes of a message, escaped */
	QUOTE_COLUMNS = 90,	/* columns of a quoted line that are shown */
	QUOTE_BEFORE = 50,	/* at most so many of them before the word */
	TAB_COLUMNS = 8,
	NEAREST_MAX = 64,	/* longer words are never near to anything */
};

struct entry {
	enum diag_level level;
	struct vf_pos pos;
	char *file;		/* may be NULL */
	char *message;
	char *quote;		/* two whole lines, or NULL */
};

struct diag {
	struct entry entries[DIAG_MAX];
	size_t nr_entries;
	unsigned added[DIAG_NOTE + 1];
};

/* A buffer of fixed size that drops what does not fit. */
struct text {
	char bytes[MESSAGE_MAX];
	size_t len;
};

static void text_add(struct text *t, const char *bytes, size_t len)
{
	size_t room = sizeof(t->bytes) - 1 - t->len;

	if (len > room)
		return;
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
	t->bytes[t->len] = '\0';
}

static void text_fill(struct text *t, char c, size_t n)
{
	while (n-- > 0)
		text_add(t, &c, 1);
}

/* The length of the UTF-8 sequence at s that is fit to print, or 0. Controls, and those code
 * points that change the direction or the lines of what follows, are not. */
static size_t utf8_printable(const unsigned char *s, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 1;
	uint32_t c = s[0];

	if (n == 1)
		return c >= 0x20 && c < 0x7f;
	if (n > len || s[0] > 0xf4)
		return 0;
	c &= 0xffu >> (n + 1);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c < 0xa0)
		return 0;
	if ((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff)
		return 0;
	return n;
}

/*
 * Takes the next character from s (len > 0) and writes it as it is shown to `out`. Returns
 * the bytes taken; *ret_bytes and *ret_columns are those of the result. `column` is the one
 * it begins at, for tabs.
 */
static size_t escape_next(const char *s, size_t len, size_t column, char out[TAB_COLUMNS + 1],
			  size_t *ret_bytes, size_t *ret_columns)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char c = (unsigned char)s[0];
	size_t n = utf8_printable((const unsigned char *)s, len);

	if (n > 0) {
		memcpy(out, s, n);
		*ret_bytes = n;
		*ret_columns = 1;
		return n;
	}
	if (c == '\t') {
		*ret_bytes = *ret_columns = TAB_COLUMNS - column % TAB_COLUMNS;
		memset(out, ' ', *ret_bytes);
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = digits[c >> 4];
	out[3] = digits[c & 15];
	*ret_bytes = *ret_columns = 4;
	return 1;
}

static char *escape_message(const char *s)
{
	struct text t = { .len = 0 };
	char shown[TAB_COLUMNS + 1];
	size_t len = strlen(s), bytes, columns;

	while (len > 0) {
		size_t taken = escape_next(s, len, 0, shown, &bytes, &columns);

		if (t.len + bytes + 4 > sizeof(t.bytes)) {
			text_add(&t, "...", 3);
			break;
		}
		text_add(&t, shown, bytes);
		s += taken;
		len -= taken;
	}
	return strdup(t.bytes);
}

/* The line of the text, without its end; false when there is no such line. */
static bool find_line(const struct diag_source *src, uint32_t line, const char **ret_start,
		      size_t *ret_len)
{
	const char *s = src->text, *end = src->text + src->len, *nl;

	for (; line > 1; line--) {
		nl = memchr(s, '\n', (size_t)(end - s));
		if (!nl)
			return false;
		s = nl + 1;
	}
	nl = memchr(s, '\n', (size_t)(end - s));
	if (nl)
		end = nl;
	if (end > s && end[-1] == '\r')
		end--;
	*ret_start = s;
	*ret_len = (size_t)(end - s);
	return true;
}

/* What of a line is shown, and where in it the word is. */
struct quote {
	struct text line;
	size_t mark, mark_columns;	/* columns */
	bool cut_before, cut_after;
};

/* Renders the line from byte `from` on; the word is at bytes word to word_end of the line. */
static void render_line(struct quote *q, const char *s, size_t len, size_t from, size_t word,
			size_t word_end)
{
	char shown[TAB_COLUMNS + 1];
	size_t column = 0, bytes, columns;

	q->cut_before = from > 0;
	q->mark = SIZE_MAX;
	while (from < len) {
		size_t taken = escape_next(s + from, len - from, column, shown, &bytes, &columns);

		if (column + columns > QUOTE_COLUMNS) {
			q->cut_after = true;
			break;
		}
		if (from >= word && q->mark == SIZE_MAX)
			q->mark = column;
		if (from >= word && from < word_end)
			q->mark_columns += columns;
		text_add(&q->line, shown, bytes);
		column += columns;
		from += taken;
	}
	if (q->mark == SIZE_MAX)
		q->mark = column;
	if (q->mark_columns == 0)
		q->mark_columns = 1;
}

static size_t count_columns(const char *s, size_t len)
{
	char shown[TAB_COLUMNS + 1];
	size_t column = 0, bytes, columns;

	while (len > 0) {
		size_t taken = escape_next(s, len, column, shown, &bytes, &columns);

		column += columns;
		s += taken;
		len -= taken;
	}
	return column;
}

/* The byte of the line at which showing it starts: 0 unless the word is far to the right. */
static size_t clip_start(const char *s, size_t word)
{
	size_t from = word > QUOTE_BEFORE ? word - QUOTE_BEFORE : 0;

	while (from < word && (count_columns(s + from, word - from) > QUOTE_BEFORE ||
			       (from > 0 && ((unsigned char)s[from] & 0xc0) == 0x80)))
		from++;
	return from;
}

/* The quoted line and the line with the caret below it, or NULL when there is none. */
static char *make_quote(const struct diag_source *src, struct vf_pos pos, size_t width)
{
	struct quote q = { .line.len = 0 };
	struct text carets = { .len = 0 };
	size_t len, word, word_end, before;
	const char *s;
	char *quote;

	if (!src || !src->text || pos.line == 0 || !find_line(src, pos.line, &s, &len))
		return NULL;
	word = pos.column > 0 ? pos.column - 1 : 0;
	if (word > len)
		word = len;
	word_end = width > len - word ? len : word + width;
	render_line(&q, s, len, clip_start(s, word), word, word_end);
	before = q.mark + (q.cut_before ? 3 : 0);
	text_fill(&carets, ' ', before);
	if (pos.column > 0) {
		text_add(&carets, "^", 1);
		text_fill(&carets, '~', q.mark_columns - 1);
	}
	if (asprintf(&quote, "%5u | %s%s%s\n      | %s\n", pos.line, q.cut_before ? "..." : "",
		     q.line.bytes, q.cut_after ? "..." : "", carets.bytes) < 0)
		return NULL;
	return quote;
}

struct diag *diag_new(void)
{
	return calloc(1, sizeof(struct diag));
}

void diag_free(struct diag *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->nr_entries; i++) {
		free(d->entries[i].file);
		free(d->entries[i].message);
		free(d->entries[i].quote);
	}
	free(d);
}

void diag_add(struct diag *d, enum diag_level level, const struct diag_source *src,
	      struct vf_pos pos, size_t width, const char *fmt, ...)
{
	struct entry e = { .level = level, .pos = pos };
	char *raw = NULL;
	va_list ap;

	if (!d)
		return;
	d->added[level]++;
	if (d->nr_entries == DIAG_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&raw, fmt, ap) < 0)
		raw = NULL;
	va_end(ap);
	e.message = raw ? escape_message(raw) : NULL;
	free(raw);
	if (!e.message)
		return;
	if (src && src->file)
		e.file = escape_message(src->file);
	e.quote = make_quote(src, pos, width);
	d->entries[d->nr_entries++] = e;
}

unsigned diag_errors(const struct diag *d)
{
	return d ? d->added[DIAG_ERROR] : 0;
}

unsigned diag_warnings(const struct diag *d)
{
	return d ? d->added[DIAG_WARNING] : 0;
}

static void print_entry(const struct entry *e, FILE *out)
{
	static const char *const levels[] = {
		[DIAG_ERROR] = "error", [DIAG_WARNING] = "warning", [DIAG_NOTE] = "note",
	};

	if (e->file)
		fprintf(out, "%s:", e->file);
	if (e->pos.line > 0)
		fprintf(out, "%u:", e->pos.line);
	if (e->pos.line > 0 && e->pos.column > 0)
		fprintf(out, "%u:", e->pos.column);
	if (e->file || e->pos.line > 0)
		fputc(' ', out);
	fprintf(out, "%s: %s\n", levels[e->level], e->message);
	if (e->quote)
		fputs(e->quote, out);
}

void diag_print(const struct diag *d, FILE *out)
{
	unsigned added = 0;

	if (!d)
		return;
	for (size_t i = 0; i < d->nr_entries; i++)
		print_entry(&d->entries[i], out);
	for (size_t i = 0; i <= DIAG_NOTE; i++)
		added += d->added[i];
	if (added > d->nr_entries)
		fprintf(out, "and %zu more that are not shown\n", added - d->nr_entries);
}

size_t diag_count(const struct diag *d)
{
	return d ? d->nr_entries : 0;
}

const char *diag_message(const struct diag *d, size_t i, enum diag_level *level,
			 struct vf_pos *pos)
{
	if (i >= diag_count(d))
		return NULL;
	if (level)
		*level = d->entries[i].level;
	if (pos)
		*pos = d->entries[i].pos;
	return d->entries[i].message;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* The Damerau-Levenshtein distance (optimal string alignment) of two words of at most
 * NEAREST_MAX letters, with three rows of the usual table. */
static unsigned word_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][NEAREST_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= b_len; j++)
		last[j] = before[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = same_letter(a[i - 1], b[j - 1]);

			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
			    same_letter(a[i - 2], b[j - 1]))
				row[j] = min3(row[j], before[j - 2] + 1, row[j]);
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b_len];
}

const char *diag_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t word_len = strnlen(word, NEAREST_MAX + 1);
	const char *best = NULL;
	unsigned best_distance = 0;

	if (word_len > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t len = candidates[i] ? strnlen(candidates[i], NEAREST_MAX + 1) : 0;
		size_t longer = len > word_len ? len : word_len;
		size_t shorter = len > word_len ? word_len : len;
		size_t limit = (longer + 1) / 3;
		unsigned distance;

		if (len == 0 || len > NEAREST_MAX || longer - shorter > limit)
			continue;
		distance = word_distance(word, word_len, candidates[i], len);
		if (distance <= limit && (!best || distance < best_distance)) {
			best = candidates[i];
			best_distance = distance;
		}
	}
	return best;
}
