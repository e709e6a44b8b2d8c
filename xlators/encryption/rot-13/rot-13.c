/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rot-13.c - the teaching example: changes data on its way down and back up.
 *
 * Two operations of some thirty; all others cost nothing, because parents are linked past us.
 * It protects nothing.  Offsets stay what they are, since every byte is changed by itself.
 */
#include "xlator.h"

struct rot13 {
	bool encrypt_write, decrypt_read;
};

static const struct option options[] = { OPT_BOOL("encrypt-write", struct rot13, encrypt_write,
						  "on", "rot13 the data that is written"),
					 OPT_BOOL("decrypt-read", struct rot13, decrypt_read, "on",
						  "rot13 the data that is read"),
					 OPT_END };

static uint8_t rot13_byte(uint8_t c)
{
	if (c >= 'a' && c <= 'z')
		return 'a' + (c - 'a' + 13) % 26;
	if (c >= 'A' && c <= 'Z')
		return 'A' + (c - 'A' + 13) % 26;
	return c;
}

static void rot13_write(struct frame *f, const struct write_args *a)
{
	struct rot13 *priv = f->xl->priv;
	struct write_args down = *a;

	if (!priv->encrypt_write)
		return pass(f, 0);

	_cleanup_buf_ struct buf *secret = buf_copy_map(a->data, rot13_byte);
	if (!secret)
		return fail(f, -ENOMEM);
	down.data = secret;
	wind_write(f, 0, &down, forward_write);
}

static void rot13_read_done(struct frame *f, int child, int ret, const struct read_reply *reply)
{
	if (ret < 0)
		return fail(f, ret);

	_cleanup_buf_ struct buf *plain = buf_copy_map(reply->data, rot13_byte);
	if (!plain)
		return fail(f, -ENOMEM);
	unwind_read(f, ret, &(struct read_reply){ .data = plain });
}

static void rot13_read(struct frame *f, const struct read_args *a)
{
	struct rot13 *priv = f->xl->priv;

	if (!priv->decrypt_read)
		return pass(f, 0);
	wind_read(f, 0, a, rot13_read_done);
}

static const struct xlator_type rot13_xlator = {
	.abi = XLATOR_ABI,
	.name = "encryption/rot-13",
	.help = "rot13 file data (an example, no protection)",
	.min_children = 1,
	.max_children = 1,
	.priv_size = sizeof(struct rot13),
	.options = options,
	.fops = { .read = rot13_read, .write = rot13_write },
};
XLATOR_EXPORT(rot13_xlator);
