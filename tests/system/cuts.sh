#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Broken connections of some seconds, for real: the cable is pulled, packets vanish, connections are reset. Applications see a
# pause and nothing else; nothing is done twice; nobody else gets a lock meanwhile. On one brick and on a mirror.

. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
. "$GF_SRCDIR/tests/hosts.sh"

need_hosts
need_xlator storage/posix features/posix-locks performance/io-threads protocol/client protocol/server cluster/afr
need flock bridge python3
: "${GF_BUILDDIR:=$PWD}"
steady=$GF_BUILDDIR/tests/system/steady
[ -x "$steady" ] || skip "no $steady (make check builds it)"
inside_own_namespaces "$@"

h1=001.example.com h2=002.example.com
make_network
make_host $h1 192.0.2.1
make_host $h2 192.0.2.2
steady_copy=/mnt/steady

# brick HOST: with locks and io-threads, as advised in 2008.
brick()
{
	mkdir -p "$(root_of "$1")/mnt/brick" "$(root_of "$1")/mnt/static"
	{
		posix_volume posix /mnt/brick
		printf 'volume locks\n  type features/posix-locks\n  subvolumes posix\nend-volume\n'
		printf 'volume brick\n  type performance/io-threads\n  subvolumes locks\nend-volume\n'
		printf 'volume server\n  type protocol/server\n  option transport-type tcp/server\n'
		printf '  option auth.ip.brick.allow *\n  subvolumes brick\nend-volume\n'
	} >"$(root_of "$1")/mnt/server.vol"
	on "$1" "$PREFIX/sbin/glusterfsd" -f /mnt/server.vol || die "the brick on $1 does not start"
}

# client HOST VOLFILE
client()
{
	cp "$2" "$(root_of "$1")/mnt/client.vol"
	on "$1" "$PREFIX/sbin/glusterfs" -L NORMAL -f /mnt/client.vol /mnt/static || die "no mount on $1"
}

# remote NAME HOST [OPTION-LINE]
remote()
{
	printf 'volume %s\n  type protocol/client\n  option transport-type tcp/client\n' "$1"
	printf '  option remote-host %s\n  option remote-subvolume brick\n%send-volume\n' "$2" "${3:-}"
}

# Between the client on h2 and the brick on h1.
start_proxy()
{
	on $h2 python3 "$GF_SRCDIR/tests/system/proxy.py" 7001 192.0.2.1 6996 >"$TMP/proxy.pid" &
	must_wait_for 20 test -s "$TMP/proxy.pid"
	proxy=$(cat "$TMP/proxy.pid")
	at_exit "kill $proxy 2>/dev/null"
}

rounds()
{
	[ "$(wc -l <"$log" 2>/dev/null || echo 0)" -gt "$1" ]
}

# The application goes on: some rounds more than there were.
goes_on()
{
	must_wait_for 60 rounds $(($(wc -l <"$log") + 20))
}

# pull SECONDS: the cable of the client's host.
pull()
{
	note "  no cable for $1 s"
	on $h2 ip link set eth0 down
	sleep "$1"
	on $h2 ip link set eth0 up
	goes_on
}

# vanish SECONDS: packets from and to the client's host are lost, and nobody is told.
vanish()
{
	note "  no packet arrives for $1 s"
	bridge link set dev cable1 state 0 || skip "the bridge cannot drop packets"
	sleep "$1"
	bridge link set dev cable1 state 3
	goes_on
}

# broken SIGNAL HOW: the connection through the proxy is broken, some times in a row.
broken()
{
	local i

	note "  the connection is broken: $2"
	for i in 1 2 3 4 5; do
		kill "-$1" "$proxy"
		goes_on
	done
}

held_by_other()
{
	! on $h1 flock -n /mnt/static/dir/held true
}

# The lock must not be free for a moment, as the other host sees it.
watch_lock()
{
	while [ ! -e "$TMP/until" ]; do
		held_by_other || echo "the lock was free" >>"$TMP/free"
	done
}

run_steady()
{
	local app watcher mirrored=$1

	log=$(root_of $h1)/mnt/brick/dir/log
	rm -f "$TMP/until" "$TMP/free" "$(root_of $h2)/mnt/until"
	on $h2 $steady_copy /mnt/static/dir /mnt/until >"$TMP/steady.out" 2>&1 &
	app=$!
	must_wait_for 30 rounds 20
	must_wait_for 10 held_by_other
	watch_lock &
	watcher=$!
	broken USR1 "reset"
	pull 2
	broken USR2 "closed in good order, as if the server had ended"
	vanish 3
	broken USR1 "reset"
	# for two seconds nobody listens; a mirror takes that for the end of a brick
	[ "$mirrored" = yes ] || broken HUP "and nobody listens"
	# the application gives its lock back at its end, so the other one stops first
	touch "$TMP/until"
	wait "$watcher"
	touch "$(root_of $h2)/mnt/until"
	wait "$app" || fail "the application had an error: $(cat "$TMP/steady.out")"
	[ ! -e "$TMP/free" ] || fail "somebody else could have had the lock"
	note "  $(tail -n 1 "$TMP/steady.out") rounds"
	on $h2 rm -rf /mnt/static/dir || fail "rm"
}

check_resumed()
{
	local nr

	nr=$(grep -c 'the session goes on' "$(root_of $h2)$LOGDIR/glusterfs.log")
	[ "$nr" -ge "$1" ] || fail "the session was resumed $nr times only: $(tail -n 5 "$(root_of $h2)$LOGDIR/glusterfs.log")"
}

umount_all()
{
	on $h1 umount /mnt/static || fail umount
	on $h2 umount /mnt/static || fail umount
}

cp "$steady" "$(root_of $h2)/mnt/steady"
brick $h1
brick $h2
start_proxy
by_proxy='  option remote-port 7001
'
note "one brick"
remote one $h1 >"$TMP/one.vol"
client $h1 "$TMP/one.vol"
remote one 127.0.0.1 "$by_proxy" >"$TMP/one2.vol"
client $h2 "$TMP/one2.vol"
run_steady no
check_resumed 15
umount_all
note "a mirror"
{ remote one $h1; remote two $h2; afr_volume mirror one two; } >"$TMP/mirror.vol"
client $h1 "$TMP/mirror.vol"
{ remote one 127.0.0.1 "$by_proxy"; remote two $h2; afr_volume mirror one two; } >"$TMP/mirror2.vol"
client $h2 "$TMP/mirror2.vol"
run_steady yes
check_resumed 30
umount_all
finish
