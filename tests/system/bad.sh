#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Bad input from outside, with real daemons: peers that talk nonsense, say nothing or stop, bricks on disks that are
# full, read-only or no file system for it, callers who may not. (Volume files and command lines: daemon.sh.)

# Not in the mount namespaces that other tests make meanwhile: a copy of a mount there would keep it alive after umount.
if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need_xlator storage/posix protocol/client protocol/server cluster/afr
need getfattr setpriv dd
need_brickcheck
ulimit -n 8192 2>/dev/null || skip "not enough open files are allowed"
mkdir "$TMP/brick" "$TMP/mnt"
cd "$TMP" || die "no $TMP"

# serve NAME BRICK [OPTION-LINE...]: a server of that directory; $port and $pid.
serve()
{
	local name=$1 brick=$2 line

	shift 2
	free_port
	{ posix_volume brick "$brick"; server_volume "$port" brick; } >"$name.vol"
	for line; do
		sed -i "s|  subvolumes|  option $line\n&|" "$name.vol"
	done
	start_daemon "$name" -f "$name.vol" || die "the server $name does not start"
}

# mount_of NAME DIR PORT: a mount of that server.
mount_of()
{
	client_volume remote "$3" brick >"$1.vol"
	mkdir -p "$2"
	start_mount "$1" "$1.vol" "$2" || die "$1 cannot be mounted"
}

# unmount DIR PID
unmount()
{
	umount "$1" || fail "umount $1"
	check wait_for 20 dead "$2"
	check not_mounted "$1"
}

logged()
{
	grep -Eq -- "$2" "$TMP/$1.log"
}

# count_logged NAME PATTERN NUMBER: at least so many lines
count_logged()
{
	[ "$(grep -Ec -- "$2" "$TMP/$1.log")" -ge "$3" ]
}

fds_of()
{
	local fds=(/proc/"$1"/fd/*)

	echo ${#fds[@]}
}

fds_at_most()
{
	[ "$(fds_of "$1")" -le "$2" ]
}

rss_kib()
{
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

# dump_value PID LOG KEY: of a fresh statedump
dump_value()
{
	local n file

	n=$(grep -c 'statedump: /' "$2")
	kill -USR1 "$1"
	must_wait_for 20 count_logged "$(basename "$2" .log)" 'statedump: /' $((n + 1))
	file=$(sed -n 's/.*statedump: //p' "$2" | tail -1)
	sed -n "s/^$3=//p" "$file"
	rm -f "$file"
}

# ---- the network ------------------------------------------------------------------------------------

# not_mountable SECONDS PATTERN NAME ARGUMENTS...: fails in time with the reason on the terminal, and nothing is left.
not_mountable()
{
	local limit=$1 pattern=$2 name=$3 depth=2

	shift 3
	rm -f "$name.pid"
	SECONDS=0
	expect 1 "$pattern" timeout -k 5 60 "$SBIN/glusterfs" --xlator-path="$XLATORS" -l "$TMP/$name.log" \
		-p "$TMP/$name.pid" "$@" -f "$name.vol" "$TMP/mnt"
	check test "$SECONDS" -le "$limit"
	check not_mounted "$TMP/mnt"
	check test ! -e "$name.pid"
}

mounts_that_cannot_be()
{
	local good_port login_pid silent_pid silent_port

	note "mounts that cannot be"
	serve login "$TMP/brick" 'auth.login.brick.allow alice' 'auth.login.alice.password secret'
	sed -i '/auth.ip/d' login.vol
	stop_pid "$pid"
	start_daemon login -f login.vol || die "no server with auth.login"
	good_port=$port
	login_pid=$pid
	client_volume remote "$port" brick >nobody.vol
	not_mountable 10 'remote: .*may not use volume "brick"' nobody
	sed 's|end-volume|  option username alice\n  option password wrong\nend-volume|' nobody.vol >wrong.vol
	not_mountable 10 'remote: .*may not use volume "brick"' wrong
	grep -q secret ./*.log && fail "a password is in a log"
	sed 's/password wrong/password secret/' wrong.vol >right.vol
	start_mount right right.vol "$TMP/mnt" || fail "the right password does not do"
	unmount "$TMP/mnt" "$pid"
	client_volume remote "$good_port" brisk >volume.vol
	not_mountable 10 'remote: .*brisk' volume

	note "a server that accepts and says nothing"
	mkdir -p silent-brick
	serve silent "$TMP/silent-brick"
	silent_port=$port
	silent_pid=$pid
	at_exit "kill -CONT $silent_pid 2>/dev/null"
	kill -STOP "$silent_pid"
	client_volume remote "$silent_port" brick >tosilent.vol
	not_mountable 15 'remote: ' tosilent --mount-timeout=3
	{ client_volume remote1 "$silent_port" brick; client_volume remote2 "$good_port" brick
	  afr_volume mirror remote1 remote2; } >tworeasons.vol
	not_mountable 15 'remote2: .*may not use volume "brick"' tworeasons --mount-timeout=3
	grep -q 'remote1: ' <<<"$out" || fail "the other reason is missing: $out"
	kill -CONT "$silent_pid"
	stop_pid "$silent_pid"
	stop_pid "$login_pid"
}

# drops BYTES (as for printf '%b'): sends them on a connection of its own; does the server close it within 20 s?
drops()
(
	trap '' PIPE
	exec {fd}<>"/dev/tcp/127.0.0.1/$port" || exit
	printf '%b' "$1" 1>&"$fd" 2>/dev/null
	timeout 20 cat <&"$fd" >/dev/null 2>&1
	[ $? -ne 124 ]
)

garbage()
{
	local n

	note "garbage on the port"
	n=$(grep -c 'dropped: ' server.log)
	# the first part of a frame: dropped for its silence, which takes 10 s
	drops '\x40\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00' &
	half_frame=$!
	check drops 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
	check drops 'SSH-2.0-OpenSSH_9.2\r\n'
	check drops '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'	# a TLS client
	check drops '\xff\xff\xff\xff\x00\x00\x00\x00'			# a head of 4 GiB
	check drops '\x10\x00\x00\x00\xff\xff\xff\xff'			# data of 4 GiB
	check drops '\xff\xff\xff\xff\xff\xff\xff\xff'
	check drops '\x00\x00\x00\x00\x00\x00\x00\x00'			# nothing at all
	check drops '\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00'	# less than a header
	for ((i = 0; i < 20; i++)); do
		(head -c 65536 /dev/urandom >"/dev/tcp/127.0.0.1/$port")
	done 2>/dev/null
	check wait_for 10 count_logged server 'dropped: ' $((n + 8))
	check logged server 'dropped: .*127\.0\.0\.1'
}

# Writes and reads back on the mount until told to stop; the number of rounds, or why it ended.
worker()
{
	local n=0

	while [ ! -e "$TMP/stop" ]; do
		echo "$n" >"$TMP/mnt/work" && [ "$(cat "$TMP/mnt/work")" = "$n" ] || { echo "failed in round $n"; return 1; }
		n=$((n + 1))
	done
	echo "$n rounds"
}

half_open()
{
	local fd fds=() before last

	note "2,000 connections that say nothing, while a mount works"
	before=$(wc -l <"$TMP/mnt/count")
	for ((i = 0; i < 2000; i++)); do
		exec {fd}<>"/dev/tcp/127.0.0.1/$port" || { fail "connection $i is not accepted"; break; }
		fds+=("$fd")
		echo "$i" >>"$TMP/mnt/count"
	done 2>/dev/null
	check test "$(wc -l <"$TMP/mnt/count")" -ge $((before + 1990))
	# what has not greeted is limited, and so are the descriptors that it takes
	check wait_for 10 logged server 'dropped: .*greeted'
	last=$(fds_of "$server_pid")
	check test "$last" -le $((fds_before + 300))
	check test "$(dump_value "$server_pid" "$TMP/server.log" not-greeted)" -le 256
	for fd in "${fds[@]}"; do
		exec {fd}>&-
	done
}

network()
{
	local server_pid mount_pid job half_frame fds_before rss_before

	note "a server, a mount, and what else may come to the port"
	serve server "$TMP/brick"
	server_pid=$pid
	mount_of client "$TMP/mnt" "$port"
	mount_pid=$pid
	: >"$TMP/mnt/count"
	echo x >"$TMP/mnt/work" && cat "$TMP/mnt/work" >/dev/null
	fds_before=$(fds_of "$server_pid")
	rss_before=$(rss_kib "$server_pid")
	worker >worker.out &
	job=$!
	at_exit "touch '$TMP/stop'"
	garbage
	half_open
	wait "$half_frame" || fail "half a frame is waited for"
	touch stop
	wait "$job" || fail "the mount did not go on: $(cat worker.out)"
	check wait_for 20 fds_at_most "$server_pid" "$fds_before"
	echo "   meanwhile $(cat worker.out); brick: $fds_before -> $(fds_of "$server_pid") descriptors," \
		"$rss_before -> $(rss_kib "$server_pid") KiB; $(grep -c 'dropped: ' server.log) lines say dropped"
	check sanitized test "$(rss_kib "$server_pid")" -le $((rss_before + 4096))
	check test "$(grep -c 'dropped: ' server.log)" -lt 200
	check alive "$server_pid"
	check test "$(dump_value "$server_pid" "$TMP/server.log" sessions)" -eq 1
	unmount "$TMP/mnt" "$mount_pid"
	stop_pid "$server_pid"
}

# sanitized COMMAND...: true for a sanitizers' build, where memory is not what it is otherwise
sanitized()
{
	is_sanitized || "$@"
}

# A client that stops: it neither sends nor reads, its kernel still takes what fits. It holds an open file and a reading.
stopped_peer()
{
	local server_pid stopped_pid other_pid fds_before reader holder

	note "a peer that stops reading is dropped; everybody else goes on"
	serve server2 "$TMP/brick" 'client-timeout 3s' 'grace 2s'
	server_pid=$pid
	mount_of other "$TMP/other" "$port"
	other_pid=$pid
	head -c 32M /dev/urandom >"$TMP/other/big"
	fds_before=$(fds_of "$server_pid")
	mount_of stopped "$TMP/mnt" "$port"
	stopped_pid=$pid
	at_exit "kill -CONT $stopped_pid 2>/dev/null"
	cat "$TMP/mnt/big" >/dev/null 2>&1 &		# may lose its connection
	reader=$!
	mkfifo go
	# The holder's descriptor is not for the children of this script: each would wait in close() for the stopped client.
	( exec 9>"$TMP/mnt/held"; : >holds; read -r _ <go; echo again >&9 ) &
	holder=$!
	must_wait_for 10 test -e holds
	kill -STOP "$stopped_pid"
	check wait_for 20 logged server2 'dropped: .*nothing was heard of it'
	check sh -c "echo still >'$TMP/other/still' && grep -q still '$TMP/other/still'"
	check wait_for 10 fds_at_most "$server_pid" "$fds_before"
	note "it goes on after it was dropped"
	kill -CONT "$stopped_pid"
	check wait_for 20 cmp "$TMP/brick/big" "$TMP/mnt/big"
	echo go >go
	wait "$holder" || fail "a file that was open before is not any more"
	check grep -q again "$TMP/brick/held"
	wait "$reader"
	rm -f "$TMP/other/big" "$TMP/other/held" "$TMP/other/still"
	unmount "$TMP/mnt" "$stopped_pid"
	unmount "$TMP/other" "$other_pid"
	stop_pid "$server_pid"
	brick_is_whole "$TMP/brick"
}

# ---- directories and disks ---------------------------------------------------------------------------------

# no_brick DIRECTORY PATTERN: a server does not start there and says why.
no_brick()
{
	local depth=2

	{ posix_volume brick "$1"; server_volume "$port" brick; } >nobrick.vol
	expect error "$2" glusterfsd -N -f nobrick.vol
	expect error "$2" glusterfsd -f nobrick.vol
	check not listens "$port"
}

not()
{
	! "$@"
}

# type_mount TYPE DIR [OPTIONS]: a file system in memory, or nothing when the kernel does not know it
type_mount()
{
	mkdir -p "$2"
	mount -t "$1" ${3:+-o "$3"} none "$2" 2>/dev/null || return
	at_exit "umount -l '$2'"
}

directories()
{
	note "brick directories"
	free_port
	no_brick "$TMP/no/such/brick" 'nobrick\.vol:3.*does not exist, nor does'
	touch file
	no_brick "$TMP/file" 'is not a directory'
	no_brick /proc/self/fd 'without extended attributes|cannot set extended'
	no_brick /sys/kernel 'cannot (make|set)|without extended|read-only'
	if type_mount ramfs ramfs; then
		no_brick "$TMP/ramfs" 'without extended attributes.*ramfs'
		check test -z "$(ls -A ramfs)"
		check test ! -e "$TMP/ramfs/.glusterfs"
	fi
	if type_mount tmpfs roroot ro; then
		no_brick "$TMP/roroot" 'read-only file system'
		no_brick "$TMP/roroot/brick" 'Read-only file system'
	fi

	note "a directory that is missing is made, with a warning"
	{ posix_volume brick "$TMP/made"; server_volume "$port" brick; } >made.vol
	run start_daemon made -f made.vol
	check test "$status" -eq 0
	grep -q 'did not exist; it was made' made.log || grep -q 'it was made' <<<"$out" || fail "no warning: $out"
	must_wait_for 5 test -s made.pid
	made_pid=$(cat made.pid)
	at_exit "stop_pid $made_pid"
	brick_is_whole "$TMP/made"

	note "a brick that is in use"
	sed "s/ $port/ $((port + 1))/" made.vol >second.vol
	expect error "in use by pid $made_pid" glusterfsd -f second.vol
	mkdir -p made/inside
	sed "s|made|made/inside|" second.vol >inside.vol
	check alive "$made_pid"
	stop_pid "$made_pid"
}

# fill DIR: makes small files and directories and writes until everything fails. The errno of each must be ENOSPC.
fill()
{
	local i failed=0

	dd if=/dev/zero of="$1/filler" bs=64k count=64000 2>&1 | grep -q 'No space left' || fail "filling: no ENOSPC"
	dd if=/dev/zero of="$1/filler2" bs=1k count=64000 2>&1 | grep -q 'No space left' || fail "filling: no ENOSPC"
	for ((i = 0; i < 4000 && failed < 40; i++)); do
		run mkdir "$1/a-directory-whose-name-fills-the-block-of-its-parent-$i"
		if [ "$status" -ne 0 ]; then
			failed=$((failed + 1))
			grep -q 'No space left' <<<"$out" || fail "mkdir: $out"
		fi
		run touch "$1/a-file-whose-name-fills-the-block-of-its-parent-soon-$i"
		if [ "$status" -ne 0 ]; then
			failed=$((failed + 1))
			grep -q 'No space left' <<<"$out" || fail "touch: $out"
		fi
		run ln -s "$(printf 'x%.0s' {1..200})" "$1/symlink-$i"
		if [ "$status" -ne 0 ]; then
			failed=$((failed + 1))
			grep -q 'No space left' <<<"$out" || fail "ln -s: $out"
		fi
	done
	check test "$failed" -ge 40
}

full_disk()
{
	local server_pid mount_pid before

	note "a disk that is full"
	make_disk "$TMP/small" 20 -N 2000 -m 0
	mkdir small/brick
	serve full "$TMP/small/brick"
	server_pid=$pid
	mount_of fullmnt "$TMP/mnt" "$port"
	mount_pid=$pid
	echo precious >mnt/precious
	fill "$TMP/mnt"
	check test "$(cat mnt/precious)" = precious
	brick_is_whole "$TMP/small/brick"
	note "there is room again"
	rm -f mnt/filler mnt/filler2
	check sh -c 'echo new >mnt/new && mkdir mnt/newdir && echo x >>mnt/precious'
	find mnt -mindepth 1 -delete || fail "cannot empty it"
	before=$(ls -A small/brick)
	check test "$before" = .glusterfs
	brick_is_whole "$TMP/small/brick"

	note "no inodes are left"
	for ((i = 0; i < 3000; i++)); do
		: >"mnt/i$i" || break
	done 2>inodes.err
	check grep -q 'No space left' inodes.err
	brick_is_whole "$TMP/small/brick"
	rm -f mnt/i*
	unmount "$TMP/mnt" "$mount_pid"
	stop_pid "$server_pid"
}

# What ext4 does with errors=remount-ro when the disk fails under it.
break_disk()
{
	local trigger

	trigger=/sys/fs/ext4/$(basename "$(findmnt -n -o SOURCE "$1")")/trigger_fs_error
	mount -o remount,errors=remount-ro "$1" && [ -w "$trigger" ] && echo "the test's" >"$trigger"
}

only_reads()
{
	expect error 'Read-only file system' touch mnt/new
	expect error 'Read-only file system' mkdir mnt/newdir
	expect error 'Read-only file system' rm mnt/d/file
	expect error 'Read-only file system' mv mnt/d mnt/e
	expect error 'Read-only file system' chmod 600 mnt/d/file
	expect error 'Read-only file system' ln mnt/d/file mnt/link
	expect error 'Read-only file system' sh -c 'echo more >>mnt/d/file'
	expect error 'Read-only file system' setfattr -n user.x -v y mnt/d/file
	expect 0 '^data$' cat mnt/d/file
	expect 0 'file' ls -lR mnt
	expect 0 '' df mnt
}

read_only_disk()
{
	local server_pid mount_pid

	note "a disk that is made read-only"
	make_disk "$TMP/failing" 8
	mkdir failing/brick
	serve rofs "$TMP/failing/brick"
	server_pid=$pid
	mount_of romnt "$TMP/mnt" "$port"
	mount_pid=$pid
	mkdir mnt/d
	echo data >mnt/d/file
	# nobody has a file open for writing, the server neither (the last close takes moments)
	check wait_for 10 mount -o remount,ro "$TMP/failing"
	only_reads
	check logged rofs 'E .* brick: create: Read-only file system'
	check logged rofs 'E .* brick: unlink: Read-only file system'
	note "it is writable again"
	check mount -o remount,rw "$TMP/failing"
	echo new >mnt/new || fail "cannot write"
	rm mnt/new
	note "a disk that fails, and is made read-only by the kernel"
	if break_disk "$TMP/failing"; then
		only_reads
	else
		echo "   (left out: this kernel cannot make ext4 fail)"
	fi
	unmount "$TMP/mnt" "$mount_pid"
	stop_pid "$server_pid"
	brick_is_whole "$TMP/failing/brick"
	no_brick "$TMP/failing/brick" 'ead-only file system'
}

# A mirror of a large and a small disk, the small one second.
full_disk_below_a_mirror()
{
	local pid1 port1 pid2 port2 mount_pid

	note "a mirror with one full disk"
	mkdir -p big small/brick
	serve mirror1 "$TMP/big"
	pid1=$pid port1=$port
	serve mirror2 "$TMP/small/brick"
	pid2=$pid port2=$port
	{ client_volume remote1 "$port1" brick; client_volume remote2 "$port2" brick; afr_volume mirror remote1 remote2; } >afr.vol
	start_mount afr afr.vol "$TMP/mnt" || die "no mirror"
	mount_pid=$pid
	echo small >mnt/both
	check cmp big/both small/brick/both
	head -c 24M /dev/urandom >data
	check cp data mnt/data
	check cmp data mnt/data
	check cmp data big/data
	check logged afr 'remote2 is out: write failed there: No space left on device'
	check mkdir mnt/newdir
	check sh -c 'echo new >mnt/newdir/file'
	check test "$(cat mnt/newdir/file)" = new
	brick_is_whole "$TMP/big"
	brick_is_whole "$TMP/small/brick"
	unmount "$TMP/mnt" "$mount_pid"
	note "it is remembered, and healed when there is room"
	start_mount afr2 afr.vol "$TMP/mnt" -L DEBUG || die "no mirror"
	mount_pid=$pid
	check cmp data mnt/data
	check logged afr2 'remote2 is being healed'
	check rm mnt/data
	check wait_for 60 logged afr2 'the view is .*full 0 1$'
	check cmp big/newdir/file small/brick/newdir/file
	unmount "$TMP/mnt" "$mount_pid"
	stop_pid "$pid1"
	stop_pid "$pid2"
	rm data
}

# ---- callers ---------------------------------------------------------------------------------------------

# as UID GID GROUPS COMMAND...: GROUPS is a comma list or empty
as()
{
	local uid=$1 gid=$2 groups=$3

	shift 3
	if [ -n "$groups" ]; then
		setpriv --reuid="$uid" --regid="$gid" --groups="$groups" "$@"
	else
		setpriv --reuid="$uid" --regid="$gid" --clear-groups "$@"
	fi
}

# owned FILE UID:GID
owned()
{
	[ "$(stat -c %u:%g "$1")" = "$2" ] || { echo "$1 belongs to $(stat -c %u:%g "$1"), not $2" >&2; return 1; }
}

# A brick with places for everybody, root only, nobody only, a group.
make_places()
{
	rm -rf "$1"
	mkdir -p "$1"/{public,root,nobody,group,user}
	chmod 777 "$1" "$1/public"
	chmod 700 "$1/root" "$1/nobody" "$1/user"
	chmod 770 "$1/group"
	chown 65534:65534 "$1/nobody"
	chown 0:2000 "$1/group"
	chown 1000:1000 "$1/user"
	echo root >"$1/root/secret"
	echo root >"$1/public/of-root"
	chmod 600 "$1/public/of-root"
}

root_squash()
{
	local server_pid mount_pid many

	note "root-squash"
	make_places squash
	serve squash "$TMP/squash" 'root-squash on'
	server_pid=$pid
	client_volume remote "$port" brick >squashmnt.vol
	start_mount squashmnt squashmnt.vol "$TMP/mnt" || die "no mount"
	mount_pid=$pid
	check touch mnt/public/by-root
	check owned squash/public/by-root 65534:65534
	check mkdir mnt/public/dir-by-root
	check owned squash/public/dir-by-root 65534:65534
	check ln -s x mnt/public/link-by-root
	check owned squash/public/link-by-root 65534:65534
	check sh -c 'echo text >mnt/public/by-root && grep -q text mnt/public/by-root'
	check touch mnt/nobody/by-root
	expect error 'Permission denied' touch mnt/root/by-root
	expect error 'Permission denied' cat mnt/root/secret
	expect error 'Permission denied' cat mnt/public/of-root
	expect error '(Permission denied|not permitted)' chmod 777 mnt/root
	expect error '(Permission denied|not permitted)' chown 1000 mnt/public/by-root
	expect error '(Permission denied|not permitted)' setfattr -n trusted.x -v 1 mnt/public/by-root
	expect error 'Permission denied' rm -f mnt/root/secret
	check test -e squash/root/secret
	check test "$(stat -c %a squash/root)" = 700
	note "   other users are themselves"
	check as 1000 1000 '' touch mnt/public/by-user
	check owned squash/public/by-user 1000:1000
	check as 1000 1000 '' touch mnt/user/by-user
	expect error 'Permission denied' as 1000 1000 '' touch mnt/group/without
	check as 1000 1000 2000 touch mnt/group/with
	check owned squash/group/with 1000:1000
	check as 1000 0 '' touch mnt/public/by-group-0
	check owned squash/public/by-group-0 1000:65534
	expect error 'Permission denied' as 1000 1000 0 cat mnt/root/secret
	note "   in all their groups, and by ACLs"
	many=$(seq -s , 3000 3300),2000
	check as 1000 1000 "$many" touch mnt/group/with-many
	check as 1000 1000 '' sh -c 'echo text >mnt/public/shared && chmod 600 mnt/public/shared'
	expect error 'Permission denied' as 1001 1001 '' cat mnt/public/shared
	check as 1000 1000 '' setfacl -m u:1001:r mnt/public/shared
	check as 1001 1001 '' cat mnt/public/shared
	expect error 'Permission denied' as 1002 1001 '' cat mnt/public/shared
	check as 1000 1000 2000 chgrp 2000 mnt/public/shared
	check as 1000 1000 2000 chmod 2750 mnt/public/shared
	check test "$(stat -c %a squash/public/shared)" = 2750
	check as 1000 1000 '' chmod 2770 mnt/public/shared
	check test "$(stat -c %a squash/public/shared)" = 770
	unmount "$TMP/mnt" "$mount_pid"
	stop_pid "$server_pid"
}

all_squash()
{
	local server_pid mount_pid

	note "all-squash, anon-uid"
	make_places all
	chown 4000:4001 all/nobody
	serve all "$TMP/all" 'all-squash on' 'anon-uid 4000' 'anon-gid 4001'
	server_pid=$pid
	mount_of allmnt "$TMP/mnt" "$port"
	mount_pid=$pid
	# not touch: the client's kernel refuses to set times of what belongs to the anonymous user
	check as 1000 1000 '' sh -c ': >mnt/public/by-user'
	check touch mnt/public/by-root
	check owned all/public/by-user 4000:4001
	check owned all/public/by-root 4000:4001
	check touch mnt/nobody/by-root
	expect error 'Permission denied' as 1000 1000 '' touch mnt/user/by-user
	expect error 'Permission denied' cat mnt/root/secret
	unmount "$TMP/mnt" "$mount_pid"
	stop_pid "$server_pid"
}

read_only_server()
{
	local server_pid mount_pid

	note "read-only"
	make_places ro
	echo text >ro/public/file
	serve ro "$TMP/ro" 'read-only on'
	server_pid=$pid
	mount_of romount "$TMP/mnt" "$port"
	mount_pid=$pid
	expect 0 '^text$' cat mnt/public/file
	expect error 'Read-only file system' touch mnt/public/new
	expect error 'Read-only file system' sh -c 'echo x >>mnt/public/file'
	expect error 'Read-only file system' rm mnt/public/file
	expect error 'Read-only file system' mkdir mnt/public/d
	expect error 'Read-only file system' mv mnt/public/file mnt/public/other
	expect error 'Read-only file system' chmod 600 mnt/public/file
	expect error 'Read-only file system' truncate -s 0 mnt/public/file
	expect error 'Read-only file system' setfattr -n user.x -v 1 mnt/public/file
	expect 0 '^text$' cat ro/public/file
	expect 0 'of-root' ls -lR mnt
	unmount "$TMP/mnt" "$mount_pid"
	stop_pid "$server_pid"
}

marks_on_squashing_bricks()
{
	local pid1 port1 pid2 port2 mount_pid

	note "a mirror of two bricks that squash, one is killed"
	mkdir -m 777 sq1 sq2
	serve sq1 "$TMP/sq1" 'all-squash on'
	pid1=$pid port1=$port
	serve sq2 "$TMP/sq2" 'root-squash on'
	pid2=$pid port2=$port
	sed -i 's/root-squash/all-squash/' sq2.vol
	stop_pid "$pid2"
	start_daemon sq2 -f sq2.vol || die "no server sq2"
	pid2=$pid
	{ client_volume remote1 "$port1" brick; client_volume remote2 "$port2" brick; afr_volume mirror remote1 remote2; } >sq.vol
	start_mount sq sq.vol "$TMP/mnt" || die "no mirror"
	mount_pid=$pid
	check touch mnt/before
	check owned sq1/before 65534:65534
	check owned sq2/before 65534:65534
	kill -KILL "$pid2"
	check touch mnt/after
	check test -e sq1/after
	check logged sq 'remote2 is out'
	unmount "$TMP/mnt" "$mount_pid"
	stop_pid "$pid1"
}

mounts_that_cannot_be
network
stopped_peer
directories
full_disk
read_only_disk
full_disk_below_a_mirror
root_squash
all_squash
read_only_server
marks_on_squashing_bricks
finish
