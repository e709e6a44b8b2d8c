/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Core without memory: the n-th allocation and all after it fail, for every n.  Then decoding
 * answers -ENOMEM, containers and options are what they were before, and nothing leaks (which ASan
 * sees). The sources are linked into the program (no_memory.h).
 */
#include "config.h"

#include <errno.h>

#include "fop-samples.h"
#include "unit.h"
#include "wire.h"

static long allowed = -1;	/* allocations until all fail; -1: any number */

static bool allocation_fails(void)
{
	if (allowed > 0)
		allowed--;
	return allowed == 0;
}

#include "no_memory.h"

/* The value of an expression for which there are n - 1 allocations (libcheck needs memory too). */
#define WITH(n, expression) ({					\
	allowed = (n);						\
	__typeof__(expression) value_ = (expression);		\
	allowed = -1;						\
	value_;							\
})

/* ---- the codec ------------------------------------------------------------------------------- */

static struct samples samples;

static uint64_t fd_out(struct wire *w, struct fd *fd)
{
	(void)w; (void)fd;
	return 1;
}

static struct inode *inode_in(struct wire *w, const struct gfid *g, uint32_t type)
{
	return w->ctx = inode_get(samples.table, g, type);
}

static struct fd *fd_make(struct wire *w, uint64_t handle, struct inode *inode, enum fop_id op)
{
	(void)w; (void)handle; (void)op;
	return fd_new(inode, 0, false);
}

/* Any handle is an open file on the inode before it, or on the root.  NULL is "no memory" here. */
static struct fd *fd_in(struct wire *w, uint64_t handle)
{
	struct fd *fd = fd_make(w, handle, w->ctx != NULL ? w->ctx : inode_root(samples.table), 0);

	if (fd == NULL)
		w->error = -ENOMEM;
	return fd;
}

static struct wire wire_on(uint8_t *bytes, size_t len, struct buf *payload)
{
	return (struct wire){ .at = bytes,
			      .end = bytes + len,
			      .base = bytes,
			      .payload = payload,
			      .fd_out = fd_out,
			      .fd_in = fd_in,
			      .fd_make = fd_make,
			      .inode_in = inode_in };
}

/* Decodes with n allocations; says whether that was enough. */
static bool decodes(enum fop_id op, bool answer, const struct wire *encoded, long n)
{
	union { union fop_args args; union fop_reply reply; } got;
	struct wire w =
		wire_on(encoded->base, (size_t)(encoded->at - encoded->base), encoded->payload);
	int err;

	err = WITH(n,
		   answer ? wire_get_reply(&w, op, &got.reply) : wire_get_args(&w, op, &got.args));
	ck_assert_msg(err == 0 || err == -ENOMEM, "%s, %ld allocations: %d", fop_names[op], n, err);
	if (answer)
		reply_drop(op, &got.reply);
	else
		args_drop(op, &got.args);
	buf_trim();
	return err == 0;
}

static void check_decoding(enum fop_id op, bool answer)
{
	static uint8_t room[1 << 16];
	struct wire w = wire_on(room, sizeof(room), NULL);
	union { union fop_args args; union fop_reply reply; } value;
	long n = 1;

	w.payload_used = answer && op == FOP_listxattr;	/* one of them inline */
	if (answer) {
		sample_reply(&samples, op, &value.reply);
		wire_put_reply(&w, op, &value.reply);
		reply_drop(op, &value.reply);
	} else {
		sample_args(&samples, op, &value.args);
		wire_put_args(&w, op, &value.args);
		args_drop(op, &value.args);
	}
	ck_assert(wire_ok(&w));
	/* the table keeps an inode that nobody refers to: a small limit makes it forget */
	inode_table_set_lru_limit(samples.table, 0);
	while (!decodes(op, answer, &w, n))
		n++;
	ck_assert_int_lt(n, 100);
	buf_unref(w.payload);
}

START_TEST(decoding)
{
	samples_init(&samples);
	samples.level = SAMPLE_TYPICAL;
	for (int op = 0; op < FOP_COUNT; op++) {
		check_decoding(op, false);
		check_decoding(op, true);
	}
	samples_finish(&samples);
	buf_trim();
}
END_TEST

/* ---- bags and buffers ------------------------------------------------------------------------ */

START_TEST(a_dict_stays_what_it_was)
{
	struct dict *d = dict_new();
	char key[16];
	int err;

	for (unsigned i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "%u", i);
		for (long n = 1; ; n++) {
			size_t bytes = d->bytes;
			uint32_t nr = d->nr;

			err = WITH(n, dict_set_str(d, key, "value"));
			if (err == 0)
				break;
			ck_assert_int_eq(err, -ENOMEM);
			ck_assert(d->bytes == bytes && d->nr == nr && dict_get(d, key) == NULL);
		}
	}
	ck_assert_int_eq(WITH(1, dict_set_str(d, "3", "other")), -ENOMEM);
	ck_assert_ptr_null(WITH(1, dict_new()));
	ck_assert_str_eq(dict_get_str(d, "3"), "value");
	dict_unref(d);
}
END_TEST

START_TEST(buffers)
{
	static const size_t sizes[] = { 0, 100, 4096, 1 << 20, 9 << 20 };
	struct buf *b = buf_copy("abc", 3);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (long n = 1; n <= 2; n++) {
			struct buf *c = WITH(n, buf_new(sizes[i]));

			ck_assert(c == NULL || (n == 2 && sizes[i] < 4096));
			buf_unref(c);
		}
	}
	ck_assert_ptr_null(WITH(1, buf_slice(b, 0, 1)));
	ck_assert_ptr_null(WITH(1, buf_copy("abc", 3)));
	ck_assert_int_eq(b->refs, 1);
	buf_unref(b);
}
END_TEST

START_TEST(listings)
{
	struct attr attr = { .mode = S_IFREG };
	struct dirents *d = dirents_new();
	uint32_t nr = 0;

	ck_assert_int_eq(WITH(1, dirents_add(d, "a", 1, 1, &attr)), -ENOMEM);
	ck_assert_ptr_null(WITH(1, dirents_new()));
	allowed = 2;		/* the first block */
	while (dirents_add(d, "name", 4, nr + 1, &attr) == 0)
		nr++;
	allowed = -1;
	ck_assert_uint_eq(d->nr, nr);
	ck_assert_int_eq(dirents_add(d, "name", 4, nr + 1, &attr), 0);
	dirents_unref(d);
}
END_TEST

struct priv {
	char *text;
};
static const struct option rows[] = { OPT_STR("text", struct priv, text, "default", "a text"),
				      OPT_END };

START_TEST(options)
{
	struct priv priv = { NULL };
	char error[256];

	ck_assert_int_eq(WITH(1, option_defaults(rows, &priv, NULL, 0, error)), -ENOMEM);
	ck_assert_str_eq(error, "out of memory");
	ck_assert_int_eq(option_defaults(rows, &priv, NULL, 0, error), 0);
	ck_assert_int_eq(WITH(1, option_set(rows, &priv, "other", NULL, 0, error)), -ENOMEM);
	ck_assert_str_eq(priv.text, "default");
	option_free(rows, &priv);
}
END_TEST

UNIT_MAIN("memory", decoding, a_dict_stays_what_it_was, buffers, listings, options)
