#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Memory of clients and servers: when they are fresh, while a tree of N files is walked, and after the kernel has forgotten it.
#
#	N=1000000 GF_PREFIX=/usr/local GF_BRICKCHECK=... tests/system/memory.sh
#
# Budgets (resident memory): fresh 16 MiB. While the kernel knows the files, 512 bytes of a client for each.
# After it forgot them 16 MiB, and 64 bytes for each file: what glibc keeps between what is still in use.
# A server remembers nothing of a file that nobody has open, whatever the client's kernel knows.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need_xlator storage/posix features/posix-locks protocol/client protocol/server cluster/afr
is_sanitized && skip "memory is not what it is in a sanitizers' build"
need_brickcheck
N=${N:-20000}
FRESH_KIB=16384
FILES_IN_DIRECTORY=1000
cd "$TMP" || die "no $TMP"

rss_kib()
{
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

count_logged()
{
	[ "$(grep -Ec -- "$2" "$TMP/$1.log")" -ge "$3" ]
}

# dumped NAME PID KEY: of a fresh statedump
dumped()
{
	local n file

	n=$(grep -c 'statedump: /' "$TMP/$1.log")
	kill -USR1 "$2"
	must_wait_for 20 count_logged "$1" 'statedump: /' $((n + 1))
	file=$(sed -n 's/.*statedump: //p' "$TMP/$1.log" | tail -1)
	sed -n "s/^$3=//p" "$file"
	rm -f "$file"
}

# dump_at_most NAME PID KEY NUMBER
dump_at_most()
{
	[ "$(dumped "$1" "$2" "$3")" -le "$4" ]
}

# A tree of N empty files on the disk itself, so that walking it also gives all of them their identities.
make_tree()
{
	local d

	for ((d = 0; d * FILES_IN_DIRECTORY < N; d++)); do
		mkdir -p "$1/tree/$((d / 100))/$d"
	done
	for ((d = 0; d * FILES_IN_DIRECTORY < N; d++)); do
		(cd "$1/tree/$((d / 100))/$d" && seq -f 'file-%.0f' "$FILES_IN_DIRECTORY" | xargs touch)
	done
}

# serve NAME BRICK [OPTION-LINE...]
serve()
{
	local name=$1 brick=$2 line

	shift 2
	free_port
	{
		posix_volume posix "$brick"
		printf 'volume brick\n  type features/posix-locks\n  subvolumes posix\nend-volume\n'
		server_volume "$port" brick
	} >"$name.vol"
	for line; do
		sed -i "s|  subvolumes brick|  option $line\n&|" "$name.vol"
	done
	start_daemon "$name" -f "$name.vol" || die "the server $name does not start"
}

# report WHEN NAME:PID...: a line of numbers
report()
{
	local when=$1 p

	shift
	printf '   %-28s' "$when"
	for p; do
		printf ' %s %6d KiB ' "${p%%:*}" "$(rss_kib "${p#*:}")"
	done
	echo
}

# within NAME PID KIB
within()
{
	[ "$(rss_kib "$2")" -le "$3" ]
}

by_find()
{
	find mnt -type f -size -1 -printf x | wc -c
}

by_ls()
{
	# shellcheck disable=SC2012
	ls -lR mnt | awk '/file-/ { n++ } END { print n + 0 }'
}

# walk_and_forget by_find|by_ls NAME PID SERVER:PID...: looks at everything, lets the kernel forget, compares with the budgets.
walk_and_forget()
{
	local walk=$1 name=$2 pid=$3

	shift 3
	SECONDS=0
	check test "$($walk)" -ge "$N"
	report "$walk, $SECONDS s" "$name:$pid" "$@"
	echo "   the client knows $(dumped "$name" "$pid" inodes.active) objects"
	check within "$name" "$pid" $((FRESH_KIB + N / 2))
	sync
	echo 2 >/proc/sys/vm/drop_caches
	check wait_for 60 dump_at_most "$name" "$pid" inodes.active 2000
	report "after the kernel forgot" "$name:$pid" "$@"
	echo "   it knows $(dumped "$name" "$pid" inodes.active) objects, and keeps $(dumped "$name" "$pid" inodes.lru)"
	check within "$name" "$pid" $((FRESH_KIB + N / 16))
	for server; do
		check within "${server%%:*}" "${server#*:}" $((FRESH_KIB + N / 64))
		check dump_at_most "${server%%:*}" "${server#*:}" inodes.active 2000
		check dump_at_most "${server%%:*}" "${server#*:}" inodes.lru 65536
	done
}

one_brick()
{
	note "$N files on one brick"
	serve server1 "$TMP/brick1"
	pid1=$pid port1=$port
	client_volume remote "$port1" brick >client.vol
	start_mount client client.vol "$TMP/mnt" || die "no mount"
	client_pid=$pid
	report fresh "client:$client_pid" "server1:$pid1"
	check within client "$client_pid" "$FRESH_KIB"
	check within server1 "$pid1" "$FRESH_KIB"
	walk_and_forget by_find client "$client_pid" "server1:$pid1"
	note "again: it is not a little more each time"
	walk_and_forget by_ls client "$client_pid" "server1:$pid1"
	umount mnt || fail umount
	check wait_for 30 dead "$client_pid"
	stop_pid "$pid1"
	brick_is_whole "$TMP/brick1"
}

mirror()
{
	note "$N files on a mirror"
	serve server1 "$TMP/brick1"
	pid1=$pid port1=$port
	serve server2 "$TMP/brick2"
	pid2=$pid port2=$port
	{ client_volume remote1 "$port1" brick; client_volume remote2 "$port2" brick; afr_volume mirror remote1 remote2; } >mirror.vol
	start_mount mirror mirror.vol "$TMP/mnt" || die "no mount"
	client_pid=$pid
	report fresh "mirror:$client_pid" "server1:$pid1" "server2:$pid2"
	check within mirror "$client_pid" "$FRESH_KIB"
	walk_and_forget by_ls mirror "$client_pid" "server1:$pid1" "server2:$pid2"
	umount mnt || fail umount
	check wait_for 30 dead "$client_pid"
	stop_pid "$pid2"
	stop_pid "$pid1"
}

# What a server keeps of objects that nobody uses: those on which a translator has something, here locks.
lru_limit()
{
	note "inode-lru-limit"
	serve limited "$TMP/brick1" 'inode-lru-limit 100'
	client_volume remote "$port" brick >limitedmnt.vol
	pid1=$pid
	start_mount limitedmnt limitedmnt.vol "$TMP/mnt" || die "no mount"
	client_pid=$pid
	find mnt/tree/0/0 -type f | head -n 300 | while read -r file; do
		flock "$file" true || echo "$file"
	done >notlocked
	check test ! -s notlocked
	check dump_at_most limited "$pid1" inodes.lru 100
	umount mnt || fail umount
	check wait_for 30 dead "$client_pid"
	stop_pid "$pid1"
}

mkdir brick1 mnt
make_tree "$TMP/brick1"
one_brick
cp -a brick1 brick2
rm -rf brick2/.glusterfs
setfattr -x trusted.glusterfs.brick-id brick2 2>/dev/null
mirror
lru_limit
finish
