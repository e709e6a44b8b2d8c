/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A graph from start to end in a process of its own.
 *
 *	pidfile -> fork -> load, check, init -> start -> ready -> ... -> stop
 *	                   `------- errors reach the terminal -----'
 *
 * "Ready" is what the shell waits for: a server listens; a mount answers, that is, it is mounted,
 * the volume under it has told that it is up, and each brick below has said whether it is (so that a
 * mount does not begin with half of a mirror only because the other half's connection took a
 * millisecond longer).  Bricks in this process are up before the mount, which starts last.
 * When no brick can be reached within --mount-timeout, or one refuses us for good and nothing else
 * is up, the reasons are printed and there is no mount.
 *
 * Everything below daemon_fork() runs on the loop's thread.
 */
#include "config.h"
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a mount that is up waits for bricks that have said nothing yet. */
enum { SETTLE_MS = 2000 };
/* How long the end waits for what is under way. */
enum { LEAVE_MS = 1000, STOP_MS = 10000, STOP_STEP_MS = 10 };

enum brick_state { BRICK_SILENT, BRICK_UP, BRICK_DOWN, BRICK_FAILED };

struct brick {			/* a volume without subvolumes, below the mount */
	const struct xlator *xl;
	enum brick_state state;
	char *reason;
};

struct process {
	const struct settings *settings;
	struct pidfile pidfile;
	struct loop *loop;
	struct graph *graph;
	const struct xlator *top;	/* what is mounted */
	struct brick *bricks;
	size_t nr_bricks;
	struct timer give_up, settle;
	bool started;			/* every volume is, the mount too */
	bool top_up, ready, stopping;
	char *top_reason;		/* why it cannot be up; NULL: it has not said */
	int status;
};

/* ---- problems of the volume file ------------------------------------------------------------ */

/* Shows what was collected, on the terminal and in the log, and starts a new collection. */
static struct diag *tell_problems(struct diag *diag)
{
	size_t n = diag_count(diag);

	diag_print(diag, stderr);
	if (log_is_stderr)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		enum diag_level level;
		const char *text = diag_message(diag, i, &level, NULL);

		if (level == DIAG_ERROR)
			log_plain(LOG_ERROR_, "glusterfs", "%s", text);
		else if (level == DIAG_WARNING)
			log_plain(LOG_WARNING_, "glusterfs", "%s", text);
	}
	diag_free(diag);
	return diag_new();
}

static int push_mount(struct graph *g, const struct settings *s)
{
	const char *options[2 * (8 + XLATOR_OPTIONS_MAX) + 1];
	size_t n = 0;
	const struct { const char *key, *value; } given[] = {
		{ "mount-point", s->mount_point },
		{ "direct-io-mode", s->direct_io },
		{ "entry-timeout", s->entry_timeout },
		{ "attr-timeout", s->attr_timeout },
		{ "mount-options", s->mount_options },
		{ "fsname", s->fs_name ? s->fs_name : s->volfile },
	};

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		if (!given[i].value)
			continue;
		options[n++] = given[i].key;
		options[n++] = given[i].value;
	}
	/* --xlator-option fuse.KEY=VALUE, which load.c has cut in two */
	for (size_t i = 0; i < s->nr_xlator_options; i++) {
		if (strncmp(s->xlator_options[i], "fuse.", 5))
			continue;
		options[n++] = s->xlator_options[i] + 5;
		options[n++] = strchr(s->xlator_options[i], '\0') + 1;
	}
	options[n] = NULL;
	return graph_push(g, "mount/fuse", "fuse", options);
}

/* ---- waiting for the bricks ----------------------------------------------------------------- */

static void add_bricks(struct process *p, const struct xlator *xl)
{
	for (size_t i = 0; i < p->nr_bricks; i++)
		if (p->bricks[i].xl == xl)
			return;
	if (!xl->nr_children && p->nr_bricks < p->graph->nr_xlators)
		p->bricks[p->nr_bricks++] =
			(struct brick){ .xl = xl, .state = xl->up ? BRICK_UP : BRICK_SILENT };
	for (int i = 0; i < xl->nr_children; i++)
		add_bricks(p, xl->children[i]);
}

static size_t count_bricks(const struct process *p, enum brick_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nr_bricks; i++)
		n += p->bricks[i].state == state;
	return n;
}

static void tell_bricks(const struct process *p, enum log_level level)
{
	for (size_t i = 0; i < p->nr_bricks; i++) {
		const struct brick *b = &p->bricks[i];

		if (b->state == BRICK_SILENT)
			complain(level, "%s: no answer yet", b->xl->name);
		else if (b->state != BRICK_UP)
			complain(level, "%s: %s", b->xl->name,
				 b->reason ? b->reason : "not available");
	}
}

static void process_stop(struct process *p, int status)
{
	if (p->stopping)
		return;
	p->stopping = true;
	p->status = status;
	loop_stop(p->loop);
}

/* All is started, and it is open whether that has succeeded. */
static bool undecided(const struct process *p)
{
	return p->started && !p->ready && !p->stopping;
}

static void process_ready(struct process *p)
{
	if (!undecided(p))
		return;
	p->ready = true;
	timer_stop(&p->give_up);
	timer_stop(&p->settle);
	if (count_bricks(p, BRICK_UP) < p->nr_bricks) {
		complain(LOG_WARNING_, "warning: %zu of %zu bricks are not there:",
			 p->nr_bricks - count_bricks(p, BRICK_UP), p->nr_bricks);
		tell_bricks(p, LOG_WARNING_);
	}
	daemon_ready();
}

static void process_fail(struct process *p)
{
	if (!undecided(p))
		return;
	complain(LOG_ERROR_, "cannot mount %s on %s:", p->top->name, p->settings->mount_point);
	/* With bricks that are there it has a reason of its own; else it repeats theirs. */
	if (p->top_reason && count_bricks(p, BRICK_UP))
		complain(LOG_ERROR_, "%s: %s", p->top->name, p->top_reason);
	tell_bricks(p, LOG_ERROR_);
	process_stop(p, EXIT_USAGE);
}

/* Looks at what is known: when all is started, and after each event until we are ready. */
static void process_judge(struct process *p)
{
	size_t silent = count_bricks(p, BRICK_SILENT), down = count_bricks(p, BRICK_DOWN);

	if (!undecided(p) || !p->top)
		return;
	if (p->top_up && !silent)
		process_ready(p);
	else if (!p->top_up && !silent && !down && count_bricks(p, BRICK_UP) < p->nr_bricks)
		process_fail(p);	/* who is away is so for good, and the rest is not enough */
}

static void on_give_up(struct timer *t)
{
	struct process *p = container_of(t, struct process, give_up);

	if (p->top_up)
		process_ready(p);
	else
		process_fail(p);
}

static void on_settled(struct timer *t)
{
	struct process *p = container_of(t, struct process, settle);

	if (p->top_up)
		process_ready(p);
}

static void brick_said(struct brick *b, enum xl_event what, const char *reason)
{
	b->state = what == XL_CHILD_UP ? BRICK_UP : what == XL_CHILD_FAILED ? BRICK_FAILED :
		   BRICK_DOWN;
	free(b->reason);
	b->reason = what != XL_CHILD_UP && reason ? strdup(reason) : NULL;
}

/* Some volume tells its parents something. */
static void on_notify(struct graph *g, struct xlator *xl, enum xl_event what, void *data)
{
	struct process *p = g->ctx;

	if (what == XL_UNMOUNTED)
		process_stop(p, p->ready ? EXIT_OK : EXIT_USAGE);
	if (p->ready || (what != XL_CHILD_UP && what != XL_CHILD_DOWN && what != XL_CHILD_FAILED))
		return;
	for (size_t i = 0; i < p->nr_bricks; i++)
		if (p->bricks[i].xl == xl)
			brick_said(&p->bricks[i], what, data);
	if (xl == p->top) {
		p->top_up = what == XL_CHILD_UP;
		free(p->top_reason);
		p->top_reason = what == XL_CHILD_FAILED && data ? strdup(data) : NULL;
		if (p->top_up && !timer_active(&p->settle))
			timer_start(&p->settle, p->loop, SETTLE_MS, on_settled);
	}
	process_judge(p);
}

/* ---- signals -------------------------------------------------------------------------------- */

static void on_signal(struct loop *l, int signo, void *arg)
{
	struct process *p = arg;

	switch (signo) {
	case SIGHUP:
		log_reopen();
		report_crashes_reopen(p->settings);
		log_plain(LOG_NOTICE_, "glusterfs", "reopened the log");
		break;
	case SIGUSR1:
		report_statedump(p->graph, p->settings);
		break;
	case SIGUSR2:
		report_to_log(p->graph, p->settings);
		break;
	default:
		log_plain(LOG_NOTICE_, "glusterfs", "%s: shutting down", strsignal(signo));
		process_stop(p, p->ready ? EXIT_OK : EXIT_USAGE);
	}
}

static int watch_signals(struct process *p)
{
	const int signals[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int err = loop_on_signal(p->loop, signals[i], on_signal, p);

		if (err < 0)
			return err;
	}
	return 0;
}

/* ---- the life of a graph -------------------------------------------------------------------- */

/* A mount point that cannot be one is said in words that help. 0 or -errno. */
static int check_mount_point(const char *path)
{
	struct stat st;

	if (stat(path, &st)) {
		int err = -errno;

		if (err == -ENOTCONN)
			complain(LOG_ERROR_,
				 "%s: a mount whose process has died is still there: umount %s",
				 path, path);
		else
			complain(LOG_ERROR_, "mount point %s: %s", path, strerror(-err));
		return err;
	}
	if (S_ISDIR(st.st_mode))
		return 0;
	complain(LOG_ERROR_, "mount point %s: not a directory", path);
	return -ENOTDIR;
}

/* Everything that may be wrong before something begins to work. Returns an exit status. */
static int prepare(struct process *p, struct diag **diag)
{
	const struct settings *s = p->settings;

	p->graph = load_graph(s, p->loop, *diag);
	if (!p->graph)
		return EXIT_VOLFILE;
	p->graph->ctx = p;
	p->top = s->mount_point ? p->graph->top : NULL;
	if (!s->mount_point && !graph_has_entrance(p->graph)) {
		complain(LOG_ERROR_,
			 "nothing to do: no MOUNT-POINT was given, and no volume of %s serves "
			 "others (protocol/server)",
			 s->volfile);
		return EXIT_USAGE;
	}
	if (s->mount_point && push_mount(p->graph, s))
		return EXIT_USAGE;
	*diag = tell_problems(*diag);	/* warnings: they come before what init says */
	p->graph->diag = *diag;
	if (graph_init(p->graph))
		return EXIT_VOLFILE;
	return EXIT_OK;
}

static int begin(struct process *p)
{
	p->bricks = calloc(p->graph->nr_xlators, sizeof(*p->bricks));
	if (!p->bricks)
		return EXIT_USAGE;
	if (p->top)
		add_bricks(p, p->top);
	p->graph->on_notify = on_notify;
	if (graph_start(p->graph))
		return EXIT_USAGE;
	return EXIT_OK;
}

/* All is started, and what start said is on the terminal, which "ready" takes away. */
static void wait_for_bricks(struct process *p)
{
	p->started = true;
	if (!p->top)
		process_ready(p);
	process_judge(p);
	if (undecided(p))
		timer_start(&p->give_up, p->loop, p->settings->mount_timeout_ms, on_give_up);
}

/* Ends the graph; what is under way gets some seconds. */
static void end(struct process *p)
{
	const bool never = false;

	timer_stop(&p->give_up);
	timer_stop(&p->settle);
	if (p->graph) {
		p->graph->on_notify = NULL;
		p->graph->diag = NULL;
		graph_leave(p->graph);
		for (int ms = 0; graph_leaving(p->graph) && ms < LEAVE_MS; ms += STOP_STEP_MS)
			loop_run_until(p->loop, &never, STOP_STEP_MS);
		graph_stop(p->graph);
		for (int ms = 0; !graph_idle(p->graph) && ms < STOP_MS; ms += STOP_STEP_MS)
			loop_run_until(p->loop, &never, STOP_STEP_MS);
		if (!graph_idle(p->graph))
			log_warning("glusterfs", "ending with operations still under way");
		graph_free(p->graph);
	}
	for (size_t i = 0; i < p->nr_bricks; i++)
		free(p->bricks[i].reason);
	free(p->bricks);
	free(p->top_reason);
}

static int live(struct process *p)
{
	struct diag *diag = diag_new();
	int status;

	status = prepare(p, &diag);
	if (status == EXIT_OK && chdir("/"))
		complain(LOG_WARNING_, "cannot change to /: %s", strerror(errno));
	if (status == EXIT_OK)
		status = begin(p);
	diag_free(tell_problems(diag));
	if (p->graph)
		p->graph->diag = NULL;
	if (status == EXIT_OK)
		wait_for_bricks(p);
	if (status == EXIT_OK && !p->stopping)
		loop_run(p->loop);
	if (status == EXIT_OK)
		status = p->status;
	end(p);
	return status;
}

static void log_start(const struct settings *s)
{
	char *line = command_line(s);

	log_plain(LOG_NOTICE_, "glusterfs", "glusterfs %s, PID %ld: %s", PACKAGE_VERSION,
		  (long)getpid(), line ? line : "");
	free(line);
}

static int run_child(struct process *p)
{
	int status = EXIT_USAGE, err;

	process_setup();
	report_crashes(p->settings);
	log_start(p->settings);
	err = pidfile_write(&p->pidfile);
	if (err) {
		complain(LOG_ERROR_, "%s: cannot write the pidfile: %s", p->pidfile.path,
			 strerror(-err));
	} else if (!(p->loop = loop_new())) {
		complain(LOG_ERROR_, "no event loop: out of memory or of descriptors");
	} else if ((err = watch_signals(p)) < 0) {
		complain(LOG_ERROR_, "cannot watch signals: %s", strerror(-err));
	} else {
		status = live(p);
	}
	loop_free(p->loop);
	pidfile_remove(&p->pidfile);
	log_plain(LOG_NOTICE_, "glusterfs", "ended with status %d", status);
	log_close();
	return status;
}

int run(const struct settings *s)
{
	struct process p = { .settings = s, .pidfile.fd = -1 };
	int err;

	if (s->mount_point && check_mount_point(s->mount_point))
		return EXIT_USAGE;
	if (s->pidfile && pidfile_open(&p.pidfile, s->pidfile))
		return EXIT_USAGE;
	err = s->foreground ? 0 : daemon_fork();
	if (err) {
		complain(LOG_ERROR_, "cannot fork: %s", strerror(-err));
		pidfile_remove(&p.pidfile);
		return EXIT_USAGE;
	}
	return run_child(&p);
}
