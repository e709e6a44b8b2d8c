#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Files without a name that are open: also on another mount, and when the brick's process is killed and started again.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need_xlator storage/posix protocol/client protocol/server
need_brickcheck
cd "$TMP" || die "no $TMP"
mkdir brick mnt other
free_port
{ posix_volume brick "$TMP/brick"; server_volume "$port" brick; } >server.vol
client_volume remote "$port" brick >client.vol
start_daemon server -f server.vol || die "the server does not start"
server=$pid
start_mount client client.vol "$TMP/mnt" || die "no mount"
start_mount other client.vol "$TMP/other" || die "no mount"

unlinked()
{
	find brick/.glusterfs/unlink -type f | wc -l
}

is_empty()
{
	[ "$(unlinked)" -eq 0 ]
}

# what the descriptor 5 has, through a descriptor of its own
contents()
{
	cat "/proc/$$/fd/5"
}

note "removed by another mount"
exec 5<>mnt/f
echo before >&5
check rm other/f
# the name is believed for a second
check wait_for 20 test ! -e mnt/f
echo after >&5
check test "$(contents)" = $'before\nafter'
check test "$(stat -L -c %h "/proc/$$/fd/5")" = 0
check test "$(unlinked)" -eq 1
exec 5>&-
check wait_for 20 is_empty

note "the brick's process is killed, and comes back"
exec 5<>mnt/g
echo before >&5
rm mnt/g
kill -KILL "$server"
wait_for 20 dead "$server" || die "it lives"
check test "$(unlinked)" -eq 1
start_daemon server-again -f server.vol 5>&- || die "the server does not start again"
check wait_for 60 test -d mnt/.
check wait_for 60 contents
check test "$(contents)" = before
echo after >&5
check test "$(contents)" = $'before\nafter'
exec 5>&-
check wait_for 20 is_empty
umount mnt other
brick_is_whole "$TMP/brick"
finish
