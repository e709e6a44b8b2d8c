#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Signals to processes that wait: for a brick that does not answer (interrupt.c), and for a lock that somebody else has.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need flock setsid
need_xlator storage/posix features/posix-locks protocol/client protocol/server cluster/afr
interrupt=${GF_INTERRUPT:-$PWD/tests/system/interrupt}
[ -x "$interrupt" ] || skip "no $interrupt (make check builds it)"
brickdiff=${GF_BRICKDIFF:-$PWD/tests/system/brickdiff}
[ -x "$brickdiff" ] || skip "no $brickdiff (make check builds it)"
mkdir "$TMP/brick" "$TMP/mnt" "$TMP/other"

free_port
{
	posix_volume posix "$TMP/brick"
	printf 'volume brick\n  type features/posix-locks\n  subvolumes posix\nend-volume\n'
	server_volume "$port" brick
} >"$TMP/server.vol"
# nobody is to take the stopped brick for dead
client_volume remote "$port" brick | sed 's/end-volume/  option ping-timeout 0\n  option transport-timeout 0\n&/' \
	>"$TMP/client.vol"
start_daemon server -f "$TMP/server.vol" || die "the server does not start"
brick_pid=$pid
at_exit "kill -CONT $brick_pid 2>/dev/null"
start_mount client "$TMP/client.vol" "$TMP/mnt" || die "no mount"
start_mount other "$TMP/client.vol" "$TMP/other" || die "no second mount"

note "a brick that does not answer"
expect 0 '^$' timeout 300 "$interrupt" "$TMP/mnt" "$brick_pid"

# in_flight: no request is left in the client
none_in_flight()
{
	local n file

	n=$(grep -c 'statedump: /' "$TMP/client.log")
	kill -USR1 "$(cat "$TMP/client.pid")"
	must_wait_for 20 more_dumps "$n"
	file=$(sed -n 's/.*statedump: //p' "$TMP/client.log" | tail -1)
	grep -qx 'requests.in-flight=0' "$file"
}

more_dumps()
{
	[ "$(grep -c 'statedump: /' "$TMP/client.log")" -gt "$1" ]
}

sleeps_in()
{
	grep -q "^State:.S" "/proc/$1/status" && [ "$(cat "/proc/$1/comm")" = "$2" ]
}

note "a lock that somebody else has"
touch "$TMP/mnt/locked"
exec 9<"$TMP/other/locked"
flock 9
for signal in INT TERM KILL; do
	# with SIGINT as a terminal would send it: bash ignores it for what runs in the background
	setsid env --default-signal=INT flock "$TMP/mnt/locked" true &
	waiter=$!
	must_wait_for 20 sleeps_in "$waiter" flock
	start=$SECONDS
	kill -"$signal" "$waiter"
	check wait_for 3 dead "$waiter"
	[ $((SECONDS - start)) -le 3 ] || fail "SIG$signal: it took $((SECONDS - start)) s"
	wait "$waiter" 2>/dev/null
done
expect 1 '^$' flock -n "$TMP/mnt/locked" true
exec 9<&-
must_wait_for 10 flock -n "$TMP/mnt/locked" true

note "nothing is left of it"
check wait_for 20 none_in_flight
umount "$TMP/mnt" "$TMP/other" || fail umount

# A change that nobody waits for any more is still made on both.
note "one brick of a mirror does not answer"
mkdir "$TMP/brick1" "$TMP/brick2"
for i in 1 2; do
	free_port
	{
		posix_volume posix "$TMP/brick$i"
		printf 'volume brick\n  type features/posix-locks\n  subvolumes posix\nend-volume\n'
		server_volume "$port" brick
	} >"$TMP/server$i.vol"
	client_volume "remote$i" "$port" brick |
		sed 's/end-volume/  option ping-timeout 0\n  option transport-timeout 0\n&/' >>"$TMP/mirror.vol"
	start_daemon "server$i" -f "$TMP/server$i.vol" || die "server $i does not start"
	at_exit "kill -CONT $pid 2>/dev/null"
done
afr_volume mirror remote1 remote2 >>"$TMP/mirror.vol"
brick_pid=$pid
start_mount mirror "$TMP/mirror.vol" "$TMP/mnt" || die "no mount"
expect 0 '^$' timeout 300 "$interrupt" -w "$TMP/mnt" "$brick_pid"
umount "$TMP/mnt" || fail umount
must_wait_for 20 dead "$pid"
expect 1 '^$' grep -E ' C |is out' "$TMP/mirror.log"
expect 0 '^$' "$brickdiff" "$TMP/brick1" "$TMP/brick2"
finish
