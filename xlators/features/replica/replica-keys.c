/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* replica-keys.c - who has which key, and who waits for one. */
#include "replica.h"

static struct key_bucket *bucket_of(const struct replica *r, const struct repl_key *key)
{
	uint64_t h;

	/* The first bytes of an identity are the same for many (txn_gfid()). */
	memcpy(&h, key->id.b + 8, sizeof h);
	return (struct key_bucket *)&r->bucket[h % KEY_BUCKETS];
}

void keys_take(struct replica *r, struct key_ref *ref, const struct repl_key *key, struct entry *e, struct owner *o)
{
	ref->key = *key;
	ref->entry = e;
	ref->owner = o;
	LIST_INSERT_HEAD(bucket_of(r, key), ref, link);
}

void keys_drop(struct replica *r, struct key_ref *ref)
{
	LIST_REMOVE(ref, link);
}

struct key_ref *keys_holder(const struct replica *r, const struct repl_key *key, const struct key_ref *after)
{
	struct key_ref *ref = after ? LIST_NEXT(after, link) : LIST_FIRST(bucket_of(r, key));

	for (; ref; ref = LIST_NEXT(ref, link))
		if (repl_key_equal(&ref->key, key) && !(ref->key.shared && key->shared))
			return ref;
	return NULL;
}

/* ---- waiting ---- */

void keys_cancel(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct replica_call *call = frame_data(f);

	TAILQ_REMOVE(&r->waiters, &call->waiter, link);
	fail(f, -EINTR);
}

void keys_wait(struct frame *f, void (*again)(struct frame *f))
{
	struct replica *r = f->xl->priv;
	struct replica_call *call = frame_data(f);

	r->nr_waited++;
	call->waiter.frame = f;
	call->waiter.again = again;
	TAILQ_INSERT_TAIL(&r->waiters, &call->waiter, link);
	frame_on_cancel(f, keys_cancel);
}

static void wake(struct task *t)
{
	struct replica *r = (struct replica *)((char *)t - offsetof(struct replica, wake_task));
	struct waiter *last = TAILQ_LAST(&r->waiters, waiters), *w;

	r->waking = false;
	/* Who must go on waiting is appended again. */
	while ((w = TAILQ_FIRST(&r->waiters))) {
		bool is_last = w == last;

		TAILQ_REMOVE(&r->waiters, w, link);
		frame_on_cancel(w->frame, NULL);
		w->again(w->frame);
		if (is_last)
			break;
	}
	xl_busy(r->xl, -1);
}

void keys_wake(struct replica *r)
{
	if (r->waking || TAILQ_EMPTY(&r->waiters))
		return;
	r->waking = true;
	xl_busy(r->xl, 1);		/* who waits may be cancelled before, and we be freed */
	r->wake_task.run = wake;
	loop_post(xl_loop(r->xl), &r->wake_task);
}
