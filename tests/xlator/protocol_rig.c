/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* protocol_rig.c - see protocol_rig.h. */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call.h"
#include "protocol_rig.h"

struct sink sink;
struct rig rig;

/* ---- the sink ---- */

static const struct attr sink_attr = {
	.mode = S_IFREG | 0644, .nlink = 1, .size = 42, .blksize = 4096
};

static void sink_cancelled(struct frame *f)
{
	sink.cancels++;
	for (int i = 0; i < sink.nr_held; i++) {
		if (sink.held[i] != f)
			continue;
		sink.held[i] = sink.held[--sink.nr_held];
		return fail(f, -EINTR);
	}
	abort();
}

static void sink_read(struct frame *f, const struct read_args *a)
{
	struct read_reply r = { .data = buf_new(a->size) };

	memset(r.data->data, 'x', a->size);
	unwind_read(f, a->size, &r);
	buf_unref(r.data);
}

static void sink_readdir(struct frame *f)
{
	struct readdir_reply r = { .entries = dirents_new() };

	dirents_add(r.entries, "file", 4, 7, &sink_attr);
	unwind_readdir(f, 0, &r);
	dirents_unref(r.entries);
}

static void sink_answer(struct frame *f)
{
	union fop_reply reply;
	const union fop_args *a = f->args;
	int ret = 0;

	memset(&reply, 0, sizeof reply);
	if (sink.error)
		return fail(f, sink.error);
	switch (f->op) {
	case FOP_read:
		return sink_read(f, f->args);
	case FOP_readdir:
		return sink_readdir(f);
	case FOP_stat:
		reply.stat.attr = sink_attr;
		reply.stat.attr.gfid = a->stat.inode->gfid;
		break;
	case FOP_open:
		*fd_slot(a->open.fd, f->xl) = 1;
		break;
	case FOP_opendir:
		*fd_slot(a->opendir.fd, f->xl) = 1;
		break;
	case FOP_create:
		*fd_slot(a->create.fd, f->xl) = 1;
		reply.create.attr = sink_attr;
		break;
	case FOP_tmpfile:
		*fd_slot(a->tmpfile.fd, f->xl) = 1;
		reply.tmpfile.attr = sink_attr;
		break;
	case FOP_write:
		ret = a->write.data->len;
		break;
	case FOP_lk:
		reply.lk.lock = a->lk.lock;
		break;
	default:
		break;
	}
	unwind_any(f, ret, &reply);
}

static void sink_any(struct frame *f)
{
	const union fop_args *a = f->args;

	if (f->op == FOP_replicate)	/* the server tells who comes and goes */
		return fail(f, -ENOSYS);
	sink.calls[f->op]++;
	sink.id = *frame_identity(f);
	for (uint32_t i = 0; i < sink.id.nr_groups && i < 8; i++)
		sink.groups[i] = sink.id.groups[i];
	if (f->op == FOP_open)
		sink.open_flags = a->open.flags;
	if (f->op == FOP_truncate)
		sink.size = a->truncate.size;
	if (!sink.hold || sink.nr_held == SINK_HELD_MAX)
		return sink_answer(f);
	sink.held[sink.nr_held++] = f;
	if (!sink.stubborn)
		frame_on_cancel(f, sink_cancelled);
}

void sink_let_go(void)
{
	sink.hold = false;
	while (sink.nr_held) {
		struct frame *f = sink.held[--sink.nr_held];

		frame_on_cancel(f, NULL);
		sink_answer(f);
	}
}

static int sink_start(struct xlator *xl)
{
	sink.xl = xl;
	xl_notify(xl, XL_CHILD_UP, NULL);
	return 0;
}

static void sink_release(struct xlator *xl, struct fd *fd, uint64_t slot)
{
	sink.releases++;
	if (sink.release_lets_go)
		sink_let_go();
}

static const struct xlator_type sink_type = {
	.abi = XLATOR_ABI, .name = "test/sink", .start = sink_start, .release = sink_release,
	.fops = { .any = sink_any },
};

/* Does nothing: calls go past it. */
static const struct xlator_type nothing_type = {
	.abi = XLATOR_ABI, .name = "test/nothing", .min_children = 1, .max_children = 1,
};

/* ---- the source ---- */

static void source_event(struct xlator *xl, int child, enum xl_event what, void *data)
{
	if (what == XL_CHILD_UP)
		rig.ups++;
	else if (what == XL_INVALIDATE)
		rig.invalidations++;
	else
		snprintf(rig.reason, sizeof rig.reason, "%s", data ? (const char *)data : "");
	rig.downs += what == XL_CHILD_DOWN;
	rig.failures += what == XL_CHILD_FAILED;
}

static const struct xlator_type source_type = {
	.abi = XLATOR_ABI,
	.name = "test/source",
	.min_children = 1,
	.max_children = 1,
	.event = source_event,
};

/* ---- graphs ---- */

static struct graph *graph_of(const char *name, const char *text, int *ret_error)
{
	static const char *const path[] = { XLATOR_BUILD_DIR "/xlators/protocol/.libs", NULL };

	diag_free(rig.diag);
	rig.diag = diag_new();
	struct volfile *file = volfile_parse(name, text, strlen(text), rig.diag);
	struct graph *g = file ? graph_new(file,
					   &(struct graph_options){ .loop = rig.loop,
								    .xlator_path = path },
					   rig.diag)
			       : NULL;
	*ret_error = g ? graph_init(g) : -EINVAL;
	if (*ret_error == 0)
		*ret_error = graph_start(g);
	if (*ret_error < 0 && g) {
		rig_end(&g);
		return NULL;
	}
	return g;
}

void rig_init(const char *transport)
{
	static const struct xlator_type *const types[] = { &sink_type, &nothing_type, &source_type,
							   NULL };

	graph_builtin_types = types;
	rig.transport = transport;
	rig.loop = strcmp(transport, "mem") == 0 ? loop_new_sim(rig.seed ? rig.seed : 1)
						 : loop_new();
	snprintf(rig.host, sizeof rig.host, "brick1");
	if (strcmp(transport, "unix") == 0) {
		const char *tmp = getenv("TMPDIR");

		snprintf(rig.dir, sizeof rig.dir, "%s/test_protocol.XXXXXX", tmp ? tmp : "/tmp");
		if (!mkdtemp(rig.dir))
			abort();
		snprintf(rig.host, sizeof rig.host, "%s/socket", rig.dir);
	} else if (strcmp(transport, "tcp") == 0) {
		snprintf(rig.host, sizeof rig.host, "127.0.0.1");
	}
}

int rig_serve(const char *options)
{
	char text[4096];
	int err;

	snprintf(text, sizeof text,
		 "volume deep\n type test/sink\nend-volume\n"
		 "volume brick\n type test/nothing\n subvolumes deep\nend-volume\n"
		 "volume server\n type protocol/server\n option transport-type %s/server\n option "
		 "%s %s\n %s %s\n"
		 " subvolumes brick\nend-volume\n",
		 rig.transport, strcmp(rig.transport, "unix") == 0 ? "listen-path" : "bind-address",
		 rig.host,
		 strcmp(rig.transport, "tcp") == 0 && !rig.port ? "option listen-port 0\n" : "",
		 options);
	rig.server = graph_of("server.vol", text, &err);
	if (rig.server && strcmp(rig.transport, "tcp") == 0)
		rig.port = strtoul(rig_dumped(rig.server, "port"), NULL, 10);
	return err;
}

int rig_attach(const char *volume, const char *options)
{
	char text[4096];
	int err;

	snprintf(text, sizeof text,
		 "volume remote\n type protocol/client\n option transport-type %s/client\n option "
		 "%s %s\n"
		 " option remote-port %u\n option remote-subvolume %s\n %s\nend-volume\n"
		 "volume source\n type test/source\n subvolumes remote\nend-volume\n",
		 rig.transport, strcmp(rig.transport, "unix") == 0 ? "connect-path" : "remote-host",
		 rig.host, rig.port ? rig.port : 6996, volume, options);
	rig.client = graph_of("client.vol", text, &err);
	rig.source = rig.client ? graph_find(rig.client, "source") : NULL;
	return err;
}

static bool is_up(void)
{
	return rig.ups > 0;
}

void rig_up(const char *transport, const char *server_options, const char *client_options)
{
	char options[2048];

	rig_init(transport);
	snprintf(options, sizeof options,
		 "option auth.ip.deep.allow *\n option auth.ip.brick.allow *\n"
		 " option auth.allow-insecure on\n%s",
		 server_options);
	if (rig_serve(options) < 0 || rig_attach("brick", client_options) < 0) {
		diag_print(rig.diag, stderr);
		abort();
	}
	if (!rig_until(is_up, 5000)) {
		fprintf(stderr, "not up: %s\n", rig.reason);
		abort();
	}
}

static struct graph *ending;

static bool is_idle(void)
{
	return graph_idle(ending);
}

void rig_end(struct graph **g)
{
	if (!*g)
		return;
	ending = *g;
	graph_stop(*g);
	if (!rig_until(is_idle, 30000))
		abort();
	rig_run(1);
	graph_free(*g);
	*g = NULL;
}

void rig_fini(void)
{
	rig_end(&rig.client);
	rig_end(&rig.server);
	rig_run(50);
	loop_free(rig.loop);
	diag_free(rig.diag);
	if (rig.dir[0])
		rmdir(rig.dir);
	buf_trim();
	call_trim();
}

bool rig_until(bool (*cond)(void), uint32_t ms)
{
	bool never = false;

	for (uint32_t i = 0; i < ms; i++) {
		if (cond())
			return true;
		loop_run_until(rig.loop, &never, 1);
	}
	return cond();
}

void rig_run(uint32_t ms)
{
	bool never = false;

	loop_run_until(rig.loop, &never, ms);
}

const char *rig_problems(void)
{
	static char text[8192];
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < diag_count(rig.diag) && used < sizeof text; i++)
		used += snprintf(text + used, sizeof text - used, "%s\n",
				 diag_message(rig.diag, i, NULL, NULL));
	return text;
}

const char *rig_dumped(struct graph *g, const char *key)
{
	static char value[512];
	char *text = NULL;
	size_t size, len = strlen(key);
	struct dump d = { .out = open_memstream(&text, &size) };

	graph_dump(g, &d);
	fclose(d.out);
	value[0] = '\0';
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		if (strncmp(line, key, len) != 0 || line[len] != '=')
			continue;
		snprintf(value, sizeof value, "%.*s", (int)(strchr(line, '\n') - line - len - 1),
			 line + len + 1);
		break;
	}
	free(text);
	return value;
}

/* ---- calls ---- */

static void call_done(struct frame *root, int child, int ret, const void *reply)
{
	struct rig_call *c = *(struct rig_call **)frame_data(root);

	c->ret = ret;
	if (ret >= 0)
		reply_copy(&c->reply, c->op, reply);
	c->done = true;
	c->root = NULL;
	call_end(root);
}

void rig_call_start(struct rig_call *c, enum fop_id op, const void *args, const struct identity *id)
{
	*c = (struct rig_call){ .op = op };
	c->root = call_new(rig.source, id, sizeof c);
	*(struct rig_call **)frame_data(c->root) = c;
	frame_wind(c->root, 0, op, args, (union fop_done){ .any = call_done }, true);
}

int rig_call_wait(struct rig_call *c)
{
	if (loop_run_until(rig.loop, &c->done, 30000) < 0)
		abort();
	return c->ret;
}

void rig_call_end(struct rig_call *c)
{
	if (c->done && c->ret >= 0)
		reply_drop(c->op, &c->reply);
	c->done = false;
}

int rig_call(enum fop_id op, const void *args)
{
	struct rig_call c;

	rig_call_start(&c, op, args, NULL);
	int ret = rig_call_wait(&c);
	rig_call_end(&c);
	return ret;
}

struct inode *rig_inode(unsigned nr)
{
	struct gfid g = { .b = { [0] = 0xaa, [14] = nr >> 8, [15] = nr } };

	return inode_get(rig.client->inodes, &g, S_IFREG);
}

struct fd *rig_open(unsigned nr, uint32_t flags, int *ret_error)
{
	_cleanup_inode_ struct inode *inode = rig_inode(nr);
	struct fd *fd = fd_new(inode, flags, false);
	int ret = rig_call(FOP_open,
			   &(struct open_args){ .inode = inode, .fd = fd, .flags = flags });

	if (ret_error)
		*ret_error = ret;
	if (ret >= 0)
		return fd;
	fd_unref(fd);
	return NULL;
}

/* ---- raw ---- */

void raw_open(struct raw *r, bool privileged)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(rig.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	memset(r, 0, sizeof *r);
	for (uint16_t port = 1023; port > 600; port--) {
		struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(port) };

		r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(r->fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
		/* The kernel completes a connect, whether the server has accepted or not. */
		if ((!privileged || bind(r->fd, (struct sockaddr *)&from, sizeof from) == 0) &&
		    connect(r->fd, (struct sockaddr *)&to, sizeof to) == 0)
			break;
		close(r->fd);
		r->fd = -1;
	}
	if (r->fd < 0)
		abort();
	fcntl(r->fd, F_SETFL, O_NONBLOCK);
}

void raw_send(struct raw *r, const void *bytes, size_t len)
{
	if (send(r->fd, bytes, len, MSG_NOSIGNAL) < 0)
		r->closed = true;
}

void raw_read(struct raw *r)
{
	ssize_t n;

	while (!r->closed && r->nr_in < sizeof r->in &&
	       (n = recv(r->fd, r->in + r->nr_in, sizeof r->in - r->nr_in, 0)) != -1)
		r->closed = n == 0 || (r->nr_in += n, false);
	if (!r->closed && errno != EAGAIN && r->nr_in < sizeof r->in)
		r->closed = true;
}

void raw_close(struct raw *r)
{
	close(r->fd);
}

static size_t raw_frame(uint8_t *out, const struct wire *w)
{
	uint32_t len = w->at - w->base, none = 0;

	memcpy(out, &len, 4);
	memcpy(out + 4, &none, 4);
	return WIRE_PREFIX + len;
}

size_t raw_hello(uint8_t *out, size_t size, unsigned version_min, unsigned version_max,
		 const char *volume, const char *username, const char *password)
{
	struct wire w = { .at = out + WIRE_PREFIX, .base = out + WIRE_PREFIX, .end = out + size };
	_cleanup_dict_ struct dict *d = dict_new();

	dict_set_u64(d, "version-min", version_min);
	dict_set_u64(d, "version-max", version_max);
	dict_set_u64(d, "client-id", 77);
	dict_set_str(d, "volume", volume);
	if (username)
		dict_set_str(d, "username", username);
	if (password)
		dict_set_str(d, "password", password);
	wire_put_header(&w, &(struct wire_header){ .kind = WIRE_HELLO });
	wire_put_dict(&w, d);
	return raw_frame(out, &w);
}
