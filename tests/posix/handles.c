/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * handles - file handles (name_to_handle_at, open_by_handle_at), by which NFS servers and backup
 * programs name objects: they lead to the object after the kernel has forgotten it, wherever it was
 * moved, and to ESTALE when it is gone. Over another mount: tests/posix/posix.sh.
 */
#include "config.h"

#include "posix.h"

union handle {
	struct file_handle h;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static union handle handle_of(const char *path, int flags)
{
	union handle h = { .h.handle_bytes = MAX_HANDLE_SZ };
	int id;

	OK(name_to_handle_at(AT_FDCWD, path, &h.h, &id, flags));
	return h;
}

static int top(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open(".", O_RDONLY | O_DIRECTORY);
	return fd;
}

static int open_handle(union handle *h, int flags)
{
	return open_by_handle_at(top(), &h->h, flags);
}

static bool leads_to(union handle *h, ino_t ino)
{
	struct stat st = { 0 };
	int fd = open_handle(h, O_PATH);

	if (fd < 0)
		return false;
	fstat(fd, &st);
	close(fd);
	return st.st_ino == ino;
}

/* What nobody uses leaves the kernel's memory. */
static void forget(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "2", 1) != 1)
		posix_skip("the caches cannot be dropped here");
	close(fd);
}

static void opens(void)
{
	char c[16];

	put("f", "handle");
	union handle h = handle_of("f", 0);
	int fd = open_handle(&h, O_RDWR);
	CHECK(fd >= 0 && read(fd, c, sizeof c) == 6 && memcmp(c, "handle", 6) == 0);
	CHECK(pwrite(fd, "HANDLE", 6, 0) == 6);
	OK(close(fd));
	CHECK(holds("f", "HANDLE"));
	union handle same = handle_of("f", 0);
	CHECK(same.h.handle_bytes == h.h.handle_bytes && same.h.handle_type == h.h.handle_type &&
	      memcmp(same.h.f_handle, h.h.f_handle, h.h.handle_bytes) == 0);
	union handle small = { .h.handle_bytes = 0 };
	int id;
	FAILS(EOVERFLOW, name_to_handle_at(AT_FDCWD, "f", &small.h, &id, 0));
	CHECK(small.h.handle_bytes == h.h.handle_bytes);
}

static void forgotten(void)
{
	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	OK(mkdir("a/b/c", 0755));
	put("a/b/c/f", "deep");
	OK(symlink("target", "a/s"));
	OK(mkfifo("a/fifo", 0600));
	union handle f = handle_of("a/b/c/f", 0), c = handle_of("a/b/c", 0),
		     s = handle_of("a/s", 0), fifo = handle_of("a/fifo", 0);
	ino_t f_ino = stat_of("a/b/c/f").st_ino, c_ino = stat_of("a/b/c").st_ino;
	ino_t s_ino = stat_of("a/s").st_ino, fifo_ino = stat_of("a/fifo").st_ino;
	forget();
	CHECK(leads_to(&f, f_ino));
	forget();
	CHECK(leads_to(&c, c_ino));
	CHECK(leads_to(&s, s_ino) && leads_to(&fifo, fifo_ino));
	forget();
	int dir = open_handle(&c, O_RDONLY | O_DIRECTORY);
	CHECK(dir >= 0 && faccessat(dir, "f", F_OK, 0) == 0);
	char cwd[4096];
	OK(fchdir(dir));
	CHECK(getcwd(cwd, sizeof cwd) && strstr(cwd, "/a/b/c"));
	CHECK(holds("f", "deep"));
	OK(fchdir(top()));
	OK(close(dir));
}

static void moved(void)
{
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("a/d", 0755));
	put("a/f", "moved");
	put("a/d/g", "inside");
	union handle f = handle_of("a/f", 0), d = handle_of("a/d", 0), g = handle_of("a/d/g", 0);
	ino_t f_ino = stat_of("a/f").st_ino, d_ino = stat_of("a/d").st_ino;
	ino_t g_ino = stat_of("a/d/g").st_ino;
	OK(rename("a/f", "b/f2"));
	OK(rename("a/d", "b/d2"));
	OK(rmdir("a"));
	forget();
	CHECK(leads_to(&f, f_ino) && leads_to(&d, d_ino) && leads_to(&g, g_ino));
	int fd = open_handle(&d, O_RDONLY | O_DIRECTORY);
	char cwd[4096];
	OK(fchdir(fd));
	CHECK(getcwd(cwd, sizeof cwd) && strstr(cwd, "/b/d2"));
	OK(fchdir(top()));
	OK(close(fd));
}

static void gone(void)
{
	put("f", "x");
	put("g", "x");
	OK(mkdir("d", 0755));
	put("linked", "x");
	OK(link("linked", "linked too"));
	union handle f = handle_of("f", 0), g = handle_of("g", 0), d = handle_of("d", 0);
	union handle l = handle_of("linked", 0);
	ino_t ino = stat_of("linked").st_ino;
	OK(unlink("f"));
	FAILS(ESTALE, open_handle(&f, O_RDONLY));
	put("f", "another");
	FAILS(ESTALE, open_handle(&f, O_RDONLY));
	put("new", "x");
	OK(rename("new", "g"));
	OK(rmdir("d"));
	FAILS(ESTALE, open_handle(&g, O_RDONLY));
	FAILS(ESTALE, open_handle(&d, O_RDONLY | O_DIRECTORY));
	forget();
	FAILS(ESTALE, open_handle(&f, O_RDONLY));
	FAILS(ESTALE, open_handle(&d, O_RDONLY));
	OK(unlink("linked"));
	forget();
	CHECK(leads_to(&l, ino));
	OK(unlink("linked too"));
	FAILS(ESTALE, open_handle(&l, O_RDONLY));
}

/* As long as somebody has it open it can be opened by its handle. */
static void gone_but_open(void)
{
	char c[8];

	put("f", "open");
	union handle f = handle_of("f", 0);
	int fd = open("f", O_RDONLY);
	OK(unlink("f"));
	forget();
	int again = open_handle(&f, O_RDWR);
	CHECK(again >= 0 && read(again, c, sizeof c) == 4);
	OK(close(fd));
	CHECK(pread(again, c, sizeof c, 0) == 4);
	OK(close(again));
	FAILS(ESTALE, open_handle(&f, O_RDONLY));
}

static void wrong(void)
{
	put("f", "x");
	union handle h = handle_of("f", 0), bad = h;

	for (unsigned int i = 0; i < h.h.handle_bytes; i++) {
		bad = h;
		bad.h.f_handle[i] ^= 0x55;
		int fd = open_handle(&bad, O_RDONLY);
		CHECK(fd < 0);
	}
	bad = h;
	bad.h.handle_bytes = 0;
	CHECK(open_handle(&bad, O_RDONLY) < 0);
	bad = h;
	bad.h.handle_type = 77;
	CHECK(open_handle(&bad, O_RDONLY) < 0);
	CHECK(leads_to(&h, stat_of("f").st_ino));
}

static void many(void)
{
	enum { N = 2000 };
	static union handle h[N];
	static ino_t ino[N];
	char name[32];
	int wrong_ones = 0;

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "f%d", i);
		put(name, name);
		h[i] = handle_of(name, 0);
		ino[i] = stat_of(name).st_ino;
	}
	forget();
	for (int i = 0; i < N; i++)
		wrong_ones += !leads_to(&h[i], ino[i]);
	CHECK(wrong_ones == 0);
}

/* The two halves of what posix.sh does over another mount: DIR/../handles.saved. */
static void save(void)
{
	OK(mkdir("d", 0755));
	put("d/f", "saved");
	put("gone", "x");
	union handle h[3] = { handle_of("d", 0), handle_of("d/f", 0), handle_of("gone", 0) };
	OK(unlink("gone"));
	int fd = open("../../handles.saved", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(write(fd, h, sizeof h) == sizeof h);
	OK(close(fd));
	OK(rename("d", "../../handles.dir"));
}

static void load(void)
{
	union handle h[3];
	struct stat d, f, st;
	char c[8];
	int saved = open("../../handles.saved", O_RDONLY);

	if (saved < 0)
		posix_skip("nothing was saved by another mount");
	CHECK(read(saved, h, sizeof h) == sizeof h);
	OK(close(saved));
	int file = open_handle(&h[1], O_RDONLY);
	CHECK(file >= 0 && read(file, c, sizeof c) == 5 && memcmp(c, "saved", 5) == 0);
	int dir = open_handle(&h[0], O_RDONLY | O_DIRECTORY);
	OK(fstatat(dir, "f", &st, 0));
	OK(fstat(file, &f));
	OK(fstat(dir, &d));
	CHECK(st.st_ino == f.st_ino && stat_of("../../handles.dir").st_ino == d.st_ino);
	FAILS(ESTALE, open_handle(&h[2], O_RDONLY));
	OK(close(file));
	OK(close(dir));
	OK(unlink("../../handles.saved"));
	OK(unlink("../../handles.dir/f"));
	OK(rmdir("../../handles.dir"));
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(load),  POSIX_CASE(opens), POSIX_CASE(forgotten), POSIX_CASE(moved),
	POSIX_CASE(gone),  POSIX_CASE(gone_but_open), POSIX_CASE(wrong), POSIX_CASE(many),
	POSIX_CASE(save),
	{ 0 },
};
