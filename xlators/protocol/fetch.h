/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* fetch.h - asking a server for its client volume file (`glusterfs -s HOST`); for daemons/. */
#ifndef GLUSTERFS_PROTOCOL_FETCH_H
#define GLUSTERFS_PROTOCOL_FETCH_H

#include <stdint.h>

/*
 * Connects, greets, and takes what option client-volume-filename of the server names.  transport:
 * "tcp", "unix" (host: the path of the socket).  Runs a loop of its own, for at most timeout_ms.
 * 0 and the text, to be freed by the caller; or -errno with a sentence in error.
 */
int protocol_fetch_volfile(const char *transport, const char *host, uint16_t port,
			   uint32_t timeout_ms, char **ret_text, char error[512]);

#endif
