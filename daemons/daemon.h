/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the files of daemons/ share: the command line as a struct, and the parts of a process
 * that runs a graph.
 */
#ifndef GLUSTERFS_DAEMON_H
#define GLUSTERFS_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "graph.h"
#include "log.h"

#ifndef container_of
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#endif

/* Exit statuses. The first three are those of 1.3. */
enum {
	EXIT_OK = 0,
	EXIT_USAGE = 1,		/* command line; pidfile in use; a start that failed */
	EXIT_VOLFILE = 255,	/* the volume file: unreadable, wrong, no init; no log */
};

enum { XLATOR_OPTIONS_MAX = 64, XLATOR_PATH_MAX = 16 };

enum mode { MODE_RUN, MODE_CHECK, MODE_EXPLAIN, MODE_HELP_XLATOR };

/* The command line. Strings are borrowed from argv or live as long as the process. */
struct settings {
	enum mode mode;
	const char *volfile;		/* absolute (to check: as given); of a server: host:port */
	const char *server;		/* -s: where to fetch the volume file; NULL: volfile */
	const char *transport;
	uint16_t port;
	const char *mount_point;	/* absolute; NULL: no mount */
	const char *volume_name;	/* NULL: the last one */
	const char *log_file;		/* "-": standard error */
	const char *pidfile;		/* absolute; NULL: none */
	const char *direct_io, *entry_timeout, *attr_timeout;	/* NULL: the translator's default */
	const char *mount_options;	/* for the kernel; NULL: none */
	const char *fs_name;		/* what df and mount show; NULL: the volume file */
	const char *help_type;		/* --help-xlator TYPE; NULL: list the types */
	char *xlator_options[XLATOR_OPTIONS_MAX];	/* VOLUME.KEY=VALUE; cut by load.c */
	const char *xlator_path[XLATOR_PATH_MAX + 1];		/* absolute; NULL-terminated */
	size_t nr_xlator_options, nr_xlator_path;
	uint32_t mount_timeout_ms;
	uint32_t lru_limit;		/* 0: the default of the graph */
	bool foreground, strict;
	char **argv;			/* as it was, for logs and dumps */
	int argc;
};

/* ---- daemon.c: the process */

struct pidfile {
	const char *path;	/* NULL: none */
	int fd;
};
/* Creates and locks a pidfile. 0, or -errno after having told the user. The lock belongs to the
 * open file, so it stays with a forked child that goes on. */
int pidfile_open(struct pidfile *p, const char *path);
int pidfile_write(struct pidfile *p);		/* our pid; 0 or -errno */
void pidfile_remove(struct pidfile *p);		/* idempotent */

/*
 * Becomes a daemon in two steps, so that whoever started us learns how it went. daemon_fork
 * returns 0 in the child, which is in a session of its own but still attached to the terminal; the
 * parent does not return: it waits, exits 0 when the child calls daemon_ready, and with the child's
 * exit status when the child ends before that. -errno: no fork.
 */
int daemon_fork(void);
/* Tells the parent that all is well, and leaves the terminal (but for standard
 * error, when the log goes there). Does nothing in the foreground. */
void daemon_ready(void);

/* Limits, allocator, umask: what every process that runs a graph wants. */
void process_setup(void);
extern bool log_is_stderr;		/* -l - */
/* Says something on standard error and in the log. */
void complain(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The command line as one line, quoted where a shell would need it. A new string or NULL. */
char *command_line(const struct settings *s);
/* Absolute form of a path (new string or NULL); "-" and absolute ones are copied. */
char *path_absolute(const char *path);

/* ---- load.c: from settings to a checked graph */

/* Reads or fetches the volume file, applies --xlator-option. NULL: nothing more can be told about it than the errors
 * that were added to diag; a tree may have errors too (volfile_read_doubtful). */
struct volfile *load_volfile(const struct settings *s, struct diag *diag);
/* load_volfile and graph_new. */
struct graph *load_graph(const struct settings *s, struct loop *loop, struct diag *diag);
/* Do calls begin here: takes it none itself, but starts something and has children (a server)? */
bool xlator_is_entrance(const struct xlator *xl);
bool graph_has_entrance(const struct graph *g);

/* ---- run.c, explain.c, help.c: the modes. Each returns the exit status. */

int run(const struct settings *s);
int check(const struct settings *s);
int explain(const struct settings *s);
int help_xlator(const struct settings *s);

/* ---- report.c: statedumps, SIGUSR2, crashes */

/* Writes a statedump and logs where it is. */
void report_statedump(struct graph *g, const struct settings *s);
/* SIGUSR2: version, command line, volume file, what is under way, into the log. */
void report_to_log(struct graph *g, const struct settings *s);
/* SEGV, ABRT, BUS, FPE, ILL: a backtrace into the log, then the default action. */
void report_crashes(const struct settings *s);
/* The log was reopened. */
void report_crashes_reopen(const struct settings *s);

#endif
