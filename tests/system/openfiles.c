/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * openfiles - holds many files open, and uses all of them.
 *
 *	openfiles DIR N		DIR: empty
 *
 * Each file is made and written.  Of four, one is removed while it is open, one replaced by a
 * rename, one gets another name.  Then it says "open" and waits for a line on its standard input,
 * after which all of them are read, written and asked for their attributes, some synced, in another
 * order than they were opened in; "used", and it waits for a line again before it closes them.
 *
 *	openfiles -l DIR	opens files until it may not (EMFILE, ENFILE), and says how many it got
 *
 * Exit status: 0, 1 (what is wrong is said), 2 trouble.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TROUBLE = 2, STRIDE = 7919 };

static int failures;

static void bad(int i, const char *what)
{
	if (failures++ < 10)
		printf("file %d: %s: %s\n", i, what, strerror(errno));
}

static const char *text_of(int i)
{
	static char text[64];

	snprintf(text, sizeof text, "this is in file %d", i);
	return text;
}

static int make(int i)
{
	char name[32], other[32];
	int fd;

	snprintf(name, sizeof name, "file-%d", i);
	snprintf(other, sizeof other, "other-%d", i);
	fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);
	if (fd < 0)
		err(TROUBLE, "%s", name);
	if (write(fd, text_of(i), strlen(text_of(i))) != (ssize_t)strlen(text_of(i)))
		bad(i, "write");
	switch (i % 4) {
	case 1:
		if (unlink(name) < 0)
			bad(i, "unlink");
		break;
	case 2:
		if (mknod(other, S_IFREG | 0600, 0) < 0 || rename(other, name) < 0)
			bad(i, "rename over it");
		break;
	case 3:
		if (rename(name, other) < 0)
			bad(i, "rename");
		break;
	}
	return fd;
}

static void use(int i, int fd)
{
	char text[64] = "";
	struct stat st;

	if (pread(fd, text, sizeof text - 1, 0) != (ssize_t)strlen(text_of(i)) ||
	    strcmp(text, text_of(i)) != 0)
		bad(i, "read");
	if (pwrite(fd, "THIS", 4, 0) != 4)
		bad(i, "write");
	if (fstat(fd, &st) < 0 || st.st_size != (off_t)strlen(text_of(i)) ||
	    st.st_nlink != (i % 4 == 1 || i % 4 == 2 ? 0 : 1))
		bad(i, "fstat");
	if (i % 100 == 0 && fsync(fd) < 0)
		bad(i, "fsync");
	if (ftruncate(fd, 4) < 0)
		bad(i, "ftruncate");
	if (pread(fd, text, sizeof text - 1, 0) != 4 || memcmp(text, "THIS", 4) != 0)
		bad(i, "read what was written");
}

static void say(const char *word)
{
	char c;

	if (puts(word) < 0 || fflush(stdout) != 0 || read(0, &c, 1) < 0)
		err(TROUBLE, "%s", word);
}

static void raise_limit(rlim_t nr)
{
	struct rlimit l = { nr, nr };

	if (setrlimit(RLIMIT_NOFILE, &l) < 0 &&
	    (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur < nr))
		err(TROUBLE, "%lu open files", (unsigned long)nr);
}

static int until_full(void)
{
	char name[32];
	int nr = 0;

	do
		snprintf(name, sizeof name, "file-%d", nr++);
	while (open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600) >= 0);
	if (errno != EMFILE && errno != ENFILE)
		err(1, "the %dth open", nr);
	printf("%s after %d\n", errno == EMFILE ? "EMFILE" : "ENFILE", nr - 1);
	/* The sanitizer's last look needs descriptors, and waits for them for ever. */
	for (int fd = 3; fd < nr + 3; fd++)
		close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	int nr = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0, *fd;

	if (argc == 3 && strcmp(argv[1], "-l") == 0)
		return chdir(argv[2]) < 0 ? TROUBLE : until_full();
	if (nr <= 0 || chdir(argv[1]) < 0)
		errx(TROUBLE, "usage: openfiles DIR N");
	raise_limit((rlim_t)nr + 64);
	fd = calloc((size_t)nr, sizeof *fd);
	if (!fd)
		err(TROUBLE, NULL);
	for (int i = 0; i < nr; i++)
		fd[i] = make(i);
	say("open");
	for (int n = 0; n < nr; n++) {
		int i = (int)((long)n * STRIDE % nr);

		use(i, fd[i]);
	}
	say("used");
	for (int i = 0; i < nr; i++)
		if (close(fd[i]) < 0)
			bad(i, "close");
	free(fd);
	return failures ? 1 : 0;
}
