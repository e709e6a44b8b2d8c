/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * resolve.c - host names to addresses, on libuv's threads: getaddrinfo() blocks, for seconds when a name server
 * is away.  Addresses come in the order of getaddrinfo() (RFC 6724, /etc/gai.conf).
 *
 * A cancelled request lives on, without its owner, until getaddrinfo() returned.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>
#include "loop-impl.h"

struct resolving {
	uv_getaddrinfo_t req;
	struct resolve *owner;		/* NULL: cancelled */
};

static int resolve_errno(int status)
{
	switch (status) {
	case UV_EAI_MEMORY:
		return -ENOMEM;
	case UV_EAI_AGAIN:
		return -EAGAIN;
	case UV_EAI_CANCELED:
		return -ECANCELED;
	case UV_EAI_NONAME:
	case UV_EAI_NODATA:
		return -ENXIO;
	default:
		return -EHOSTUNREACH;
	}
}

static void resolve_done(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct resolving *g = container_of(req, struct resolving, req);
	struct resolve *r = g->owner;
	struct sockaddr_storage addresses[RESOLVE_MAX];
	int nr = 0;

	free(g);
	if (r) {
		r->impl = NULL;
		r->error[0] = '\0';
		memset(addresses, 0, sizeof(addresses));
		for (struct addrinfo *a = list; a && nr < RESOLVE_MAX; a = a->ai_next)
			if (a->ai_addrlen <= sizeof(addresses[0]))
				memcpy(&addresses[nr++], a->ai_addr, a->ai_addrlen);
		if (status < 0 || nr == 0) {
			nr = status < 0 ? resolve_errno(status) : -ENXIO;
			snprintf(r->error, sizeof(r->error), "%s", status < 0 ? uv_strerror(status) : "no address");
		}
	}
	uv_freeaddrinfo(list);
	if (r)
		r->done(r, nr, addresses);
}

int loop_resolve(struct loop *l, struct resolve *r, const char *host, uint16_t port)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct resolving *g;
	char service[8];
	int ret;

	if (!loop_uv(l))
		return -ENOSYS;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	snprintf(service, sizeof(service), "%u", port);
	ret = uv_getaddrinfo(loop_uv(l), &g->req, resolve_done, host, service, &hints);
	if (ret < 0) {
		free(g);
		return ret;	/* a name that cannot be one: -EINVAL and the like */
	}
	g->owner = r;
	r->impl = g;
	return 0;
}

void loop_resolve_cancel(struct resolve *r)
{
	struct resolving *g = r->impl;

	if (!g)
		return;
	g->owner = NULL;
	r->impl = NULL;
	uv_cancel((uv_req_t *)&g->req);
}
