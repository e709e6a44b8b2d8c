/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* script.c - see script.h. */
#include <stdio.h>

#include "script.h"

struct brick script_brick[SCRIPT_BRICKS];
struct identity rig_as;
const struct xlator_type *const *rig_types;
const char *const *rig_path;
bool rig_children_up = true;
uint32_t rig_lru_limit;
static uint32_t seq, answers;

/* ---- bricks ---- */

static struct brick_xattr *brick_find(const struct brick *b, const char *name)
{
	for (int i = 0; i < b->nr; i++)
		if (strcmp(b->xattrs[i].name, name) == 0)
			return (struct brick_xattr *)&b->xattrs[i];
	return NULL;
}

const char *brick_get(const struct brick *b, const char *name)
{
	const struct brick_xattr *x = brick_find(b, name);

	return x ? x->value : NULL;
}

void brick_set(struct brick *b, const char *name, const char *value, size_t len)
{
	struct brick_xattr *x = brick_find(b, name);

	if (!x) {
		assert(b->nr < BRICK_XATTRS);
		x = &b->xattrs[b->nr++];
	}
	assert(len < sizeof x->value);
	snprintf(x->name, sizeof x->name, "%s", name);
	memcpy(x->value, value, len);
	x->value[len] = '\0';
	x->len = len;
}

void brick_remove(struct brick *b, const char *name)
{
	struct brick_xattr *x = brick_find(b, name);

	if (x)
		*x = b->xattrs[--b->nr];
}

void bricks_new(void)
{
	memset(script_brick, 0, sizeof script_brick);
	for (int i = 0; i < SCRIPT_BRICKS; i++) {
		uint8_t id[17] = { 0xb0, [15] = (uint8_t)i };

		script_brick[i].has_id = true;
		brick_set(&script_brick[i], "trusted.glusterfs.brick-id", (char *)id, 16);
	}
}

/* ---- a child ---- */

static void child_note(struct script *s, struct frame *f)
{
	struct script_note *n = &s->log[s->nr_log < SCRIPT_LOG ? s->nr_log++ : SCRIPT_LOG - 1];

	memset(n, 0, sizeof *n);
	n->op = f->op;
	n->seq = ++seq;
	if (f->op == FOP_setxattr)
		snprintf(n->name, sizeof n->name, "%s",
			 ((const struct setxattr_args *)f->args)->name);
	if (f->op == FOP_getxattr)
		snprintf(n->name, sizeof n->name, "%s",
			 ((const struct getxattr_args *)f->args)->name);
	if (f->op == FOP_write)
		n->fd = ((const struct write_args *)f->args)->fd;
	if (f->op == FOP_open)
		n->fd = ((const struct open_args *)f->args)->fd;
	if (f->op == FOP_lk) {
		n->lock = ((const struct lk_args *)f->args)->lock;
		n->cmd = ((const struct lk_args *)f->args)->cmd;
	}
	if (f->op == FOP_setattr)
		n->attr = ((const struct setattr_args *)f->args)->attr;
}

static void child_getxattr(struct script *s, struct frame *f)
{
	const struct brick_xattr *x =
		brick_find(s->brick, ((const struct getxattr_args *)f->args)->name);
	_cleanup_buf_ struct buf *value = x ? buf_copy(x->value, x->len) : NULL;

	if (!x)
		return fail(f, -ENODATA);
	if (!value)
		return fail(f, -ENOMEM);
	unwind_getxattr(f, (int)x->len, &(struct getxattr_reply){ .value = value });
}

static void child_answer(struct script *s, struct frame *f, int ret)
{
	union fop_reply reply = s->reply[f->op];
	enum fop_id op = f->op;

	if (ret < 0)
		return fail(f, ret);
	if (s->effect)
		s->effect(s, f);
	if (s->carry_out) {
		memset(&reply, 0, sizeof reply);
		ret = s->carry_out(s, f, &reply);
		return ret < 0 ? fail(f, ret) : unwind_any(f, ret, &reply);
	}
	if (op == FOP_getxattr && !s->reply[op].getxattr.value)
		return child_getxattr(s, f);
	if (op == FOP_setxattr) {
		const struct setxattr_args *a = f->args;

		brick_set(s->brick, a->name, (char *)a->value->data, a->value->len);
	}
	unwind_any(f, ret, &reply);
}

static void child_cancel(struct frame *f)
{
	struct script *s = f->xl->priv;

	for (struct held_call **at = &s->held; *at; at = &(*at)->next) {
		struct held_call *h = *at;

		if (h->f != f)
			continue;
		*at = h->next;
		free(h);
		s->nr_held--;
		s->cancels++;
		return fail(f, -EINTR);
	}
	ck_abort_msg("a cancel for a call that is not held");
}

static void child_any(struct frame *f)
{
	struct script *s = f->xl->priv;

	s->count[f->op]++;
	child_note(s, f);
	if (!s->up)
		return fail(f, -ENOTCONN);
	if (!s->hold[f->op])
		return child_answer(s, f, s->ret[f->op]);
	struct held_call *h = calloc(1, sizeof *h), **at = &s->held;

	if (!h)
		return fail(f, -ENOMEM);
	while (*at)
		at = &(*at)->next;
	h->f = f;
	*at = h;
	s->nr_held++;
	frame_on_cancel(f, child_cancel);
}

struct frame *script_held(struct script *s, enum fop_id op)
{
	for (struct held_call *h = s->held; h; h = h->next)
		if (h->f->op == op)
			return h->f;
	return NULL;
}

static void release(struct script *s, struct held_call **at, int ret)
{
	struct held_call *h = *at;
	struct frame *f = h->f;

	*at = h->next;
	free(h);
	s->nr_held--;
	frame_on_cancel(f, NULL);
	child_answer(s, f, ret);
}

void script_release(struct script *s, enum fop_id op, int ret)
{
	for (struct held_call **at = &s->held; *at; at = &(*at)->next)
		if ((*at)->f->op == op)
			return release(s, at, ret);
	ck_abort_msg("%s: no %s is held", s->xl->name, fop_names[op]);
}

void script_release_all(struct script *s, int ret)
{
	while (s->held)
		release(s, &s->held, ret);
}

void script_lose(struct script *s)
{
	s->up = false;
	xl_notify(s->xl, XL_CHILD_DOWN, (void *)"connection lost");
	script_release_all(s, -ENOTCONN);
}

void script_fail(struct script *s, const char *reason)
{
	s->up = false;
	xl_notify(s->xl, XL_CHILD_FAILED, (void *)reason);
	script_release_all(s, -ENOTCONN);
}

void script_return(struct script *s)
{
	s->up = true;
	xl_notify(s->xl, XL_CHILD_UP, NULL);
}

static int child_init(struct xlator *xl)
{
	struct script *s = xl->priv;
	char last = xl->name[strlen(xl->name) - 1];

	s->xl = xl;
	s->brick = &script_brick[last >= '0' && last < '0' + SCRIPT_BRICKS ? last - '0' : 0];
	s->up = rig_children_up;
	return 0;
}

static int child_start(struct xlator *xl)
{
	if (rig_children_up)
		xl_notify(xl, XL_CHILD_UP, NULL);
	return 0;
}

const struct xlator_type script_child = {
	.abi = XLATOR_ABI, .name = "test/child", .help = "answers as the test says",
	.priv_size = sizeof(struct script), .init = child_init, .start = child_start,
	.fops = { .any = child_any },
};

/* ---- the caller ---- */

static void top_event(struct xlator *xl, int child, enum xl_event what, void *data)
{
	struct top *t = xl->priv;

	(void)child;
	t->ups += what == XL_CHILD_UP;
	t->downs += what == XL_CHILD_DOWN;
	t->faileds += what == XL_CHILD_FAILED;
	t->others += what == XL_INVALIDATE;
	if (what == XL_CHILD_DOWN || what == XL_CHILD_FAILED)
		snprintf(t->reason, sizeof t->reason, "%s", data ? (const char *)data : "");
}

const struct xlator_type script_top = {
	.abi = XLATOR_ABI,
	.name = "test/top",
	.help = "makes calls",
	.min_children = 1,
	.max_children = 1,
	.priv_size = sizeof(struct top),
	.event = top_event,
};

struct caller {
	struct answer *answer;
};

static void caller_done(struct frame *root, int child, int ret, const void *reply)
{
	struct answer *a = ((struct caller *)frame_data(root))->answer;

	(void)child;
	assert(!a->done);	/* (libcheck's would need memory, which some tests take away) */
	a->ret = ret;
	a->note = frame_note(root);
	reply_copy(&a->reply, a->op, reply);
	a->root = NULL;
	a->order = ++answers;
	call_end(root);
	a->done = true;
}

void rig_call_below(struct xlator *above, struct answer *a, enum fop_id op, const void *args)
{
	struct frame *root = call_new(above, &rig_as, sizeof(struct caller));

	*a = (struct answer){ .op = op, .root = root };
	if (!root) {
		a->ret = -ENOMEM;
		a->done = true;
		return;
	}
	((struct caller *)frame_data(root))->answer = a;
	frame_wind(root, 0, op, args, (union fop_done){ .any = caller_done }, true);
}

void rig_call(struct rig *r, struct answer *a, enum fop_id op, const void *args)
{
	rig_call_below(r->g->top, a, op, args);
}

void rig_wait(struct rig *r, struct answer *a)
{
	ck_assert_int_eq(loop_run_until(r->loop, &a->done, 3600 * 1000), 0);
}

void answer_drop(struct answer *a)
{
	ck_assert(a->done);
	if (a->ret >= 0)
		reply_drop(a->op, &a->reply);
	a->done = false;
}

struct script *script_of(struct rig *r, const char *volume)
{
	struct xlator *xl = graph_find(r->g, volume);

	ck_assert_ptr_nonnull(xl);
	return xl->priv;
}

/* ---- the graph ---- */

static const struct xlator_type *all_types[32];

static void collect_types(void)
{
	size_t nr = 0;

	all_types[nr++] = &script_child;
	all_types[nr++] = &script_top;
	for (size_t i = 0; rig_types && rig_types[i]; i++)
		all_types[nr++] = rig_types[i];
	all_types[nr] = NULL;
	graph_builtin_types = all_types;
}

void rig_up(struct rig *r, const char *volfile, uint64_t seed)
{
	memset(r, 0, sizeof *r);
	collect_types();
	r->loop = loop_new_sim(seed);
	r->diag = diag_new();
	struct volfile *vf = volfile_parse("test.vol", volfile, strlen(volfile), r->diag);
	struct graph_options o = { .loop = r->loop,
				   .xlator_path = rig_path,
				   .inode_lru_limit = rig_lru_limit };

	if (vf)
		r->g = graph_new(vf, &o, r->diag);
	if (!r->g || graph_push(r->g, "test/top", "test-top", NULL) != 0 || graph_init(r->g) != 0) {
		diag_print(r->diag, stderr);
		ck_abort_msg("the graph of this test is wrong");
	}
	r->top = r->g->top->priv;
	ck_assert_int_eq(graph_start(r->g), 0);
}

void rig_down(struct rig *r)
{
	for (uint32_t i = 0; i < r->g->nr_xlators; i++)
		if (r->g->xlators[i]->type == &script_child)
			ck_assert_uint_eq(((struct script *)r->g->xlators[i]->priv)->nr_held, 0);
	graph_stop(r->g);
	for (int i = 0; i < 10000 && !graph_idle(r->g); i++)
		loop_run_until(r->loop, &(bool){ false }, 1);
	ck_assert(graph_idle(r->g));
	ck_assert_uint_eq(call_count(), 0);
	ck_assert_uint_eq(inode_table_counts(r->g->inodes).fds, 0);
	graph_free(r->g);
	diag_free(r->diag);
	loop_free(r->loop);
	call_trim();
	buf_trim();
}
