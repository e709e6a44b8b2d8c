/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * directories - listings: large ones, while names come and go, positions, numbers and types of the
 * entries; what inotify tells.
 */
#include "config.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include "posix.h"

static void make(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);

	CHECK(fd >= 0);
	close(fd);
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Numbers and types are those that stat tells. */
static void numbers_and_types(void)
{
	enum { N = 700 };
	struct dirent *e;
	char name[32];
	int nr = 0;

	put("file", "x");
	OK(mkdir("sub", 0755));
	OK(symlink("file", "symlink"));
	OK(mkfifo("fifo", 0600));
	OK(mknod("chr", S_IFCHR | 0600, 0x103));
	OK(mknod("blk", S_IFBLK | 0600, 0x103));
	OK(mknod("sock", S_IFSOCK | 0600, 0));
	OK(link("file", "link"));
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "f%d", i);
		make(name);
	}
	for (int round = 0; round < 2; round++) {
		DIR *d = opendir(".");

		nr = 0;
		while ((e = readdir(d))) {
			struct stat st = stat_of(e->d_name);

			nr++;
			if (e->d_ino != st.st_ino || (mode_t)DTTOIF(e->d_type) != (st.st_mode & S_IFMT))
				posix_failed(__FILE__, __LINE__, e->d_name);
		}
		CHECK(nr == N + 10);
		closedir(d);
	}
	/* without anybody asking for attributes in between */
	ino_t sum = 0, want = 0;
	DIR *d = opendir(".");
	while ((e = readdir(d)))
		sum += e->d_ino;
	rewinddir(d);
	while ((e = readdir(d)))
		want += stat_of(e->d_name).st_ino;
	CHECK(sum == want);
	closedir(d);
	d = opendir("sub");
	while ((e = readdir(d)))
		CHECK(e->d_ino == stat_of(e->d_name[1] ? "." : "sub").st_ino);
	closedir(d);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void positions(void)
{
	enum { N = 2500 };
	static char *names[N + 3];
	static long at[N + 3];
	int nr = 0, dots = 0;
	struct dirent *e;
	char name[64];

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "%s%d", i % 2 ? "file-with-a-rather-long-name-" : "f",
			 i);
		make(name);
	}
	DIR *d = opendir(".");
	for (long pos = telldir(d); errno = 0, (e = readdir(d)); pos = telldir(d)) {
		if (is_dot(e->d_name)) {
			dots++;
			CHECK(e->d_type == DT_DIR);
			continue;
		}
		if (nr < N + 3) {
			at[nr] = pos;
			names[nr++] = strdup(e->d_name);
		}
	}
	CHECK(errno == 0 && nr == N && dots == 2);
	for (int i = N - 1; i > 0; i -= 61) {
		seekdir(d, at[i]);
		CHECK(telldir(d) == at[i]);
		e = readdir(d);
		CHECK(e && strcmp(e->d_name, names[i]) == 0);
	}
	/* on another descriptor: the same positions */
	DIR *other = opendir(".");
	seekdir(other, at[N / 2]);
	e = readdir(other);
	CHECK(e && strcmp(e->d_name, names[N / 2]) == 0);
	closedir(other);
	/* what was there at a position goes */
	OK(unlink(names[N / 3]));
	seekdir(d, at[N / 3]);
	e = readdir(d);
	CHECK(!e || strcmp(e->d_name, names[N / 3]) != 0);	/* ext4 is not always where it was */
	/* a name that is new is there from the start on */
	make("new");
	rewinddir(d);
	int found = 0;
	for (nr = 0; (e = readdir(d)); nr++)
		found += strcmp(e->d_name, "new") == 0;
	CHECK(found == 1 && nr == N + 2);
	/* removed while it is listed: whatever is said after that is not there */
	rewinddir(d);
	CHECK(readdir(d) && readdir(d) && readdir(d));
	for (int i = 0; i < N; i++)
		CHECK(unlink(names[i]) == 0 || i == N / 3);
	OK(unlink("new"));
	while ((e = readdir(d)))
		if (!is_dot(e->d_name))
			FAILS(ENOENT, access(e->d_name, F_OK));
	rewinddir(d);
	for (nr = 0; (e = readdir(d)); nr++)
		;
	CHECK(nr == 2);
	closedir(d);
	qsort(names, N, sizeof *names, compare);
	for (int i = 1; i < N; i++)
		CHECK(strcmp(names[i - 1], names[i]) != 0);
}

/* The kernel forgets what nobody uses, as when it needs the memory. */
static void forget(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "2", 1) != 1)
		posix_skip("the kernel does not forget when it is told to");
	close(fd);
}

/* An object that is changed between two pieces of a listing is not shown as it was. */
static void changed_in_between(void (*then)(void))
{
	enum { N = 600 };
	struct dirent *e;
	struct stat st;
	char name[32];
	int wrong = 0;

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "file%d", i);
		put(name, "");
	}
	DIR *d = opendir(".");
	CHECK(readdir(d) != NULL);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "file%d", i);
		OK(chmod(name, 0600));
	}
	if (then)
		then();
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' &&
		    (stat(e->d_name, &st) != 0 || (st.st_mode & 07777) != 0600))
			wrong++;
	CHECK(wrong == 0);
	closedir(d);
}

static void fresh(void)
{
	changed_in_between(NULL);
}

static void fresh_when_forgotten(void)
{
	changed_in_between(forget);
}

/* Lists the directory; of the N names "stay<i>" each once.  The number of others. */
static int list_stayers(DIR *d, int n)
{
	uint8_t *seen = calloc(n, 1);
	int wrong = 0, others = 0, i;
	struct dirent *e;

	while (errno = 0, (e = readdir(d))) {
		if (sscanf(e->d_name, "stay%d", &i) != 1)
			others++;
		else if (i < 0 || i >= n || seen[i]++)
			wrong++;
	}
	CHECK(errno == 0);
	for (i = 0; i < n; i++)
		wrong += !seen[i];
	CHECK(wrong == 0);
	free(seen);
	return others;
}

/* Names come and go in other processes: what stays is neither missed nor told twice. */
static void while_names_change(void)
{
	enum { N = 5000, CHANGERS = 2, ROUNDS = 12 };
	pid_t pids[CHANGERS];
	char name[64], to[64];

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "stay%d", i);
		make(name);
	}
	for (int p = 0; p < CHANGERS; p++) {
		pids[p] = fork();
		if (pids[p])
			continue;
		for (int i = 0; ; i++) {
			snprintf(name, sizeof name, "go%d-%d", p, i);
			snprintf(to, sizeof to, "gone%d-%d", p, i);
			make(name);
			OK(rename(name, to));
			snprintf(to, sizeof to, "gone%d-%d", p, i - 100);
			if (i >= 100)
				OK(unlink(to));
			if (posix_failures())
				_exit(1);
		}
	}
	DIR *d = opendir(".");
	for (int i = 0; i < ROUNDS; i++) {
		list_stayers(d, N);
		rewinddir(d);
	}
	closedir(d);
	for (int p = 0; p < CHANGERS; p++) {
		kill(pids[p], SIGKILL);
		CHECK(wait_status(pids[p]) == 128 + SIGKILL);
	}
}

/* Made, listed, looked up and removed; a million took minutes, once. */
static void large(void)
{
	enum { N = 20000 };
	char name[64];
	int wrong = 0;

	OK(mkdir("d", 0755));
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "d/stay%d", i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0)
			return posix_failed(__FILE__, __LINE__, name);
		close(fd);
	}
	DIR *d = opendir("d");
	CHECK(list_stayers(d, N) == 2);
	rewinddir(d);
	CHECK(list_stayers(d, N) == 2);
	for (int i = 0; i < N; i += 7) {
		snprintf(name, sizeof name, "d/stay%d", i);
		wrong += !exists(name);
		snprintf(name, sizeof name, "d/none%d", i);
		wrong += exists(name);
	}
	CHECK(wrong == 0);
	FAILS(ENOTEMPTY, rmdir("d"));
	/* as rm -r does it: removed while it is listed */
	rewinddir(d);
	struct dirent *e;
	while ((e = readdir(d)))
		if (!is_dot(e->d_name) && unlinkat(dirfd(d), e->d_name, 0) < 0)
			return posix_failed(__FILE__, __LINE__, e->d_name);
	closedir(d);
	OK(rmdir("d"));
}

/* The system call itself, with buffers for one entry and for many. */
static void small_buffers(void)
{
	enum { N = 300 };
	static char room[65536] __attribute__((aligned(8)));
	const size_t sizes[] = { 280, 512, 4096, sizeof room };
	char name[300];

	memset(name, 'x', sizeof name);
	for (int i = 0; i < N; i++) {
		snprintf(name, 5, "%03d-", i);
		name[4] = 'x';
		name[i % 2 ? 255 : 4] = '\0';
		make(name);
		name[4] = 'x';
	}
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		int nr = 0;
		long n;

		OK(lseek(fd, 0, SEEK_SET));
		while ((n = syscall(SYS_getdents64, fd, room, sizes[s])) > 0)
			for (long at = 0; at < n; nr++)
				at += ((struct dirent64 *)(room + at))->d_reclen;
		CHECK(n == 0 && nr == N + 2);
	}
	OK(lseek(fd, 0, SEEK_SET));
	FAILS(EINVAL, syscall(SYS_getdents64, fd, room, 8L));
	OK(close(fd));
}

static void descriptors(void)
{
	char c;

	put("f", "x");
	OK(mkdir("d", 0755));
	int fd = open("d", O_RDONLY | O_DIRECTORY), file = open("f", O_RDONLY);
	OK(fsync(fd));
	OK(fdatasync(fd));
	FAILS(EISDIR, read(fd, &c, 1));
	FAILS(EISDIR, open("d", O_WRONLY));
	FAILS(EISDIR, open("d", O_RDWR));
	FAILS(EISDIR, open("d", O_RDONLY | O_CREAT, 0600));
	FAILS(ENOTDIR, open("f", O_RDONLY | O_DIRECTORY));
	FAILS(ENOTDIR, syscall(SYS_getdents64, file, &c, 1));
	FAILS(ENOTDIR, fchdir(file));
	FAILS(EINVAL, ftruncate(fd, 0));
	OK(close(fd));
	OK(close(file));
	OK(rmdir("../descriptors/d"));
}

/* The current directory can go when it is empty, the parent cannot. */
static void removing(void)
{
	FAILS(EINVAL, rmdir("."));
	FAILS(ENOTEMPTY, rmdir(".."));
	OK(mkdir("d", 0755));
	OK(mkdir("d/e", 0755));
	FAILS(ENOTEMPTY, rmdir("d"));
	OK(rmdir("d/e/"));
	OK(rmdir("d//"));
	FAILS(ENOENT, rmdir("d"));
	OK(symlink("nowhere", "s"));
	FAILS(ENOTDIR, rmdir("s"));
	OK(mkdir("d", 0755));
	OK(unlink("s"));
	OK(symlink("d", "s"));
	FAILS(ENOTDIR, rmdir("s"));
	FAILS(ENOTDIR, rmdir("s/"));
	FAILS(EISDIR, unlink("d"));
}

/* Has inotify told this?  In any order, with others in between. */
static bool told(int fd, uint32_t mask, const char *name)
{
	static char room[8192] __attribute__((aligned(8)));
	static size_t used;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, 0) > 0 && used < sizeof room / 2) {
		ssize_t n = read(fd, room + used, sizeof room - used);
		if (n <= 0)
			break;
		used += n;
	}
	for (size_t at = 0; at < used; ) {
		const struct inotify_event *e = (void *)(room + at);

		if ((e->mask & mask) && strcmp(e->len ? e->name : "", name) == 0)
			return true;
		at += sizeof *e + e->len;
	}
	return false;
}

static void inotify(void)
{
	int in = inotify_init1(IN_NONBLOCK);

	OK(mkdir("d", 0755));
	OK(inotify_add_watch(in, "d", IN_ALL_EVENTS));
	put("d/f", "x");
	CHECK(told(in, IN_CREATE, "f") && told(in, IN_MODIFY, "f"));
	CHECK(told(in, IN_CLOSE_WRITE, "f"));
	OK(chmod("d/f", 0600));
	CHECK(told(in, IN_ATTRIB, "f"));
	OK(rename("d/f", "d/g"));
	CHECK(told(in, IN_MOVED_FROM, "f") && told(in, IN_MOVED_TO, "g"));
	OK(mkdir("d/sub", 0755));
	CHECK(told(in, IN_CREATE, "sub"));
	OK(unlink("d/g"));
	CHECK(told(in, IN_DELETE, "g"));
	OK(rmdir("d/sub"));
	OK(rmdir("d"));
	CHECK(told(in, IN_DELETE_SELF, ""));
	OK(close(in));
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(numbers_and_types), POSIX_CASE(positions), POSIX_CASE(fresh),
	POSIX_CASE(fresh_when_forgotten),
	{ .name = "while_names_change", .run = while_names_change, .limit_s = 180 },
	{ .name = "large", .run = large, .limit_s = 300 },
	POSIX_CASE(small_buffers), POSIX_CASE(descriptors), POSIX_CASE(removing),
	POSIX_CASE(inotify),
	{ 0 },
};
