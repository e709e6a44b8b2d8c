/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * option.h - option tables: one row is the parser, the range check, the default, the help, the
 * manual section and whether it can be changed while running.
 *
 *	static const struct option options[] = {
 *		OPT_SIZE("cache-size", struct ioc, cache_size, "32MB", "4MB", "6GB", "memory for pages"),
 *		OPT_ALIAS("cachesize", "cache-size"),
 *		OPT_END
 *	};
 *
 * Values are stored into the translator's priv.  Defaults and bounds are texts in the same language as a volume
 * file's values; NULL as default: the option must be given (OPT_REQUIRED) or the field stays 0/NULL.
 *
 * Values: BOOL on/off yes/no true/false enable/disable 1/0 (any case).  SIZE bytes with B KB MB GB TB (1024; KiB, K too).
 * U32 a number, decimal or 0x.  TIME a number with ms, s, min, h, d (plain: seconds), kept as milliseconds.
 * PERCENT 0 to 100, % optional.  ENUM one of the names.  STR any.  PATH absolute.  CHILD the name of one of our
 * subvolumes, kept as index, -1 for "*".  LIST words separated by commas or blanks, kept as text (see option_list_next).
 */
#ifndef GLUSTERFS_OPTION_H
#define GLUSTERFS_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum opt_kind {
	OPT_END_, OPT_BOOL_, OPT_U32_, OPT_SIZE_, OPT_TIME_, OPT_PERCENT_, OPT_ENUM_, OPT_STR_, OPT_PATH_,
	OPT_CHILD_, OPT_LIST_,
	OPT_ALIAS_,		/* another spelling; def_str is the key meant */
	OPT_PATTERN_,		/* a family of keys ("auth.ip.*.allow"); the translator reads them with xl_option_match() */
	OPT_OBSOLETE_,		/* accepted with a warning (help says what to do), no effect */
};

enum { OPT_REQUIRED_FLAG = 1, OPT_RELOADABLE_FLAG = 2 };

struct option {
	const char *key;
	enum opt_kind kind;
	unsigned flags;
	size_t offset;
	const char *def, *min, *max;		/* texts; NULL: none */
	const char *const *names;		/* ENUM: NULL-terminated; the value is the index */
	const char *help;
};

/* The offset of a field, refused by the compiler when the field has another type. */
#define OPT_FIELD(type, s, f) (offsetof(s, f) + 0 * sizeof(char[_Generic(((s *)0)->f, type: 1)]))

#define OPT_BOOL(key, s, f, def, help) { key, OPT_BOOL_, 0, OPT_FIELD(bool, s, f), def, NULL, NULL, NULL, help }
#define OPT_U32(key, s, f, def, min, max, help) { key, OPT_U32_, 0, OPT_FIELD(uint32_t, s, f), def, min, max, NULL, help }
#define OPT_SIZE(key, s, f, def, min, max, help) { key, OPT_SIZE_, 0, OPT_FIELD(uint64_t, s, f), def, min, max, NULL, help }
#define OPT_TIME(key, s, f, def, min, max, help) { key, OPT_TIME_, 0, OPT_FIELD(uint64_t, s, f), def, min, max, NULL, help }
#define OPT_PERCENT(key, s, f, def, min, max, help) { key, OPT_PERCENT_, 0, OPT_FIELD(double, s, f), def, min, max, NULL, help }
#define OPT_ENUM(key, s, f, def, names, help) { key, OPT_ENUM_, 0, OPT_FIELD(uint32_t, s, f), def, NULL, NULL, names, help }
#define OPT_STR(key, s, f, def, help) { key, OPT_STR_, 0, OPT_FIELD(char *, s, f), def, NULL, NULL, NULL, help }
#define OPT_STR_REQUIRED(key, s, f, help) { key, OPT_STR_, OPT_REQUIRED_FLAG, OPT_FIELD(char *, s, f), NULL, NULL, NULL, NULL, help }
#define OPT_PATH(key, s, f, def, help) { key, OPT_PATH_, 0, OPT_FIELD(char *, s, f), def, NULL, NULL, NULL, help }
#define OPT_PATH_REQUIRED(key, s, f, help) { key, OPT_PATH_, OPT_REQUIRED_FLAG, OPT_FIELD(char *, s, f), NULL, NULL, NULL, NULL, help }
#define OPT_CHILD(key, s, f, def, help) { key, OPT_CHILD_, 0, OPT_FIELD(int, s, f), def, NULL, NULL, NULL, help }
#define OPT_LIST(key, s, f, def, help) { key, OPT_LIST_, 0, OPT_FIELD(char *, s, f), def, NULL, NULL, NULL, help }
#define OPT_ALIAS(key, meant) { key, OPT_ALIAS_, 0, 0, meant, NULL, NULL, NULL, NULL }
#define OPT_PATTERN(key, help) { key, OPT_PATTERN_, 0, 0, NULL, NULL, NULL, NULL, help }
#define OPT_OBSOLETE(key, help) { key, OPT_OBSOLETE_, 0, 0, NULL, NULL, NULL, NULL, help }
#define OPT_END { NULL, OPT_END_, 0, 0, NULL, NULL, NULL, NULL, NULL }

/*
 * Parses `text` as the row says and stores it into priv.  children: names of the subvolumes (for CHILD).
 * 0, -EINVAL or -ERANGE with a sentence in error ("must be 4MB to 6GB, not \"1KB\""), -ENOMEM.
 * A string that was there is freed.
 */
int option_set(const struct option *row, void *priv, const char *text,
	       const char *const *children, size_t nr_children, char error[256]);
/* Stores all defaults (priv zeroed before), frees all strings. */
int option_defaults(const struct option *rows, void *priv, const char *const *children, size_t nr_children, char error[256]);
void option_free(const struct option *rows, void *priv);
/* The row for a key: aliases are followed, patterns matched (fnmatch).  NULL: unknown. */
const struct option *option_find(const struct option *rows, const char *key);
/* For people: "4MB to 6GB", "on or off", "one of none, auto, fixed". */
void option_describe(const struct option *row, char *out, size_t size);
/* --help-xlator and the manual: every row, its values, default and help.  man: as mdoc/man markup. */
void option_print_help(const struct option *rows, FILE *out, bool man);

int parse_bool(const char *s, bool *ret);
int parse_u64(const char *s, uint64_t *ret);
int parse_size(const char *s, uint64_t *ret_bytes);
int parse_time_ms(const char *s, uint64_t *ret_ms);
int parse_percent(const char *s, double *ret);
/* The next word of a LIST value; *at moves on.  False at the end.  word is not NUL-terminated. */
bool option_list_next(const char **at, const char **word, size_t *len);

#endif
