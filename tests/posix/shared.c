/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * shared - what the processes of tree.c do in a directory that they share.
 *
 * There is no model of what others do meanwhile, but there are invariants: a file gets a name there
 * when it is complete, so who opens one of the names sees all of it; a process' own blocks of a file
 * hold what it wrote last, whatever the neighbours do in the same page; records that are appended are
 * all there in the end, once and in order; the link count of a file is the number of its names.
 */
#include "config.h"

#include <inttypes.h>

#include "tree.h"

enum { SHARED_NAMES = 10, WHOLE = 9000, BLOCK = 1000, BLOCKS = 40, RECORD = 64, PROCESSES = 64 };

static uint32_t block_seed[BLOCKS];	/* what ours hold; 0: never written */
static uint32_t nr_appended;

static const char *name_of(uint32_t i)
{
	static char names[2][32];
	static int turn;
	char *name = names[turn++ % 2];

	snprintf(name, sizeof names[0], "../shared/%" PRIu32, i);
	return name;
}

void shared_begin(void)
{
	OK(mkdir("shared", 0755));
	put("shared/blocks", "");
	put("shared/log", "");
}

static void make_own(const char *name)
{
	uint32_t seed = random_below(1u << 30);
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	memcpy(tree_io, &seed, sizeof seed);
	fill(tree_io + sizeof seed, WHOLE - sizeof seed, seed);
	if (fd < 0 || write(fd, tree_io, WHOLE) != WHOLE || close(fd) < 0)
		differs("shared: %s cannot be made", name);
}

/* Of several that may have been faster, these errors are possible. */
static void may_fail(int result, int err1, int err2, const char *what)
{
	if (result < 0 && errno != err1 && errno != err2)
		differs("shared: %s", what);
}

static void shared_rename(void)
{
	const char *from = name_of(random_below(SHARED_NAMES)), *to = name_of(random_below(SHARED_NAMES));
	unsigned int flags = random_below(3);	/* none, RENAME_NOREPLACE, RENAME_EXCHANGE */

	tell("rename %s to %s, flags %u", from, to, flags);
	may_fail(renameat2(AT_FDCWD, from, AT_FDCWD, to, flags), ENOENT,
		 flags == RENAME_NOREPLACE ? EEXIST : ENOENT, "rename");
}

static void shared_publish(void)
{
	const char *to = name_of(random_below(SHARED_NAMES));
	bool by_link = random_below(2);

	tell("%s a new file as %s", by_link ? "link" : "rename", to);
	make_own("own");
	if (by_link) {
		may_fail(link("own", to), EEXIST, EEXIST, "link of an own file");
		OK(unlink("own"));
	} else if (rename("own", to) < 0) {
		differs("shared: rename of an own file to %s", to);
	}
}

static void shared_link(void)
{
	const char *from = name_of(random_below(SHARED_NAMES)), *to = name_of(random_below(SHARED_NAMES));

	tell("link %s to %s", from, to);
	may_fail(link(from, to), ENOENT, EEXIST, "link");
}

static void shared_unlink(void)
{
	const char *name = name_of(random_below(SHARED_NAMES));

	tell("unlink %s", name);
	may_fail(unlink(name), ENOENT, ENOENT, "unlink");
}

static void shared_read(void)
{
	const char *name = name_of(random_below(SHARED_NAMES));
	static uint8_t wanted[WHOLE];
	uint32_t seed;

	tell("read %s", name);
	int fd = open(name, O_RDONLY);
	may_fail(fd, ENOENT, ENOENT, "open");
	if (fd < 0)
		return;
	if (read(fd, tree_io, MAX) != WHOLE)
		differs("shared: %s is not complete", name);
	memcpy(&seed, tree_io, sizeof seed);
	fill(wanted, WHOLE - sizeof seed, seed);
	if (memcmp(wanted, tree_io + sizeof seed, WHOLE - sizeof seed) != 0)
		differs("shared: %s has other contents than were written", name);
	OK(close(fd));
}

static void shared_block(void)
{
	uint32_t i = random_below(BLOCKS);
	off_t at = ((off_t)i * tree_processes + tree_process) * BLOCK;
	int fd = open("../shared/blocks", O_RDWR);
	uint8_t *got = tree_io, *wanted = tree_io + BLOCK;

	tell("own block at %jd", (intmax_t)at);
	if (fd < 0)
		differs("shared: open of the file with blocks");
	if (block_seed[i]) {
		fill(wanted, BLOCK, block_seed[i]);
		if (pread(fd, got, BLOCK, at) != BLOCK || memcmp(got, wanted, BLOCK) != 0)
			differs("shared: the own block at %jd", (intmax_t)at);
	}
	block_seed[i] = 1 + random_below(1u << 30);
	fill(wanted, BLOCK, block_seed[i]);
	if (pwrite(fd, wanted, BLOCK, at) != BLOCK || close(fd) < 0)
		differs("shared: write of the own block at %jd", (intmax_t)at);
}

static void shared_append(void)
{
	char record[RECORD + 1];
	int fd = open("../shared/log", O_WRONLY | O_APPEND);

	tell("append record %" PRIu32, nr_appended);
	snprintf(record, sizeof record, "%-20d %-41" PRIu32 "\n", tree_process, nr_appended++);
	if (fd < 0 || write(fd, record, RECORD - 1) != RECORD - 1 || close(fd) < 0)
		differs("shared: append");
}

void shared_step(void)
{
	static void (*const steps[])(void) = {
		shared_rename, shared_publish, shared_link,  shared_unlink,
		shared_read,   shared_read,    shared_block, shared_append,
	};

	steps[random_below(sizeof steps / sizeof steps[0])]();
}

static void check_log(void)
{
	FILE *log = fopen("shared/log", "r");
	uint32_t next[PROCESSES] = { 0 }, nr;
	char line[2 * RECORD];
	int who;

	CHECK(log);
	while (log && fgets(line, sizeof line, log)) {
		CHECK(strlen(line) == RECORD - 1);
		if (sscanf(line, "%d %" SCNu32, &who, &nr) != 2 || who < 0 || who >= PROCESSES)
			differs("shared: a record that nobody wrote: %s", line);
		if (nr != next[who]++)
			differs("shared: record %" PRIu32 " of process %d comes where %" PRIu32
				" is due", nr, who, next[who] - 1);
	}
	if (log)
		fclose(log);
}

void shared_check(void)
{
	struct stat all[SHARED_NAMES] = { 0 };
	char name[32];

	for (int i = 0; i < SHARED_NAMES; i++) {
		snprintf(name, sizeof name, "shared/%d", i);
		if (lstat(name, &all[i]) < 0 && errno != ENOENT)
			differs("shared: stat of %s", name);
	}
	for (int i = 0; i < SHARED_NAMES; i++) {
		nlink_t names = 0;

		for (int j = 0; j < SHARED_NAMES; j++)
			names += all[j].st_ino == all[i].st_ino;
		if (all[i].st_ino && all[i].st_nlink != names)
			differs("shared: link count %ju of shared/%d, which has %ju names",
				(uintmax_t)all[i].st_nlink, i, (uintmax_t)names);
	}
	check_log();
}
