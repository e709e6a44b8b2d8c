/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The codec: every operation there and back, cut short, with flipped bits; what must be refused. */
#include "config.h"

#include "fop-samples.h"
#include "unit.h"
#include "wire.h"

enum { RANDOM_ROUNDS = 50, SPARE = 64 };

/* ---- the two ends of a connection: a handle is the address of the fd ------------------------- */

static struct samples samples;

static uint64_t fd_out(struct wire *w, struct fd *fd)
{
	(void)w;
	return (uintptr_t)fd;
}

static struct fd *only_fd;		/* the handle that exists */

static struct fd *fd_in(struct wire *w, uint64_t handle)
{
	(void)w;
	return only_fd != NULL && handle == (uintptr_t)only_fd ? fd_ref(only_fd) : NULL;
}

static struct inode *inode_in(struct wire *w, const struct gfid *g, uint32_t type)
{
	(void)w;
	return inode_get(samples.table, g, type);
}

/* The test's fd when it is that one; else (a flipped bit) a new one. */
static struct fd *fd_make(struct wire *w, uint64_t handle, struct inode *inode, enum fop_id op)
{
	struct fd *fd = fd_in(w, handle);

	(void)op;
	return fd != NULL ? fd : fd_new(inode, 0, false);
}

static const struct wire callbacks = {
	.fd_out = fd_out, .fd_in = fd_in, .inode_in = inode_in, .fd_make = fd_make,
};

static struct wire encoder(uint8_t *room, size_t size)
{
	struct wire w = callbacks;

	w.base = w.at = room;
	w.end = room + size;
	return w;
}

/* Bytes of an encoded message, in memory of exactly that size. */
struct message {
	uint8_t *bytes;
	size_t len;
	struct buf *payload;
};

static struct message message_of(struct wire *w)
{
	struct message m = { NULL, (size_t)(w->at - w->base), w->payload };

	ck_assert(wire_ok(w));
	m.bytes = realloc(w->base, m.len > 0 ? m.len : 1);
	return m;
}

static struct message message_part(const struct message *m, size_t len)
{
	struct message part = { malloc(len > 0 ? len : 1), len, buf_ref(m->payload) };

	memcpy(part.bytes, m->bytes, len);
	return part;
}

static void message_free(struct message *m)
{
	free(m->bytes);
	buf_unref(m->payload);
}

static struct wire decoder(const struct message *m)
{
	struct wire w = encoder(m->bytes, m->len);

	w.payload = m->payload;
	return w;
}

static struct message put_args(enum fop_id op, const union fop_args *args)
{
	size_t bound = wire_args_bound(op, args);
	struct wire w = encoder(malloc(bound + 1), bound);

	wire_put_args(&w, op, args);
	return message_of(&w);
}

static struct message put_reply(enum fop_id op, const union fop_reply *reply)
{
	size_t bound = wire_reply_bound(op, reply);
	struct wire w = encoder(malloc(bound + 1), bound);

	wire_put_reply(&w, op, reply);
	return message_of(&w);
}

/* The descriptor among the arguments, which fd_in() is to know. */
#define fd_of_fd(f) only_fd = (f) != NULL ? (f) : only_fd
#define fd_of_newfd(f) only_fd = (f)
#define fd_of_inode(f) (void)(f)
#define fd_of_name(f) (void)(f)
#define fd_of_str(f) (void)(f)
#define fd_of_gfid(f) (void)(f)
#define fd_of_dict(f) (void)(f)
#define fd_of_buf(f) (void)(f)
#define fd_of_attr(f) (void)(f)
#define fd_of_lock(f) (void)(f)
#define fd_of_u32(f) (void)(f)
#define fd_of_u64(f) (void)(f)
static void sample(enum fop_id op, union fop_args *args)
{
	sample_args(&samples, op, args);
	only_fd = NULL;
	switch (op) {
#define FOP(n, k) case FOP_##n: { struct n##_args *a = &args->n;
#define ARG(t, f) fd_of_##t(a->f);
#define RET(t, f)
#define END(n) break; }
#include "fops.def"
	default: abort();
	}
	if (op == FOP_copy_file_range) {	/* the one with two: let them be the same */
		fd_unref(args->copy_file_range.in);
		args->copy_file_range.in = fd_ref(args->copy_file_range.out);
	}
}

/* ---- there and back -------------------------------------------------------------------------- */

static void args_round(enum fop_id op)
{
	union fop_args args, got;
	struct message m;
	struct wire w;
	const char *field;

	sample(op, &args);
	m = put_args(op, &args);
	w = decoder(&m);
	ck_assert_msg(wire_get_args(&w, op, &got) == 0, "%s: %d", fop_names[op], w.error);
	ck_assert_msg(wire_finished(&w), "%s", fop_names[op]);
	field = args_differ(op, &args, &got);
	ck_assert_msg(field == NULL, "%s: %s", fop_names[op], field);
	args_drop(op, &got);
	args_drop(op, &args);
	message_free(&m);
}

static void reply_round(enum fop_id op)
{
	union fop_reply reply, got;
	struct message m;
	struct wire w;
	const char *field;

	sample_reply(&samples, op, &reply);
	m = put_reply(op, &reply);
	w = decoder(&m);
	ck_assert_msg(wire_get_reply(&w, op, &got) == 0, "%s: %d", fop_names[op], w.error);
	ck_assert_msg(wire_finished(&w), "%s", fop_names[op]);
	field = reply_differs(op, &reply, &got);
	ck_assert_msg(field == NULL, "%s: %s", fop_names[op], field);
	reply_drop(op, &got);
	reply_drop(op, &reply);
	message_free(&m);
}

/* Runs fn for every operation at every level, and many times with random values. */
static void for_all(void (*fn)(enum fop_id op), unsigned random_rounds)
{
	samples_init(&samples);
	for (int op = 0; op < FOP_COUNT; op++) {
		for (int level = SAMPLE_LEAST; level <= SAMPLE_MOST; level++) {
			samples.level = level;
			fn(op);
		}
		samples.level = SAMPLE_RANDOM;
		for (unsigned i = 0; i < random_rounds; i++) {
			samples.seed = i * 1000 + (unsigned)op;
			fn(op);
		}
	}
	samples_finish(&samples);
	buf_trim();
}

START_TEST(arguments_there_and_back)
{
	for_all(args_round, RANDOM_ROUNDS);
}
END_TEST

START_TEST(answers_there_and_back)
{
	for_all(reply_round, RANDOM_ROUNDS);
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

/* Lengths at which to cut: each for short messages, the ends and some between for long ones. */
static size_t next_cut(size_t at, size_t len)
{
	return at < 700 || at + 20 > len ? at + 1 : at + 1 + (len - 20 - at) / 8;
}

static void args_cut(enum fop_id op)
{
	union fop_args args, got;
	struct message m, part;
	struct wire w;

	sample(op, &args);
	m = put_args(op, &args);
	for (size_t len = 0; len < m.len; len = next_cut(len, m.len)) {
		part = message_part(&m, len);
		w = decoder(&part);
		ck_assert_msg(wire_get_args(&w, op, &got) == -EPROTO, "%s cut to %zu",
			      fop_names[op], len);
		args_drop(op, &got);
		message_free(&part);
	}
	args_drop(op, &args);
	message_free(&m);
}

static void reply_cut(enum fop_id op)
{
	union fop_reply reply, got;
	struct message m, part;
	struct wire w;

	sample_reply(&samples, op, &reply);
	m = put_reply(op, &reply);
	for (size_t len = 0; len < m.len; len = next_cut(len, m.len)) {
		part = message_part(&m, len);
		w = decoder(&part);
		ck_assert_msg(wire_get_reply(&w, op, &got) == -EPROTO, "%s cut to %zu",
			      fop_names[op], len);
		reply_drop(op, &got);
		message_free(&part);
	}
	reply_drop(op, &reply);
	message_free(&m);
}

START_TEST(cut_anywhere_is_refused)
{
	for_all(args_cut, 3);
	for_all(reply_cut, 3);
}
END_TEST

static void args_flip(enum fop_id op)
{
	union fop_args args, got;
	struct message m;
	struct wire w;

	sample(op, &args);
	m = put_args(op, &args);
	for (size_t bit = 0; bit < m.len * 8 && bit < 8000; bit++) {
		m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		w = decoder(&m);
		if (wire_get_args(&w, op, &got) == 0)
			ck_assert_uint_le(wire_args_bound(op, &got), (1 << 20) + SPARE + m.len * 2);
		args_drop(op, &got);
		m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	args_drop(op, &args);
	message_free(&m);
}

static void reply_flip(enum fop_id op)
{
	union fop_reply reply, got;
	struct message m;
	struct wire w;

	sample_reply(&samples, op, &reply);
	m = put_reply(op, &reply);
	for (size_t bit = 0; bit < m.len * 8 && bit < 8000; bit++) {
		m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		w = decoder(&m);
		wire_get_reply(&w, op, &got);
		reply_drop(op, &got);
		m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	reply_drop(op, &reply);
	message_free(&m);
}

START_TEST(flipped_bits_do_no_harm)
{
	samples_init(&samples);
	samples.level = SAMPLE_TYPICAL;
	for (int op = 0; op < FOP_COUNT; op++) {
		args_flip(op);
		reply_flip(op);
	}
	samples_finish(&samples);
	buf_trim();
}
END_TEST

/* ---- room ------------------------------------------------------------------------------------ */

static void args_room(enum fop_id op)
{
	union fop_args args;
	size_t bound;
	struct wire w;

	sample(op, &args);
	bound = wire_args_bound(op, &args);
	for (size_t size = bound > 300 ? bound - 300 : 0; size < bound; size += 23) {
		w = encoder(malloc(size > 0 ? size : 1), size);
		wire_put_args(&w, op, &args);
		ck_assert(!wire_ok(&w));
		ck_assert_int_eq(w.error, -EMSGSIZE);
		ck_assert_ptr_null(w.payload);
		free(w.base);
	}
	args_drop(op, &args);
}

START_TEST(too_little_room_is_an_error)
{
	for_all(args_room, 1);
}
END_TEST

START_TEST(a_second_buf_is_inline)
{
	union fop_args args, got;
	struct message m;
	struct wire w;
	size_t bound;

	samples_init(&samples);
	samples.level = SAMPLE_TYPICAL;
	sample(FOP_write, &args);
	bound = wire_args_bound(FOP_write, &args);
	w = encoder(malloc(bound), bound);
	w.payload_used = true;
	wire_put_args(&w, FOP_write, &args);
	ck_assert(!wire_ok(&w));		/* the public bound counts on the payload */
	free(w.base);
	bound += 4 + args.write.data->len;
	w = encoder(malloc(bound), bound);
	w.payload_used = true;
	wire_put_args(&w, FOP_write, &args);
	ck_assert_ptr_null(w.payload);
	m = message_of(&w);
	w = decoder(&m);
	ck_assert_int_eq(wire_get_args(&w, FOP_write, &got), 0);
	ck_assert_ptr_null(args_differ(FOP_write, &args, &got));
	args_drop(FOP_write, &got);
	args_drop(FOP_write, &args);
	message_free(&m);
	samples_finish(&samples);
}
END_TEST

START_TEST(payload_none_and_empty)
{
	struct read_reply none = { .data = NULL }, empty = { .data = buf_new(0) }, got;
	struct message m = put_reply(FOP_read, (union fop_reply *)&none);
	struct wire w = decoder(&m);

	ck_assert_int_eq(wire_get_reply(&w, FOP_read, (union fop_reply *)&got), 0);
	ck_assert_ptr_null(got.data);
	message_free(&m);
	m = put_reply(FOP_read, (union fop_reply *)&empty);
	ck_assert_ptr_null(m.payload);
	w = decoder(&m);
	ck_assert_int_eq(wire_get_reply(&w, FOP_read, (union fop_reply *)&got), 0);
	ck_assert_uint_eq(got.data->len, 0);
	buf_unref(got.data);
	message_free(&m);
	/* it says that there is a payload, and there is none */
	buf_unref(empty.data);
	empty.data = buf_copy("x", 1);
	m = put_reply(FOP_read, (union fop_reply *)&empty);
	ck_assert_ptr_eq(m.payload, empty.data);
	ck_assert_int_eq(m.payload->refs, 2);
	w = decoder(&m);
	w.payload = NULL;
	ck_assert_int_eq(wire_get_reply(&w, FOP_read, (union fop_reply *)&got), -EPROTO);
	ck_assert_ptr_null(got.data);
	/* there is one that nobody asked for */
	w = encoder(m.bytes, 0);
	w.payload = m.payload;
	ck_assert(!wire_finished(&w));
	buf_unref(empty.data);
	message_free(&m);
}
END_TEST

/* ---- what a handler could not bear ----------------------------------------------------------- */

static int decode_name(const char *name, size_t len)
{
	struct unlink_args args = { .name = "abc" }, got;
	struct message m;
	struct wire w;
	int err;

	samples_init(&samples);
	args.parent = inode_ref(inode_root(samples.table));
	m = put_args(FOP_unlink, (union fop_args *)&args);
	m.bytes = realloc(m.bytes, 17 + 1 + len + 1);
	m.len = 17 + 1 + len + 1;
	m.bytes[17] = (uint8_t)len;
	memcpy(m.bytes + 18, name, len);
	m.bytes[18 + len] = '\0';
	w = decoder(&m);
	err = wire_get_args(&w, FOP_unlink, (union fop_args *)&got);
	args_drop(FOP_unlink, &got);
	args_drop(FOP_unlink, &args);
	message_free(&m);
	samples_finish(&samples);
	return err;
}

START_TEST(names_that_are_none)
{
	static const struct { const char *name; size_t len; } bad[] = {
		{ "", 0 },  { ".", 1 },	   { "..", 2 },	  { "a/b", 3 },
		{ "/", 1 }, { "../x", 4 }, { "a\0b", 3 }, { "\0", 1 },
	};
	static const char *const good[] = { "a", "...", "..a", ".a", "a b\n", "\xff\xfe" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(decode_name(bad[i].name, bad[i].len) == -EPROTO, "\"%s\"",
			      bad[i].name);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(decode_name(good[i], strlen(good[i])) == 0, "\"%s\"", good[i]);
}
END_TEST

START_TEST(overlong_names_do_not_leave)
{
	char name[300];
	struct unlink_args args = { .name = name };
	uint8_t room[600];
	struct wire w = encoder(room, sizeof(room));

	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	wire_put_args(&w, FOP_unlink, &args);
	ck_assert(!wire_ok(&w));
	ck_assert_int_eq(w.error, -ENAMETOOLONG);
	w = encoder(room, sizeof(room));
	args.name = "";
	wire_put_args(&w, FOP_unlink, &args);
	ck_assert(!wire_ok(&w));
}
END_TEST

/* What decoding says about arguments, encoded as they are. */
static int decode(enum fop_id op, const void *args)
{
	struct message m = put_args(op, args);
	struct wire w = decoder(&m);
	union fop_args got;
	int err = wire_get_args(&w, op, &got);

	args_drop(op, &got);
	message_free(&m);
	return err;
}

START_TEST(objects_that_are_missing)
{
	struct inode *inode, *other;
	struct gfid g = { { 7 } };
	struct fd *fd;

	samples_init(&samples);
	inode = inode_get(samples.table, &g, S_IFREG);
	g.b[0]++;
	other = inode_get(samples.table, &g, S_IFREG);
	only_fd = fd = fd_new(inode, 0, false);
	ck_assert_int_eq(decode(FOP_stat, &(struct stat_args){ NULL, NULL }), -EPROTO);
	ck_assert_int_eq(decode(FOP_stat, &(struct stat_args){ inode, NULL }), 0);
	ck_assert_int_eq(decode(FOP_stat, &(struct stat_args){ inode, fd }), 0);
	ck_assert_int_eq(decode(FOP_stat, &(struct stat_args){ other, fd }), -EBADF);
	ck_assert_int_eq(decode(FOP_read, &(struct read_args){ .fd = NULL }), -EPROTO);
	ck_assert_int_eq(decode(FOP_write, &(struct write_args){ .fd = fd }), -EPROTO);
	ck_assert_int_eq(decode(FOP_open, &(struct open_args){ .inode = inode }), -EPROTO);
	only_fd = NULL;
	ck_assert_int_eq(decode(FOP_read, &(struct read_args){ .fd = fd }), -EBADF);
	fd_unref(fd);
	inode_unref(inode);
	inode_unref(other);
	samples_finish(&samples);
}
END_TEST

START_TEST(times_and_types_that_are_none)
{
	struct stat_reply reply = {
		.attr = { .mode = S_IFREG, .nlink = 1, .mtime = { 1, 1000000000 } }
	};
	struct message m = put_reply(FOP_stat, (union fop_reply *)&reply);
	struct wire w = decoder(&m);
	struct inode odd = { .gfid = { { 1 } }, .type = 0x3000, .refs = 1 };

	ck_assert_int_eq(wire_get_reply(&w, FOP_stat, (union fop_reply *)&reply), -EPROTO);
	ck_assert_uint_eq(reply.attr.mode, 0);
	message_free(&m);
	samples_init(&samples);
	ck_assert_int_eq(decode(FOP_stat, &(struct stat_args){ &odd, NULL }), -EPROTO);
	odd.type = S_IFREG;
	odd.gfid.b[0] = 0;
	ck_assert_int_eq(decode(FOP_stat, &(struct stat_args){ &odd, NULL }), -EPROTO);
	samples_finish(&samples);
}
END_TEST

/* Keys must ascend, so that a dict has one encoding and no key comes twice. */
START_TEST(dicts_have_one_order)
{
	static const uint8_t good[] = "\x03\x00" "\x01" "a" "\x01\0\0\0" "x" "\x01" "b" "\0\0\0\0";
	uint8_t bad[sizeof(good)];
	struct wire w = encoder((uint8_t *)good, sizeof(good) - 1);
	struct dict *d = wire_get_dict(&w);

	ck_assert(wire_finished(&w));
	ck_assert_str_eq(dict_get_str(d, "a"), "x");
	dict_unref(d);
	memcpy(bad, good, sizeof(bad));
	bad[10] = 'a';
	w = encoder(bad, sizeof(bad) - 1);
	ck_assert_ptr_null(wire_get_dict(&w));
	ck_assert_int_eq(w.error, -EPROTO);
}
END_TEST

/* ---- header and single values ---------------------------------------------------------------- */

static void header_round(const struct wire_header *h)
{
	uint8_t *room = malloc(wire_header_bound(h));
	struct wire w = encoder(room, wire_header_bound(h)), part;
	struct wire_header got;
	size_t len;

	wire_put_header(&w, h);
	ck_assert(wire_ok(&w));
	len = (size_t)(w.at - w.base);
	ck_assert_uint_le(len, wire_header_bound(h));
	w = encoder(room, len);
	wire_get_header(&w, &got);
	ck_assert(wire_finished(&w));
	ck_assert_uint_eq(got.nr_groups, h->nr_groups);
	if (h->nr_groups > 0)
		ck_assert_mem_eq(got.groups, h->groups, (size_t)h->nr_groups * 4);
	got.groups = h->groups;
	ck_assert_mem_eq(&got, h, sizeof(got));
	for (size_t cut = 0; cut < len && cut < 200; cut++) {
		uint8_t *copy = malloc(cut + 1);

		memcpy(copy, room, cut);
		part = encoder(copy, cut);
		wire_get_header(&part, &got);
		ck_assert(!wire_ok(&part));
		ck_assert_uint_eq(got.kind, 0);
		free(copy);
	}
	free(room);
}

START_TEST(headers_there_and_back)
{
	static uint32_t groups[WIRE_MAX_GROUPS] = { 1, 2, 3 };
	struct wire_header h = { .kind = WIRE_REQUEST,
				 .op = FOP_write,
				 .flags = 0x1234,
				 .xid = UINT64_MAX,
				 .session = 1,
				 .txn = 2,
				 .view = 3,
				 .grant = 4,
				 .stamp_ns = 5,
				 .uid = 6,
				 .gid = 7,
				 .pid = 8,
				 .deadline_ms = 9,
				 .lk_owner = 10 };

	header_round(&h);
	h.groups = (const uint8_t *)groups;
	h.nr_groups = 3;
	header_round(&h);
	h.nr_groups = WIRE_MAX_GROUPS;
	header_round(&h);
	for (int kind = WIRE_HELLO; kind <= WIRE_KIND_LAST; kind++) {
		h = (struct wire_header){
			.kind = (uint8_t)kind, .op = 1, .flags = 0xffff, .xid = 99
		};
		if (kind != WIRE_REQUEST)
			h.ret = -ENOENT;
		header_round(&h);
	}
}
END_TEST

START_TEST(headers_that_are_none)
{
	uint8_t bytes[200] = { 0 };
	struct wire_header h;
	struct wire w;

	for (int kind = 0; kind < 256; kind++) {
		bool groups = kind & 0x80;
		int plain = kind & 0x7f;
		bool good = groups ? false : plain >= WIRE_HELLO && plain <= WIRE_KIND_LAST;

		bytes[0] = (uint8_t)kind;
		w = encoder(bytes, sizeof(bytes));
		wire_get_header(&w, &h);
		ck_assert_msg(wire_ok(&w) == good, "kind 0x%x", kind);
	}
	bytes[0] = WIRE_REPLY;
	bytes[1] = FOP_COUNT;
	w = encoder(bytes, sizeof(bytes));
	wire_get_header(&w, &h);
	ck_assert(!wire_ok(&w));
}
END_TEST

START_TEST(single_values)
{
	uint8_t room[64];
	struct wire w = encoder(room, sizeof(room));

	wire_put_u8(&w, 1);
	wire_put_u16(&w, 0x0203);
	wire_put_u32(&w, 0x04050607);
	wire_put_u64(&w, 0x08090a0b0c0d0e0f);
	wire_put_str(&w, "text");
	wire_put_bytes(&w, "xyz", 3);
	wire_put_dict(&w, NULL);
	ck_assert(wire_ok(&w));
	ck_assert_mem_eq(
		room,
		"\x01\x03\x02\x07\x06\x05\x04\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08\x04\x00text\0xyz\0\0",
		27);
	w = encoder(room, 27);
	ck_assert_uint_eq(wire_get_u8(&w), 1);
	ck_assert_uint_eq(wire_get_u16(&w), 0x0203);
	ck_assert_uint_eq(wire_get_u32(&w), 0x04050607);
	ck_assert_uint_eq(wire_get_u64(&w), 0x08090a0b0c0d0e0f);
	ck_assert_str_eq(wire_get_str(&w), "text");
	ck_assert_mem_eq(wire_get_bytes(&w, 3), "xyz", 3);
	ck_assert_ptr_null(wire_get_dict(&w));
	ck_assert(wire_finished(&w));
	ck_assert_uint_eq(wire_get_u64(&w), 0);
	ck_assert_str_eq(wire_get_str(&w), "");
	ck_assert(!wire_ok(&w));
}
END_TEST

UNIT_MAIN("wire", arguments_there_and_back, answers_there_and_back, cut_anywhere_is_refused,
	  flipped_bits_do_no_harm, too_little_room_is_an_error, a_second_buf_is_inline,
	  payload_none_and_empty, names_that_are_none, overlong_names_do_not_leave,
	  objects_that_are_missing, times_and_types_that_are_none, dicts_have_one_order,
	  headers_there_and_back, headers_that_are_none, single_values)
