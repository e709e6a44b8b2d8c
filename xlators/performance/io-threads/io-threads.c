/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * io-threads.c - worker threads for the storage below us.
 *
 * It owns a pool, and the core tells every translator below to run what may block in it
 * (xlator.pool); nothing but those system calls leaves the loop.  So no operation passes through
 * here, except writes, which are counted: more than cache-size bytes waiting to be written are not
 * taken on.
 */
#include "xlator.h"

struct iot {
	uint32_t thread_count;
	uint64_t cache_size;
	struct pool *pool;
	uint64_t bytes;				/* of writes below us */
	struct frame *waiting, **waiting_tail;
	uint64_t waits;
};

struct iot_frame {
	uint64_t bytes;
	struct frame *next;
};

static const struct option options[] = {
	OPT_U32("thread-count", struct iot, thread_count, "4", "1", "256", "worker threads"),
	OPT_SIZE("cache-size", struct iot, cache_size, "64MB", "1MB", "64GB",
		 "bytes of writes that may be under way"),
	OPT_END
};

static int iot_init(struct xlator *xl)
{
	struct iot *priv = xl->priv;

	priv->waiting_tail = &priv->waiting;
	priv->pool = pool_new(xl_loop(xl), xl->name, priv->thread_count);
	if (!priv->pool)
		return -ENOMEM;
	xl->pool = priv->pool;
	xl->pool_owner = xl;
	return 0;
}

static void iot_fini(struct xlator *xl)
{
	pool_free(((struct iot *)xl->priv)->pool);
}

static void iot_write_done(struct frame *f, int child, int ret, const struct write_reply *reply);

static void iot_send(struct frame *f)
{
	struct iot *priv = f->xl->priv;
	const struct write_args *a = f->args;

	((struct iot_frame *)frame_data(f))->bytes = a->data->len;
	priv->bytes += a->data->len;
	wind_write(f, 0, a, iot_write_done);
}

static void iot_wake(struct iot *priv)
{
	while (priv->waiting && priv->bytes < priv->cache_size) {
		struct frame *f = priv->waiting;

		priv->waiting = ((struct iot_frame *)frame_data(f))->next;
		if (!priv->waiting)
			priv->waiting_tail = &priv->waiting;
		iot_send(f);
	}
}

static void iot_write_done(struct frame *f, int child, int ret, const struct write_reply *reply)
{
	struct iot *priv = f->xl->priv;

	priv->bytes -= ((struct iot_frame *)frame_data(f))->bytes;
	forward_write(f, child, ret, reply);
	iot_wake(priv);
}

static void iot_write(struct frame *f, const struct write_args *a)
{
	struct iot *priv = f->xl->priv;
	struct iot_frame *io = frame_data(f);

	if (!priv->waiting && priv->bytes < priv->cache_size)
		return iot_send(f);
	priv->waits++;
	io->next = NULL;
	*priv->waiting_tail = f;
	priv->waiting_tail = &io->next;
}

static void iot_dump(struct xlator *xl, struct dump *d)
{
	struct iot *priv = xl->priv;
	struct pool_stats s = pool_stats(priv->pool);

	dump_u64(d, "threads", s.threads);
	dump_u64(d, "queued", s.queued);
	dump_u64(d, "max-queued", s.max_queued);
	dump_u64(d, "running", s.running);
	dump_u64(d, "done", s.done);
	dump_u64(d, "bytes-of-writes", priv->bytes);
	dump_u64(d, "writes-that-waited", priv->waits);
}

static const struct xlator_type iot_xlator = {
	.abi = XLATOR_ABI,
	.name = "performance/io-threads",
	.help = "worker threads for the storage below",
	.min_children = 1,
	.max_children = 1,
	.priv_size = sizeof(struct iot),
	.frame_size = sizeof(struct iot_frame),
	.options = options,
	.init = iot_init,
	.fini = iot_fini,
	.dump = iot_dump,
	.fops = { .write = iot_write },
};
XLATOR_EXPORT(iot_xlator);
