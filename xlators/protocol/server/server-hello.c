/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server-hello.c - the handshake: versions, volume, authentication; and the client volume file,
 * which `glusterfs -s` fetches instead of attaching.
 *
 * A client that may use nothing here learns nothing: neither what the volumes are called nor the
 * volume file (1.3 gave it to anybody; there are passwords in it).
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server.h"
#include "graph.h"

static void answer(struct session *s, struct hello_reply *r)
{
	r->process = program_invocation_short_name;
	r->process_version = PACKAGE_VERSION;
	if (hello_reply_send(s->conn, r) < 0)
		session_close(s, -ENOMEM);
	else if (r->ret < 0 || r->volfile)
		session_close(s, 0);
}

static void refuse(struct session *s, int err, const char *error)
{
	s->server->nr_rejected++;
	log_warning(s->server->xl->name, "rejected: %s: %s", s->peer, error);
	answer(s, &(struct hello_reply){ .ret = err, .error = error });
}

/* ---- attaching ---- */

static struct port *port_get(struct server *sv, struct xlator *target, const char *name)
{
	struct port *p;

	SLIST_FOREACH(p, &sv->ports, link)
		if (p->target == target)
			return p;
	p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->target = target;
	p->name = graph_find(sv->xl->graph, name)->name;	/* without what was put above it */
	p->xl = *sv->xl;
	p->xl.nr_children = 1;
	p->xl.children = &p->target;
	/*
	 * Whoever has it as subvolume knows already which translators below take which
	 * operations.
	 */
	p->xl.next = &target->parents[0]->next[target->parent_child[0]];
	SLIST_INSERT_HEAD(&sv->ports, p, link);
	return p;
}

/* Which volume, and may it?  NULL with -errno and a sentence. */
static struct xlator *choose_volume(struct session *s, const struct hello *h, int *ret_error,
				    char error[1024])
{
	const struct server *sv = s->server;
	struct xlator *xl = server_volume(sv, h->volume);
	char list[512], why[256];

	if (xl && auth_check(sv, s, h, h->volume, why) == 0)
		return xl;
	if (xl) {
		snprintf(error, 1024, "%s", why);
		*ret_error = -EACCES;
		return NULL;
	}
	auth_list(sv, s, h, list, sizeof list);
	char host[256] = "this server";
	if (gethostname(host, sizeof host - 1) < 0)
		snprintf(host, sizeof host, "this server");
	snprintf(error, 1024, "volume \"%.255s\" is not exported by %.100s (%s%.400s)", h->volume,
		 host, *list ? "it exports: " : "it exports nothing to this client", list);
	*ret_error = -ENOENT;
	return NULL;
}

/* The rest of what a session knows of its client, which may have changed since the last time. */
static void note_client(struct session *s, const struct hello *h)
{
	const struct server *sv = s->server;

	s->payload_max = h->payload_max;
	s->silence_max_ms = sv->client_timeout_ms;
	if (s->silence_max_ms && s->silence_max_ms < 4 * (uint64_t)h->ping_ms)
		s->silence_max_ms = 4 * h->ping_ms;
	s->told_up = s->port->target->up;
	snprintf(s->process, sizeof s->process, "%s %s", h->process, h->process_version);
}

static void answer_attached(struct session *s, uint32_t version, bool resumed)
{
	const struct server *sv = s->server;

	answer(s,
	       &(struct hello_reply){
		       .version = version,
		       .features = sv->root_squash || sv->all_squash ? PROTOCOL_WANTS_GROUPS : 0,
		       .session = s->id,
		       .resumed = resumed,
		       .grace_ms = sv->grace_ms < UINT32_MAX ? sv->grace_ms : UINT32_MAX,
		       .up = s->told_up,
		       .volume = s->port->name,
		       .payload_max = protocol_payload_max(sv->transaction_size),
	       });
}

static void attach(struct session *s, const struct hello *h, uint32_t version)
{
	struct server *sv = s->server;
	char error[1024];
	int err = 0;
	struct xlator *target = choose_volume(s, h, &err, error);

	if (!target)
		return refuse(s, err, error);
	struct port *port = port_get(sv, target, h->volume);
	if (!port)
		return refuse(s, -ENOMEM, "out of memory");
	struct session *old = session_find(sv, port, h);
	if (old) {
		session_adopt(old, s);
		note_client(old, h);
		log_notice(sv->xl->name, "%s is back", old->peer);
		return answer_attached(old, version, true);
	}
	if (sv->nr_sessions >= sv->max_connections) {
		snprintf(error, sizeof error, "there are %u clients already (max-connections)",
			 sv->nr_sessions);
		return refuse(s, -EBUSY, error);
	}
	s->port = port;
	s->client_id = h->client_id;
	note_client(s, h);
	session_attached(s);
	log_notice(sv->xl->name, "%s (%s) uses volume \"%s\"", s->peer, s->process, port->name);
	answer_attached(s, version, false);
}

/* ---- the volume file ---- */

/* Reads a whole file.  A string to be freed, or NULL with errno. */
static char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = fd < 0 ? NULL : malloc(PROTOCOL_VOLFILE_MAX + 1);
	ssize_t n = -1, used = 0;

	while (text && used < PROTOCOL_VOLFILE_MAX &&
	       (n = read(fd, text + used, PROTOCOL_VOLFILE_MAX - used)) > 0)
		used += n;
	int saved = n > 0 ? EFBIG : errno;
	if (text && n == 0) {
		text[used] = '\0';
	} else {
		free(text);
		text = NULL;
	}
	if (fd >= 0)
		close(fd);
	errno = saved;
	return text;
}

/*
 * Not on a worker: a small local file, once per client, and the daemon has read one like it
 * when it began.
 */
static void give_volfile(struct session *s, const struct hello *h)
{
	struct server *sv = s->server;
	char list[64], path[4096], error[4400];
	uint16_t port;

	auth_list(sv, s, h, list, sizeof list);
	if (!*list)
		return refuse(
			s, -EACCES,
			"this client may use no volume here, so it is not given the volume file");
	snprintf(path, sizeof path, "%s.%s", sv->client_volume_filename,
		 conn_peer_ip(s->conn, &port));
	char *text = read_text(path);
	if (!text)
		text = read_text(sv->client_volume_filename);
	if (text) {
		answer(s, &(struct hello_reply){ .volfile = text });
	} else {
		int err = errno ? -errno : -EIO;

		snprintf(error, sizeof error, "the volume file for clients, %s: %s",
			 sv->client_volume_filename, strerror(-err));
		refuse(s, err, error);
	}
	free(text);
}

void server_hello(struct session *s, struct wire *w)
{
	_cleanup_dict_ struct dict *d = NULL;
	struct hello h;
	char error[256];

	if (hello_read(w, &h, &d) < 0)
		return session_offend(s, "its greeting is malformed");
	if (h.version_min > PROTOCOL_VERSION_MAX || h.version_max < PROTOCOL_VERSION_MIN) {
		snprintf(error, sizeof error,
			 "version mismatch: the client speaks protocol versions %u to %u, the "
			 "server %u to %u",
			 h.version_min, h.version_max, PROTOCOL_VERSION_MIN, PROTOCOL_VERSION_MAX);
		return refuse(s, -EPROTONOSUPPORT, error);
	}
	if (h.want_volfile)
		return give_volfile(s, &h);
	if (!h.client_id)
		return session_offend(s, "its greeting has no client id");
	attach(s, &h, h.version_max < PROTOCOL_VERSION_MAX ? h.version_max : PROTOCOL_VERSION_MAX);
}
