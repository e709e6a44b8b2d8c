/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* fetch.c - see fetch.h.  One connection, one question, one answer. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "fetch.h"
#include "protocol.h"

struct fetch {
	struct loop *loop;
	struct conn *conn;	/* NULL: closed */
	char *text, *error;	/* error: the caller's 512 bytes */
	int ret;
	bool done;
};

static void finish(struct fetch *f, int ret, const char *error)
{
	if (f->done)
		return;
	f->ret = ret;
	f->done = true;
	if (ret < 0)
		snprintf(f->error, 512, "%s", error);
}

static void fetch_message(struct conn *c, struct buf *head, struct buf *payload)
{
	struct fetch *f = conn_ctx(c);
	struct wire w = protocol_reader(head, payload);
	_cleanup_dict_ struct dict *d = NULL;
	struct wire_header h;
	struct hello_reply r;

	wire_get_header(&w, &h);
	if (!wire_ok(&w) || h.kind != WIRE_HELLO_REPLY || hello_reply_read(&w, h.ret, &r, &d) < 0)
		return finish(f, -EPROTO, "the server does not speak our protocol");
	if (r.ret < 0)
		return finish(f, r.ret, *r.error ? r.error : strerror(-r.ret));
	f->text = strdup(r.volfile);
	finish(f, f->text ? 0 : -ENOMEM, "out of memory");
}

static void fetch_connected(struct conn *c)
{
	struct hello hello = {
		.version_min = PROTOCOL_VERSION_MIN,
		.version_max = PROTOCOL_VERSION_MAX,
		.process = program_invocation_short_name,
		.process_version = PACKAGE_VERSION,
		.want_volfile = true,
	};

	if (hello_send(c, &hello) < 0)
		finish(conn_ctx(c), -ENOMEM, "out of memory");
}

static void fetch_closed(struct conn *c, int err)
{
	struct fetch *f = conn_ctx(c);

	f->conn = NULL;
	finish(f, err ? err : -ECONNRESET, conn_error(c));
}

static const struct conn_handler fetch_handler = {
	.message = fetch_message, .connected = fetch_connected, .closed = fetch_closed,
};

int protocol_fetch_volfile(const char *transport, const char *host, uint16_t port,
			   uint32_t timeout_ms, char **ret_text, char error[512])
{
	struct fetch f = { .error = error };
	const struct transport *t = transport_find(transport);

	if (!t) {
		snprintf(error, 512, "there is no transport \"%s\"; there are tcp and unix",
			 transport);
		return -EINVAL;
	}
	f.loop = loop_new();
	if (f.loop)
		f.conn = conn_connect(t, f.loop,
				      &(struct transport_address){ .host = host, .port = port },
				      timeout_ms, NULL, &fetch_handler, &f);
	if (!f.conn)
		finish(&f, -ENOMEM, "out of memory");
	else if (loop_run_until(f.loop, &f.done, timeout_ms) < 0)
		finish(&f, -ETIMEDOUT, "the server does not answer");
	if (f.conn)
		conn_close(f.conn, 0, true);
	loop_free(f.loop);
	*ret_text = f.text;
	return f.ret;
}
