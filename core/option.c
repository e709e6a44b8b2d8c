/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * option.c - option rows at work: texts to values, ranges, defaults, help.
 *
 * Every kind of number has one parser, used for the values of volume files, for the defaults and
 * for the bounds of the rows, so these are all written in one language.  Errors are sentences that
 * go on after the name of the option: `must be 4MB to 6GB, not "1KB"`.
 */
#include "option.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ERROR_SIZE = 256 };

/* ---- texts to values ------------------------------------------------------------------------ */

int parse_bool(const char *s, bool *ret)
{
	static const char *const words[][2] = {
		{ "off", "on" },	 { "no", "yes" }, { "false", "true" },
		{ "disable", "enable" }, { "0", "1" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int value = 0; value < 2; value++) {
			if (strcasecmp(s, words[i][value]) == 0) {
				*ret = value == 1;
				return 0;
			}
		}
	}
	return -EINVAL;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Digits at *s, which moves behind them.  -EINVAL: there are none; -ERANGE. */
static int scan_digits(const char **s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;

	if (digit_value(*p) >= (int)base)
		return -EINVAL;
	for (; digit_value(*p) < (int)base; p++)
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit_value(*p), &v))
			return -ERANGE;
	*s = p;
	*ret = v;
	return 0;
}

/* A decimal number with a fraction; *ret_nano: the fraction in units of 1e-9 (more digits are not
 * kept). */
static int scan_decimal(const char **s, uint64_t *ret, uint32_t *ret_nano)
{
	uint32_t unit = 100000000;
	int err = scan_digits(s, 10, ret);

	*ret_nano = 0;
	if (err < 0 || **s != '.')
		return err;
	++*s;
	if (digit_value(**s) > 9)
		return -EINVAL;
	for (; digit_value(**s) <= 9; ++*s, unit /= 10)
		*ret_nano += (uint32_t)digit_value(**s) * unit;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* The factor of the unit that s is (any case, blanks before it), 0: there is no such unit. */
static uint64_t unit_factor(const char *s, const struct unit *units)
{
	while (*s == ' ' || *s == '\t')
		s++;
	for (; units->name != NULL; units++)
		if (strcasecmp(s, units->name) == 0)
			return units->factor;
	return 0;
}

int parse_u64(const char *s, uint64_t *ret)
{
	unsigned base = 10;
	uint64_t v;
	int err;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	err = scan_digits(&s, base, &v);
	if (err < 0)
		return err;
	if (*s != '\0')
		return -EINVAL;
	*ret = v;
	return 0;
}

int parse_size(const char *s, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "K", UINT64_C(1) << 10 },
		{ "KB", UINT64_C(1) << 10 },
		{ "KiB", UINT64_C(1) << 10 },
		{ "M", UINT64_C(1) << 20 },
		{ "MB", UINT64_C(1) << 20 },
		{ "MiB", UINT64_C(1) << 20 },
		{ "G", UINT64_C(1) << 30 },
		{ "GB", UINT64_C(1) << 30 },
		{ "GiB", UINT64_C(1) << 30 },
		{ "T", UINT64_C(1) << 40 },
		{ "TB", UINT64_C(1) << 40 },
		{ "TiB", UINT64_C(1) << 40 },
		{ NULL, 0 },
	};
	uint64_t v, factor;
	int err;

	if (parse_u64(s, &v) == 0) {		/* also 0x... */
		*ret_bytes = v;
		return 0;
	}
	err = scan_digits(&s, 10, &v);
	if (err < 0)
		return err;
	factor = unit_factor(s, units);
	if (factor == 0)
		return -EINVAL;
	if (__builtin_mul_overflow(v, factor, &v))
		return -ERANGE;
	*ret_bytes = v;
	return 0;
}

int parse_time_ms(const char *s, uint64_t *ret_ms)
{
	static const struct unit units[] = {
		{ "", 1000 },	   { "ms", 1 },		 { "msec", 1 },	   { "s", 1000 },
		{ "sec", 1000 },   { "min", 60000 },	 { "h", 3600000 }, { "hr", 3600000 },
		{ "d", 86400000 }, { "days", 86400000 }, { NULL, 0 },
	};
	uint64_t v, factor;
	uint32_t nano;
	int err = scan_decimal(&s, &v, &nano);

	if (err < 0)
		return err;
	factor = unit_factor(s, units);
	if (factor == 0)
		return -EINVAL;
	if (__builtin_mul_overflow(v, factor, &v) ||
	    __builtin_add_overflow(v, nano * factor / 1000000000, &v))
		return -ERANGE;
	*ret_ms = v;
	return 0;
}

int parse_percent(const char *s, double *ret)
{
	static const struct unit units[] = { { "", 1 }, { "%", 1 }, { NULL, 0 } };
	uint64_t v;
	uint32_t nano;
	int err = scan_decimal(&s, &v, &nano);

	if (err < 0)
		return err;
	if (unit_factor(s, units) == 0)
		return -EINVAL;
	if (v > 100 || (v == 100 && nano > 0))
		return -ERANGE;
	*ret = (double)v + nano / 1e9;
	return 0;
}

static bool is_separator(char c)
{
	return c == ',' || c == ' ' || c == '\t';
}

bool option_list_next(const char **at, const char **word, size_t *len)
{
	const char *p = *at;

	if (p == NULL)
		return false;
	while (is_separator(*p))
		p++;
	*word = p;
	while (*p != '\0' && !is_separator(*p))
		p++;
	*len = (size_t)(p - *word);
	*at = p;
	return *len > 0;
}

/* ---- sentences ------------------------------------------------------------------------------ */

struct text {
	char *at, *end;		/* end: where the NUL may be at the latest */
};

static void text_add(struct text *t, const char *s)
{
	for (; *s != '\0' && t->at < t->end; s++)
		*t->at++ = isprint((unsigned char)*s) || (unsigned char)*s >= 0x80 ? *s : '?';
	*t->at = '\0';
}

static void text_add_names(struct text *t, const char *const *names, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (i > 0)
			text_add(t, ", ");
		text_add(t, names[i]);
	}
}

static const char *const kind_words[] = {
	[OPT_BOOL_] = "on or off",
	[OPT_U32_] = "a number",
	[OPT_SIZE_] = "a size like 64KB or 1MB",
	[OPT_TIME_] = "a time like 10s, 500ms or 2min",
	[OPT_PERCENT_] = "0 to 100 (percent)",
	[OPT_ENUM_] = "one of ",
	[OPT_STR_] = "text",
	[OPT_PATH_] = "a path from the root (\"/...\")",
	[OPT_CHILD_] = "the name of a subvolume, or *",
	[OPT_LIST_] = "words, separated by commas or blanks",
	[OPT_ALIAS_] = "as for ",
	[OPT_PATTERN_] = "text",
	[OPT_OBSOLETE_] = "no longer used",
	[OPT_END_] = "",
};

static size_t count_names(const char *const *names)
{
	size_t nr = 0;

	while (names != NULL && names[nr] != NULL)
		nr++;
	return nr;
}

void option_describe(const struct option *row, char *out, size_t size)
{
	struct text t = { out, out + size - 1 };

	assert(size > 0);
	*out = '\0';
	if (row->min != NULL && row->max != NULL) {
		text_add(&t, row->min);
		text_add(&t, " to ");
		text_add(&t, row->max);
	} else if (row->min != NULL || row->max != NULL) {
		text_add(&t, row->min != NULL ? "at least " : "at most ");
		text_add(&t, row->min != NULL ? row->min : row->max);
	} else {
		text_add(&t, kind_words[row->kind]);
	}
	if (row->kind == OPT_ENUM_)
		text_add_names(&t, row->names, count_names(row->names));
	if (row->kind == OPT_ALIAS_)
		text_add(&t, row->def);
}

/* Returns err. */
static int refuse(const struct option *row, const char *text, int err, char error[ERROR_SIZE])
{
	char quoted[100];
	struct text t = { error, error + ERROR_SIZE - 1 - sizeof(quoted) },
		    q = { quoted, quoted + 80 };
	char what[ERROR_SIZE];

	option_describe(row, what, sizeof(what));
	text_add(&t, "must be ");
	text_add(&t, what);
	t.end = error + ERROR_SIZE - 1;
	text_add(&q, text);
	text_add(&t, ", not \"");
	text_add(&t, quoted);
	text_add(&t, strlen(text) > strlen(quoted) ? "...\"" : "\"");
	return err;
}

/* ---- setting -------------------------------------------------------------------------------- */

/* A value of one of the kinds that have bounds. */
union number {
	uint64_t u;
	double d;
};

static int parse_number(enum opt_kind kind, const char *text, union number *ret)
{
	int err;

	switch (kind) {
	case OPT_U32_:
		err = parse_u64(text, &ret->u);
		return err == 0 && ret->u > UINT32_MAX ? -ERANGE : err;
	case OPT_SIZE_:
		return parse_size(text, &ret->u);
	case OPT_TIME_:
		return parse_time_ms(text, &ret->u);
	default:
		assert(kind == OPT_PERCENT_);
		return parse_percent(text, &ret->d);
	}
}

static int number_order(enum opt_kind kind, const union number *a, const union number *b)
{
	if (kind == OPT_PERCENT_)
		return (a->d > b->d) - (a->d < b->d);
	return (a->u > b->u) - (a->u < b->u);
}

/* Is the value beyond the bound (text; NULL: none) in the direction of sign? */
static bool beyond(const struct option *row, const char *bound, int sign, const union number *value)
{
	union number b;
	int err;

	if (bound == NULL)
		return false;
	err = parse_number(row->kind, bound, &b);
	assert(err == 0);		/* the row is wrong */
	return err == 0 && number_order(row->kind, value, &b) == sign;
}

static int set_number(const struct option *row, void *field, const char *text)
{
	union number v;
	uint32_t v32;
	int err = parse_number(row->kind, text, &v);

	if (err < 0)
		return err;
	if (beyond(row, row->min, -1, &v) || beyond(row, row->max, 1, &v))
		return -ERANGE;
	if (row->kind == OPT_U32_) {
		v32 = (uint32_t)v.u;
		memcpy(field, &v32, sizeof(v32));
	} else if (row->kind == OPT_PERCENT_) {
		memcpy(field, &v.d, sizeof(v.d));
	} else {
		memcpy(field, &v.u, sizeof(v.u));
	}
	return 0;
}

static int set_enum(const struct option *row, uint32_t *field, const char *text)
{
	for (uint32_t i = 0; row->names[i] != NULL; i++) {
		if (strcasecmp(row->names[i], text) == 0) {
			*field = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_string(char **field, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int set_child(int *field, const char *text, const char *const *children, size_t nr_children,
		     char error[ERROR_SIZE])
{
	struct text t = { error, error + ERROR_SIZE - 1 };

	if (strcmp(text, "*") == 0) {
		*field = -1;
		return 0;
	}
	for (size_t i = 0; i < nr_children; i++) {
		if (strcmp(children[i], text) == 0) {
			*field = (int)i;
			return 0;
		}
	}
	text_add(&t, nr_children > 0 ? "must be a subvolume of this volume ("
				     : "must be a subvolume (there are none), not \"");
	text_add_names(&t, children, nr_children);
	text_add(&t, nr_children > 0 ? "), not \"" : "");
	text_add(&t, text);
	text_add(&t, "\"");
	return -EINVAL;
}

int option_set(const struct option *row, void *priv, const char *text, const char *const *children,
	       size_t nr_children, char error[ERROR_SIZE])
{
	char *field = (char *)priv + row->offset;
	int err = 0;

	error[0] = '\0';
	switch (row->kind) {
	case OPT_BOOL_:
		err = parse_bool(text, (bool *)(void *)field);
		break;
	case OPT_U32_:
	case OPT_SIZE_:
	case OPT_TIME_:
	case OPT_PERCENT_:
		err = set_number(row, field, text);
		break;
	case OPT_ENUM_:
		err = set_enum(row, (uint32_t *)(void *)field, text);
		break;
	case OPT_PATH_:
		if (text[0] != '/') {
			err = -EINVAL;
			break;
		}
		/* fall through */
	case OPT_STR_:
	case OPT_LIST_:
		err = set_string((char **)(void *)field, text);
		break;
	case OPT_CHILD_:
		return set_child((int *)(void *)field, text, children, nr_children, error);
	case OPT_PATTERN_:
	case OPT_OBSOLETE_:
		return 0;
	default:
		assert(!"option_set() on an alias or the end of the rows");
		return -EINVAL;
	}
	if (err == -ENOMEM) {
		memcpy(error, "out of memory", sizeof("out of memory"));
		return err;
	}
	return err == 0 ? 0 : refuse(row, text, err, error);
}

static bool is_value(const struct option *row)
{
	return row->kind != OPT_ALIAS_ && row->kind != OPT_PATTERN_ && row->kind != OPT_OBSOLETE_;
}

int option_defaults(const struct option *rows, void *priv, const char *const *children,
		    size_t nr_children, char error[ERROR_SIZE])
{
	int err;

	error[0] = '\0';
	for (; rows != NULL && rows->kind != OPT_END_; rows++) {
		if (!is_value(rows) || rows->def == NULL)
			continue;
		err = option_set(rows, priv, rows->def, children, nr_children, error);
		if (err < 0)
			return err;
	}
	return 0;
}

void option_free(const struct option *rows, void *priv)
{
	for (; rows != NULL && rows->kind != OPT_END_; rows++) {
		char **field = (char **)(void *)((char *)priv + rows->offset);

		if (rows->kind != OPT_STR_ && rows->kind != OPT_PATH_ && rows->kind != OPT_LIST_)
			continue;
		free(*field);
		*field = NULL;
	}
}

static const struct option *find_exact(const struct option *rows, const char *key)
{
	for (; rows->kind != OPT_END_; rows++)
		if (rows->kind != OPT_PATTERN_ && strcmp(rows->key, key) == 0)
			return rows;
	return NULL;
}

const struct option *option_find(const struct option *rows, const char *key)
{
	const struct option *row;

	if (rows == NULL)
		return NULL;
	row = find_exact(rows, key);
	if (row != NULL && row->kind == OPT_ALIAS_) {
		row = find_exact(rows, row->def);
		assert(row != NULL && row->kind != OPT_ALIAS_);
	}
	if (row != NULL)
		return row;
	for (row = rows; row->kind != OPT_END_; row++)
		if (row->kind == OPT_PATTERN_ && fnmatch(row->key, key, 0) == 0)
			return row;
	return NULL;
}

/* ---- help ----------------------------------------------------------------------------------- */

/* Prints text as it is, or so that man shows it as it is. */
static void help_text(FILE *out, bool man, const char *s)
{
	if (man && (*s == '.' || *s == '\''))
		fputs("\\&", out);
	for (; *s != '\0'; s++) {
		if (man && *s == '\\')
			fputs("\\e", out);
		else if (man && *s == '-')
			fputs("\\-", out);
		else if (man && *s == '\n')
			fputs("\n\\&", out);
		else
			fputc(*s, out);
	}
}

static void help_aliases(const struct option *rows, const struct option *row, FILE *out, bool man)
{
	const char *before = man ? ".br\nAlso spelled: " : "        also spelled: ";
	bool any = false;

	for (; rows->kind != OPT_END_; rows++) {
		if (rows->kind != OPT_ALIAS_ || strcmp(rows->def, row->key) != 0)
			continue;
		fputs(any ? ", " : before, out);
		help_text(out, man, rows->key);
		any = true;
	}
	if (any)
		fputs(man ? ".\n" : "\n", out);
}

/* The values, whether it must be given, the default. */
static void help_values(const struct option *row, FILE *out, bool man)
{
	char values[1024];

	option_describe(row, values, sizeof(values));
	fputs(man ? "Values: " : "        ", out);
	help_text(out, man, values);
	if (row->flags & OPT_REQUIRED_FLAG)
		fputs("; must be given", out);
	if (row->def != NULL) {
		fputs("; default: ", out);
		help_text(out, man, row->def[0] != '\0' ? row->def : "empty");
	}
	if (row->flags & OPT_RELOADABLE_FLAG)
		fputs("; can be changed while running", out);
	fputs(man ? ".\n" : "\n", out);
}

void option_print_help(const struct option *rows, FILE *out, bool man)
{
	for (const struct option *row = rows; row != NULL && row->kind != OPT_END_; row++) {
		if (row->kind == OPT_ALIAS_)
			continue;
		fputs(man ? ".TP\n.B option " : "    ", out);
		help_text(out, man, row->key);
		fputs(man ? "\n" : "\n        ", out);
		help_text(out, man, row->help != NULL ? row->help : "");
		fputs(man ? ".\n.br\n" : "\n", out);
		help_values(row, out, man);
		help_aliases(rows, row, out, man);
	}
}
