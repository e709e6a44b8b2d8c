#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# What waits for a brick that does not answer is bounded in the client, and all of it is done when the brick goes on.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need_xlator storage/posix features/posix-locks protocol/client protocol/server
MIB=$((1 << 20))
WRITERS=40
cd "$TMP" || die "no $TMP"
mkdir brick mnt

free_port
{
	posix_volume posix "$TMP/brick"
	printf 'volume brick\n  type features/posix-locks\n  subvolumes posix\nend-volume\n'
	server_volume "$port" brick
} >server.vol
client_volume remote "$port" brick | sed 's/end-volume/  option ping-timeout 0\n  option transport-timeout 0\n&/' >client.vol
printf 'volume mount\n  type mount/fuse\n  option mount-point %s\n  option max-request-bytes 4MB\n  subvolumes remote\nend-volume\n' \
	"$TMP/mnt" >>client.vol
start_daemon server -f server.vol || die "the server does not start"
brick_pid=$pid
at_exit "kill -CONT $brick_pid 2>/dev/null"
at_exit "! is_mounted '$TMP/mnt' || umount -l '$TMP/mnt'"
start_daemon client -f client.vol || die "no mount"
client_pid=$pid
must_wait_for 20 is_mounted "$TMP/mnt"

more_dumps()
{
	[ "$(grep -c 'statedump: /' client.log)" -gt "$1" ]
}

# dumped KEY: of a fresh statedump of the client
dumped()
{
	local n file

	n=$(grep -c 'statedump: /' client.log)
	kill -USR1 "$client_pid"
	must_wait_for 20 more_dumps "$n"
	file=$(sed -n 's/.*statedump: //p' client.log | tail -1)
	sed -n "s/^$1=//p" "$file"
	rm -f "$file"
}

has_paused()
{
	[ "$(dumped requests.bytes)" -ge $((4 * MIB)) ]
}

# begin_writers: $pids, who open their files, the brick stops, and then they write.
begin_writers()
{
	rm -f opened go
	mkfifo go
	exec 8<>go	# so that it keeps what nobody has read yet
	pids=()
	for ((i = 0; i < WRITERS; i++)); do
		(exec >"mnt/file-$i" && echo >>opened && read -r <go; exec dd if=data bs=1M conv=notrunc oflag=direct status=none) &
		pids+=($!)
	done
	must_wait_for 30 all_opened
	kill -STOP "$brick_pid"
	for ((i = 0; i < WRITERS; i++)); do
		echo
	done >&8
	must_wait_for 20 has_paused
}

all_opened()
{
	[ "$(wc -l <opened)" -eq "$WRITERS" ]
}

head -c "$MIB" /dev/urandom >data
note "$WRITERS writers of 1 MiB, a brick that does not answer, and 4 MiB for requests"
begin_writers
# (one more each half second, see session_trickle)
bytes=$(dumped requests.bytes)
[ "$bytes" -le $((12 * MIB)) ] || fail "$bytes bytes are under way"
kill -CONT "$brick_pid"
for p in "${pids[@]}"; do
	wait "$p" || fail "a write failed"
done
for ((i = 0; i < WRITERS; i++)); do
	cmp -s data "mnt/file-$i" || fail "file $i has something else"
done
check test "$(dumped requests.bytes)" -eq 0

note "all of them killed while it does not answer"
begin_writers
for p in "${pids[@]}"; do
	kill -KILL "$p"
done
for p in "${pids[@]}"; do
	check wait_for 20 dead "$p"
done
kill -CONT "$brick_pid"
expect 0 '' ls -l mnt
umount mnt || fail umount
must_wait_for 20 dead "$client_pid"
finish
