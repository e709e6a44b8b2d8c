/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr_rig.h - cluster/afr over two or three bricks: what its test programs share.
 *
 *	m (cluster/afr, compiled in) - c0 (test/cable) - r0 (features/replica, as built) - b0 (test/child)
 *	                             - c1              - r1                              - b1
 *	                             - w (features/witness, as built)
 *
 * bricks_fresh();	new, empty directories for what r0, r1 ... keep
 * up2();		two bricks; returns when the mirror is up
 * change();		... ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);
 * down();
 *
 * b[], c[]: in the order of their places in the view, so b[0] is home as long as it is full.  (Before there is a view: in the
 * order of the volume file.)  Directories are below `base`, which AFR_MAIN removes, also when a test has died.
 */
#ifndef TESTS_AFR_RIG_H
#define TESTS_AFR_RIG_H

#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNIT_TIMEOUT_S 120
#include "cable.h"
#include "../unit/tree.h"
#include "../../xlators/cluster/afr/afr.h"

extern const struct xlator_export glusterfs_xlator;

enum { BRICKS = 3 };
static struct rig r;
static struct afr *afr;
static struct script *b[BRICKS];
static struct cable *c[BRICKS];
static int place_of[BRICKS];		/* in the view; a witness has one, too */
static char base[128], set[192];	/* of all sets; of this one */
static uint64_t starts;			/* each has a seed, and a client id, of its own */
static const struct xlator_type *types[3];
static const char *const built[] = { XLATOR_BUILD_DIR "/xlators/features/replica/.libs",
				     XLATOR_BUILD_DIR "/xlators/features/witness/.libs", NULL };

/* ---- life ---- */

static inline void bricks_fresh(void)
{
	if (set[0])
		remove_tree(set);
	snprintf(set, sizeof set, "%s/XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(set));
	rig_children_up = true;
}

static inline void let_time_pass(uint32_t ms)
{
	loop_run_until(r.loop, &(bool){ false }, ms);
}

/* Runs the loop until it is so; dies after a minute of its time. */
#define until(cond) do {							\
		for (int until_ms = 0; !(cond); until_ms++) {			\
			ck_assert_msg(until_ms < 60000, "never: %s", #cond);	\
			let_time_pass(1);					\
		}								\
	} while (0)

/* Nothing is under way in cluster/afr itself. */
static inline bool is_quiet(void)
{
	bool quiet = !afr->looking && !afr->proposing && !afr->settling && !afr->healing && !timer_active(&afr->retry_timer) &&
		     TAILQ_EMPTY(&afr->waiting);

	for (int i = 0; i < afr->xl->nr_children; i++)
		quiet &= !afr->child[i].asking && !afr->child[i].nr_commits && !afr->child[i].committing;
	return quiet;
}

/* From now on b[] and c[] are in the order of the view. */
static inline void by_place(void)
{
	int nr = 0;

	for (int place = 0; place < VIEW_BRICKS_MAX; place++) {
		int child = afr->at[place];
		struct xlator *xl = child < 0 ? NULL : afr->xl->children[child];

		if (!xl || xl->type != &cable_type)
			continue;
		place_of[nr] = place;
		c[nr] = xl->priv;
		b[nr++] = xl->children[0]->children[0]->priv;
	}
}

/* nr bricks, and what else belongs to cluster/afr: options, and a witness. */
static inline void up_as(int nr, const char *options, bool witness)
{
	char volfile[4096], *at = volfile, *end = volfile + sizeof volfile;

	types[0] = glusterfs_xlator.type;
	types[1] = &cable_type;
	rig_types = types;
	rig_path = built;
	log_threshold = getenv("AFR_LOG") ? LOG_DEBUG_ : LOG_NONE_;
	for (int i = 0; i < nr; i++)
		at += snprintf(at, end - at, "volume b%d type test/child end-volume volume r%d type features/replica option directory "
			       "%s/r%d subvolumes b%d end-volume volume c%d type test/cable subvolumes r%d end-volume ", i, i, set, i,
			       i, i, i);
	if (witness) {
		char dir[256];

		snprintf(dir, sizeof dir, "%s/w", set);
		mkdir(dir, 0700);
		at += snprintf(at, end - at, "volume w type features/witness option directory %s end-volume ", dir);
	}
	at += snprintf(at, end - at, "volume m type cluster/afr %s subvolumes ", options);
	for (int i = 0; i < nr; i++)
		at += snprintf(at, end - at, "c%d ", i);
	at += snprintf(at, end - at, "%s end-volume", witness ? "w" : "");
	ck_assert(at < end);
	memset(b, 0, sizeof b);
	rig_up(&r, volfile, ++starts);
	afr = graph_find(r.g, "m")->priv;
	for (int i = 0; i < nr; i++) {
		char name[] = { 'b', (char)('0' + i), '\0' };

		b[i] = script_of(&r, name);
		name[0] = 'c';
		c[i] = graph_find(r.g, name)->priv;
		place_of[i] = i;
	}
}

static inline void wait_up(void)
{
	until(r.top->ups && is_quiet());
	by_place();
}

static inline void up2(void)
{
	up_as(2, "", false);
	wait_up();
}

static inline void up3(void)
{
	up_as(3, "", false);
	wait_up();
}

/* Two bricks and a witness. */
static inline void up2w(void)
{
	up_as(2, "", true);
	wait_up();
}

static inline void down(void)
{
	rig_down(&r);
}

/* Removes what was made also when tests have died; main's status. */
static inline int afr_main(const char *name, const TTest *const *tests, size_t nr)
{
	const char *tmp = getenv("TMPDIR");

	/* In memory, if possible: every healed page ends in a syncfs. */
	if (!tmp || !*tmp)
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(base, sizeof base, "%s/gf-afr.XXXXXX", tmp);
	if (!mkdtemp(base)) {
		perror(base);
		return 99;
	}
	int status = unit_run(name, tests, nr);
	remove_tree(base);
	return status;
}

#define AFR_MAIN(name, ...)							\
	int main(void)								\
	{									\
		const TTest *const all[] = { __VA_ARGS__ };			\
										\
		return afr_main(name, all, sizeof all / sizeof all[0]);		\
	}

/* ---- who is what ---- */

static inline enum view_role role(int i)
{
	return afr->view.brick[place_of[i]].role;
}
#define is_full(i) (afr->view_name && role(i) == VIEW_FULL)
#define is_joining(i) (role(i) == VIEW_JOINING)
#define is_absent(i) (role(i) == VIEW_ABSENT)

/* b[i] is healed, and a member again. */
static inline void wait_full(int i)
{
	until(is_full(i) && is_quiet());
}

/* A line of the statedump, without its key; "" */
static inline const char *dumped(const char *volume, const char *key)
{
	static char line[512];
	char *text = NULL, find[64];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	graph_dump(r.g, &(struct dump){ out });
	fclose(out);
	snprintf(find, sizeof find, "[%s", volume);
	char *at = strstr(text, find);
	snprintf(find, sizeof find, "\n%s=", key);
	at = at ? strstr(at, find) : NULL;
	line[0] = '\0';
	if (at)
		snprintf(line, sizeof line, "%.*s", (int)strcspn(at + strlen(find), "\n"), at + strlen(find));
	free(text);
	return line;
}

/* A number that the features/replica above b[i] dumps. */
static inline unsigned long replica_number(int i, const char *key)
{
	return strtoul(dumped(c[i]->xl->children[0]->name, key), NULL, 10);
}

/* ---- operations ---- */

static inline struct unlink_args a_change(void)
{
	return (struct unlink_args){ .parent = inode_root(r.g->inodes), .name = "x" };
}

static inline int finish(struct answer *a)
{
	rig_wait(&r, a);
	int ret = a->ret;
	answer_drop(a);
	return ret;
}

static inline int change(void)
{
	struct unlink_args args = a_change();
	struct answer a;

	rig_call(&r, &a, FOP_unlink, &args);
	return finish(&a);
}

static inline int do_stat(void)
{
	struct stat_args args = { .inode = inode_root(r.g->inodes) };
	struct answer a;

	rig_call(&r, &a, FOP_stat, &args);
	return finish(&a);
}

/* ---- what is left ---- */

/* How many items b[i] may lack, as home knows. */
static inline unsigned lacked(int i)
{
	_cleanup_buf_ struct buf *nothing = buf_new(0);
	struct answer a;

	rig_call_below(afr->xl->children[afr->home], &a, FOP_replicate, &(struct replicate_args){
		.inode = inode_root(r.g->inodes), .what = REPL_STATUS, .request = nothing });
	rig_wait(&r, &a);
	struct repl_status s;
	struct wire w = repl_reader(a.reply.replicate.answer);
	repl_get_status(&w, &s);
	answer_drop(&a);
	return (unsigned)s.lacked[place_of[i]];
}

/* Nothing is left of any change: neither entries nor doubts nor items that somebody lacks. */
static inline void nothing_is_left(void)
{
	let_time_pass(50);
	for (int i = 0; i < BRICKS && b[i]; i++) {
		ck_assert_uint_eq(replica_number(i, "journal-entries"), 0);
		ck_assert_uint_eq(replica_number(i, "in-doubt"), 0);
		ck_assert_uint_eq(lacked(i), 0);
	}
}

/* ---- another client: what it sends to one brick, by hand ---- */

enum { OTHER = 77 };			/* its id */

/* grant 0: to home. */
static inline void other_call(struct answer *a, int place, enum fop_id op, const void *args, uint64_t txn, uint64_t grant)
{
	rig_as = (struct identity){ .client = OTHER, .txn = txn, .view = afr->view_name, .grant = grant };
	rig_call_below(c[place]->xl, a, op, args);
	rig_as = (struct identity){ 0 };
}

/* It removes "x" at this place; returns the grant. */
static inline uint64_t other_change(int place, uint64_t txn, uint64_t grant)
{
	struct unlink_args args = a_change();
	struct answer a;

	other_call(&a, place, FOP_unlink, &args, txn, grant);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.ret, 0);
	grant = a.note >> 1;
	answer_drop(&a);
	return grant;
}

static inline void put_commit(struct wire *w, const void *arg)
{
	wire_put_u32(w, 1);
	wire_put_u64(w, *(const uint64_t *)arg);
	wire_put_u32(w, 0);
}

static inline void other_commits(int place, uint64_t txn)
{
	_cleanup_buf_ struct buf *request = repl_message(16, put_commit, &txn);
	struct answer a;

	other_call(&a, place, FOP_replicate, &(struct replicate_args){ .inode = inode_root(r.g->inodes), .what = REPL_COMMIT,
								       .request = request }, 0, 0);
	ck_assert_int_eq(finish(&a), 0);
}

static inline struct inode *object(uint8_t n)
{
	struct gfid g = { .b = { 1, [15] = n } };

	return inode_get(r.g->inodes, &g, S_IFREG);
}

static inline struct fd *open_file(uint8_t n)
{
	struct inode *inode = object(n);
	struct fd *fd = fd_new(inode, O_RDWR, false);
	struct answer a;

	rig_call(&r, &a, FOP_open, &(struct open_args){ .inode = inode, .fd = fd, .flags = O_RDWR });
	inode_unref(inode);
	ck_assert_int_eq(finish(&a), 0);
	return fd;
}

static inline void start_write(struct answer *a, struct fd *fd, size_t n)
{
	_cleanup_buf_ struct buf *data = buf_new(n);

	memset(data->data, 'w', n);
	rig_call(&r, a, FOP_write, &(struct write_args){ .fd = fd, .data = data });
}

#endif
