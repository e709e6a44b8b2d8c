/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the parts of fsbench share: a row, the process that runs it, and helpers.
 * Every helper ends the process with the name and the reason when its call fails.
 */
#ifndef FSBENCH_H
#define FSBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK		4096u
#define STREAM		(1u << 20)
#define NAME_LEN	64

enum cold { WARM = 0, COLD_NAMES = 2, COLD_DATA = 3 };	/* what goes to drop_caches */

/* One process of a run; its current directory is its own, DIR/p<number>. */
struct worker {
	int number;
	long count;
	int fd;
	char prefix;		/* of the names in e/: f, or r after a rename */
	uint64_t salt;		/* makes names that no cache has seen */
	char **names;		/* what names_read found: room for count */
	long n_names;		/* may be more than count, then the last are not in names */
	long n_blocks;		/* rand rows: blocks in the file, a power of two */
	char *buf;		/* STREAM bytes */
};

/* begin, op and end are on the clock, the others are not; only prepare and op are always there. */
struct row {
	const char *name;
	const char *help;
	enum cold cold;
	bool stream;		/* rate in MB/s instead of operations */
	void (*prepare)(struct worker *w);
	void (*begin)(struct worker *w);
	void (*ready)(struct worker *w, long i);
	void (*op)(struct worker *w, long i);
	void (*check)(struct worker *w, long i);
	void (*end)(struct worker *w);
	void (*verify)(struct worker *w);
};

extern const struct row rows[];		/* ends with one without a name */

__attribute__((noreturn, format(printf, 1, 2)))
void die(const char *fmt, ...);

/* The pattern of a file (key) from an offset on; len and offset are multiples of 8. */
uint64_t pattern_key(int number, long file, uint64_t gen);
void pattern_fill(char *buf, size_t len, uint64_t key, uint64_t offset);
void pattern_check(const char *buf, size_t len, uint64_t key, uint64_t offset, const char *name);

int open_or_die(const char *name, int flags);
void close_or_die(int fd, const char *name);
void write_or_die(int fd, const char *buf, size_t len, const char *name);
void read_or_die(int fd, char *buf, size_t len, const char *name);
void mkdir_or_die(const char *name);

/* folder/<prefix><i>, in static memory that the next call but one uses again. */
const char *name_in(const char *folder, char prefix, long i);

void names_read(struct worker *w, const char *folder);
bool names_are(const struct worker *w, char prefix);
void folder_empty(struct worker *w, const char *folder);

/* A file of size bytes with the pattern: make it, make it unless it is there, check it. */
void big_write(struct worker *w, const char *name, uint64_t size, uint64_t key);
void big_file(struct worker *w, const char *name, uint64_t size, uint64_t key);
int open_to_verify(const char *name, uint64_t size);
void big_verify(struct worker *w, const char *name, uint64_t size, uint64_t key);

#endif
