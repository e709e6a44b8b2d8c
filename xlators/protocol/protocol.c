/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * protocol.c - the handshake, as both sides see it; compiled into both.
 *
 * The handshake is a dict, so that a key can be added without a new protocol version: a reader
 * takes what it knows and leaves the rest.  Only version, volume and client id are needed;
 * everything else has a default.
 */
#include <stdio.h>

#include "protocol.h"

#define K_VERSION_MIN	"version-min"
#define K_VERSION_MAX	"version-max"
#define K_VERSION	"version"
#define K_FEATURES	"features"
#define K_CLIENT_ID	"client-id"
#define K_SESSION	"session"
#define K_RESUMED	"resumed"
#define K_GRACE_MS	"grace-ms"
#define K_PAYLOAD_MAX	"payload-max"
#define K_PING_MS	"ping-ms"
#define K_PROCESS	"process"
#define K_PROCESS_VERSION "process-version"
#define K_VOLUME	"volume"
#define K_USERNAME	"username"
#define K_PASSWORD	"password"
#define K_WANT		"want"
#define K_ERROR		"error"
#define K_UP		"up"
#define K_VOLFILE	"volfile"

static int send_dict(struct conn *c, const struct wire_header *h, const struct dict *d)
{
	struct wire *w = conn_begin(c, PROTOCOL_HEADER_ROOM + d->bytes + d->nr * 16);

	if (!w)
		return -ENOMEM;
	wire_put_header(w, h);
	wire_put_dict(w, d);
	return conn_end(c, w);
}

static int put_str(struct dict *d, const char *key, const char *value)
{
	return value ? dict_set_str(d, key, value) : 0;
}

int hello_send(struct conn *c, const struct hello *h)
{
	_cleanup_dict_ struct dict *d = dict_new();

	if (!d)
		return -ENOMEM;
	if (dict_set_u64(d, K_VERSION_MIN, h->version_min) ||
	    dict_set_u64(d, K_VERSION_MAX, h->version_max) ||
	    dict_set_u64(d, K_FEATURES, h->features) ||
	    dict_set_u64(d, K_CLIENT_ID, h->client_id) ||
	    dict_set_u64(d, K_SESSION, h->session) ||
	    dict_set_u64(d, K_PAYLOAD_MAX, h->payload_max) ||
	    dict_set_u64(d, K_PING_MS, h->ping_ms) || put_str(d, K_PROCESS, h->process) ||
	    put_str(d, K_PROCESS_VERSION, h->process_version) || put_str(d, K_VOLUME, h->volume) ||
	    put_str(d, K_USERNAME, h->username) || put_str(d, K_PASSWORD, h->password) ||
	    put_str(d, K_WANT, h->want_volfile ? K_VOLFILE : NULL))
		return -ENOMEM;
	return send_dict(c, &(struct wire_header){ .kind = WIRE_HELLO }, d);
}

int hello_reply_send(struct conn *c, const struct hello_reply *r)
{
	_cleanup_dict_ struct dict *d = dict_new();

	if (!d)
		return -ENOMEM;
	if (dict_set_u64(d, K_VERSION, r->version) || dict_set_u64(d, K_FEATURES, r->features) ||
	    dict_set_u64(d, K_SESSION, r->session) || dict_set_u64(d, K_RESUMED, r->resumed) ||
	    dict_set_u64(d, K_GRACE_MS, r->grace_ms) ||
	    dict_set_u64(d, K_PAYLOAD_MAX, r->payload_max) || dict_set_u64(d, K_UP, r->up) ||
	    put_str(d, K_PROCESS, r->process) ||
	    put_str(d, K_PROCESS_VERSION, r->process_version) || put_str(d, K_VOLUME, r->volume) ||
	    put_str(d, K_ERROR, r->error) || put_str(d, K_VOLFILE, r->volfile))
		return -ENOMEM;
	return send_dict(c, &(struct wire_header){ .kind = WIRE_HELLO_REPLY, .ret = r->ret }, d);
}

static const char *get_str(const struct dict *d, const char *key)
{
	const struct dict_pair *p = dict_get(d, key);

	/* A NUL inside would make two readers see two strings. */
	return p && !memchr(p->value, '\0', p->len) ? p->value : "";
}

static uint64_t get_number(const struct dict *d, const char *key, uint64_t max)
{
	uint64_t v;

	if (dict_get_u64(d, key, &v) != 0)
		return 0;
	return v < max ? v : max;
}

int hello_read(struct wire *w, struct hello *h, struct dict **ret_dict)
{
	struct dict *d = wire_get_dict(w);

	*ret_dict = d;
	if (!d || !wire_ok(w))
		return -EPROTO;
	*h = (struct hello){
		.version_min = get_number(d, K_VERSION_MIN, UINT32_MAX),
		.version_max = get_number(d, K_VERSION_MAX, UINT32_MAX),
		.features = get_number(d, K_FEATURES, UINT64_MAX),
		.client_id = get_number(d, K_CLIENT_ID, UINT64_MAX),
		.session = get_number(d, K_SESSION, UINT64_MAX),
		.payload_max = get_number(d, K_PAYLOAD_MAX, WIRE_PAYLOAD_MAX),
		.ping_ms = get_number(d, K_PING_MS, UINT32_MAX),
		.process = get_str(d, K_PROCESS), .process_version = get_str(d, K_PROCESS_VERSION),
		.volume = get_str(d, K_VOLUME),
		.username = get_str(d, K_USERNAME), .password = get_str(d, K_PASSWORD),
		.want_volfile = strcmp(get_str(d, K_WANT), K_VOLFILE) == 0,
	};
	if (!h->payload_max)
		h->payload_max = WIRE_PAYLOAD_MAX;
	return 0;
}

int hello_reply_read(struct wire *w, int ret, struct hello_reply *r, struct dict **ret_dict)
{
	struct dict *d = wire_get_dict(w);

	*ret_dict = d;
	if (!d || !wire_ok(w) || ret > 0)
		return -EPROTO;
	*r = (struct hello_reply){
		.ret = ret,
		.version = get_number(d, K_VERSION, UINT32_MAX),
		.features = get_number(d, K_FEATURES, UINT64_MAX),
		.session = get_number(d, K_SESSION, UINT64_MAX),
		.resumed = get_number(d, K_RESUMED, 1),
		.grace_ms = get_number(d, K_GRACE_MS, UINT32_MAX),
		.payload_max = get_number(d, K_PAYLOAD_MAX, WIRE_PAYLOAD_MAX),
		.up = get_number(d, K_UP, 1),
		.process = get_str(d, K_PROCESS),
		.process_version = get_str(d, K_PROCESS_VERSION),
		.volume = get_str(d, K_VOLUME),
		.error = get_str(d, K_ERROR),
		.volfile = get_str(d, K_VOLFILE),
	};
	if (!r->payload_max)
		r->payload_max = WIRE_PAYLOAD_MAX;
	return 0;
}

int protocol_send(struct conn *c, enum wire_kind kind, uint64_t xid)
{
	struct wire *w = conn_begin(c, PROTOCOL_HEADER_ROOM);

	if (!w)
		return -ENOMEM;
	wire_put_header(w, &(struct wire_header){ .kind = kind, .xid = xid });
	/* Nobody waits for a file to be closed: one message, and one wake-up of the brick, less. */
	return kind == WIRE_RELEASE ? conn_end_lazily(c, w) : conn_end(c, w);
}

struct wire protocol_reader(struct buf *head, struct buf *payload)
{
	return (struct wire){
		.at = head->data,
		.base = head->data,
		.end = head->data + head->len,
		.payload = payload,
	};
}

const struct transport *protocol_transport(struct xlator *xl, const char *type)
{
	const struct transport *t = transport_find(type);

	if (t)
		return t;
	if (strncasecmp(type, "ib-", 3) == 0)
		xl_error(xl, "transport-type",
			 "\"%s\" is not available: InfiniBand is reached by tcp over IPoIB", type);
	else
		xl_error(xl, "transport-type",
			 "there is no transport \"%s\"; there are tcp and unix", type);
	return NULL;
}

bool protocol_same_secret(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned differ = la != lb;

	for (size_t i = 0; i < la; i++)
		differ |= (unsigned char)a[i] ^ (unsigned char)b[lb ? i % lb : 0];
	return !differ;
}
