/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server-auth.c - who may use which volume, as 1.3 decided it:
 *
 *	auth.ip.VOLUME.reject PATTERNS     rejects an address that matches (1.3 never looked at it)
 *	auth.ip.VOLUME.allow PATTERNS      accepts an address that matches, with a port below 1024
 *	auth.login.VOLUME.allow USERS      accepts a user that matches, with the right password,
 *	auth.login.USER.password PASSWORD  rejects it with a wrong one
 *
 * One that rejects decides; else one that accepts; else the client is rejected.  PATTERNS are
 * fnmatch(3) patterns, one of them must match; !PATTERN matches what PATTERN does not.  A client
 * on a unix socket has the address "unix", in process "mem".
 */
#include "config.h"

#include <fnmatch.h>
#include <stdio.h>

#include "server.h"
#include "graph.h"

enum verdict { DONT_CARE, ACCEPT, REJECT };
enum { PRIVILEGED_PORTS = 1024 };

/*
 * The value of option FAMILY.NAME.WHAT, or NULL.  Names may have dots, so patterns alone do
 * not do.
 */
static const char *auth_option(const struct server *sv, const char *family, const char *name,
			       const char *what)
{
	char pattern[64];
	const char *key, *value;
	size_t lf = strlen(family), ln = strlen(name);

	snprintf(pattern, sizeof pattern, "%s.*.%s", family, what);
	for (size_t n = 0; xl_option_match(sv->xl, pattern, n, &key, &value); n++)
		if (strncmp(key + lf + 1, name, ln) == 0 && key[lf + 1 + ln] == '.' &&
		    strcmp(key + lf + 2 + ln, what) == 0)
			return value;
	return NULL;
}

static const char *address_option(const struct server *sv, const char *volume, const char *what)
{
	const char *value = auth_option(sv, "auth.ip", volume, what);

	return value ? value : auth_option(sv, "auth.addr", volume, what);
}

static bool element_matches(const char *word, size_t len, const char *what)
{
	char pattern[256];
	bool negated = len && *word == '!';

	if (negated) {
		word++;
		len--;
	}
	if (len >= sizeof pattern)
		return false;
	memcpy(pattern, word, len);
	pattern[len] = '\0';
	return (fnmatch(pattern, what, 0) == 0) != negated;
}

static bool list_matches(const char *list, const char *what)
{
	const char *word;
	size_t len;

	while (option_list_next(&list, &word, &len))
		if (element_matches(word, len, what))
			return true;
	return false;
}

static enum verdict by_address(const struct server *sv, const struct session *s, const char *volume,
			       const char **why)
{
	uint16_t port = 0;
	const char *ip = conn_peer_ip(s->conn, &port);
	const char *allow = address_option(sv, volume, "allow");
	const char *reject = address_option(sv, volume, "reject");
	bool is_ip = *ip;

	if (!is_ip)
		ip = strncasecmp(sv->transport_type, "unix", 4) == 0 ? "unix" : "mem";
	else if (strncmp(ip, "::ffff:", 7) == 0)
		ip += 7;			/* an IPv4 peer of an IPv6 socket */
	if (reject && list_matches(reject, ip)) {
		*why = "its address is in auth.ip.reject";
		return REJECT;
	}
	if (!allow)
		return DONT_CARE;
	if (!list_matches(allow, ip)) {
		*why = "its address is not in auth.ip.allow";
		return DONT_CARE;
	}
	if (is_ip && port >= PRIVILEGED_PORTS && !sv->allow_insecure) {
		*why = "it comes from a port above 1023, and auth.allow-insecure is off";
		return REJECT;
	}
	return ACCEPT;
}

static enum verdict by_login(const struct server *sv, const struct hello *h, const char *volume,
			     const char **why)
{
	const char *allow = auth_option(sv, "auth.login", volume, "allow");

	if (!*h->username || !*h->password || !allow)
		return DONT_CARE;
	if (!list_matches(allow, h->username)) {
		*why = "its user is not in auth.login.allow";
		return DONT_CARE;
	}
	const char *password = auth_option(sv, "auth.login", h->username, "password");
	if (password && protocol_same_secret(h->password, password))
		return ACCEPT;
	*why = "its user or password is wrong";
	return REJECT;
}

int auth_check(const struct server *sv, const struct session *s, const struct hello *h,
	       const char *volume, char error[256])
{
	const char *why = "nothing allows it";
	enum verdict ip = by_address(sv, s, volume, &why);
	enum verdict login = ip == REJECT ? DONT_CARE : by_login(sv, h, volume, &why);

	if (ip != REJECT && login != REJECT && (ip == ACCEPT || login == ACCEPT))
		return 0;
	snprintf(error, 256, "client %.100s may not use volume \"%.60s\": %s", s->peer, volume,
		 why);
	return -EACCES;
}

struct xlator *server_volume(const struct server *sv, const char *name)
{
	struct xlator *xl = graph_find(sv->xl->graph, name);

	/* What was put above it, for us, belongs to it. */
	while (xl && xl->nr_parents && strcmp(xl->parents[0]->type->name, sv->xl->type->needs_above) == 0)
		xl = xl->parents[0];
	/* What nobody has as subvolume is not linked to anything: us, another server, a mount. */
	return xl && xl->nr_parents ? xl : NULL;
}

void auth_list(const struct server *sv, const struct session *s, const struct hello *h, char *out,
	       size_t size)
{
	const struct graph *g = sv->xl->graph;
	size_t used = 0;
	char error[256];

	*out = '\0';
	for (uint32_t i = 0; i < g->nr_xlators; i++) {
		const char *name = g->xlators[i]->name;

		if (!server_volume(sv, name) || auth_check(sv, s, h, name, error) < 0)
			continue;
		int n = snprintf(out + used, size - used, "%s%s", used ? ", " : "", name);
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += n;
	}
}

/* The VOLUME of a key like auth.ip.VOLUME.allow. */
static void check_volume_of(struct server *sv, const char *key, const char *family)
{
	char name[256];
	size_t lf = strlen(family) + 1;
	const char *end = strrchr(key, '.');

	snprintf(name, sizeof name, "%.*s", (int)(end - key - lf), key + lf);
	if (!server_volume(sv, name))
		xl_warning(sv->xl, key, "there is no volume \"%s\" to be used here", name);
}

int auth_check_options(struct server *sv)
{
	static const struct { const char *family, *pattern; bool allows;
	} families[] = {
		{ "auth.ip", "auth.ip.*.allow", true },
		{ "auth.ip", "auth.ip.*.reject", false },
		{ "auth.addr", "auth.addr.*.allow", true },
		{ "auth.addr", "auth.addr.*.reject", false },
		{ "auth.login", "auth.login.*.allow", true },
	};
	const char *key, *value;
	bool any = false;

	for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
		for (size_t n = 0; xl_option_match(sv->xl, families[f].pattern, n, &key, &value);
		     n++) {
			check_volume_of(sv, key, families[f].family);
			any |= families[f].allows;
		}
	}
	if (!any)
		xl_warning(sv->xl, NULL,
			   "no auth.ip.VOLUME.allow and no auth.login.VOLUME.allow: every client "
			   "will be rejected");
	return 0;
}
