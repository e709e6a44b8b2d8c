#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# mount/fuse as programs meet it: every family of system calls on several graphs, options of the
# mount, two hosts on one volume (close-to-open), ends of all kinds.

# Not in the mount namespaces that other tests make meanwhile: a copy of a mount there would keep it
# alive after umount.
if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need_xlator storage/posix features/posix-locks performance/io-threads
need_xlator protocol/client protocol/server
: "${GF_BUILDDIR:=$PWD}"
need_brickcheck
mkdir "$TMP/brick" "$TMP/mnt" "$TMP/other"

# stack FILE BRICK TYPE...: a volume file, storage/posix with the types on top of it.
stack()
{
	local file=$1 below=brick type n=0

	posix_volume brick "$2" >"$file"
	shift 2
	for type; do
		n=$((n + 1))
		printf 'volume v%d\n  type %s\n  subvolumes %s\nend-volume\n' "$n" "$type" \
			"$below" >>"$file"
		below=v$n
	done
}

# ended: the mount on $TMP/mnt and its process are gone.
ended()
{
	must_wait_for 20 dead "$pid"
	check not_mounted "$TMP/mnt"
	check test -z "$(ls -A "$TMP/mnt")"
}

# data_topics: the cases of tests/posix that depend on how the mount treats pages.
data_topics()
{
	local topic cases=() dir=$TMP/mnt/topic

	for topic in data direct mmap xattrs; do
		cases=()
		# What the kernel keeps back is not refused by the brick at once.
		[ "$topic ${1:-}" != "data writeback" ] || cases=(size cut_and_grow lengths vectors open_flags append
			append_together copy_range sendfile_and_splice beyond_8_tib)
		mkdir "$dir"
		expect 0 "" timeout 300 "$GF_BUILDDIR/tests/posix/$topic" "$dir" "${cases[@]}"
		rm -rf "$dir"
	done
}

# name_topics: those about names and permissions.
name_topics()
{
	local topic dir=$TMP/mnt/topic

	for topic in names links rename creation permissions acl; do
		mkdir "$dir"
		expect 0 "" timeout 300 "$GF_BUILDDIR/tests/posix/$topic" "$dir"
		rm -rf "$dir"
	done
}

# all_calls NAME ARGUMENTS...: mounts $TMP/NAME.vol, tries every call, unmounts.
all_calls()
{
	local name=$1

	shift
	note "every call: $name $*"
	rm -rf "$TMP/brick"
	mkdir "$TMP/brick"
	start_mount "$name" "$TMP/$name.vol" "$TMP/mnt" -o suid,dev "$@" || die "cannot mount $name"
	name_topics
	case $* in
	*writeback*) data_topics writeback ;;
	*timeout*) data_topics ;;
	esac
	umount "$TMP/mnt" || fail "umount"
	ended
	brick_is_whole "$TMP/brick"
}

graphs()
{
	stack "$TMP/locks.vol" "$TMP/brick" features/posix-locks performance/io-threads
	all_calls plain
	grep -q 'keep no locks' "$TMP/plain.log" || fail "the log does not say that there are no locks"
	all_calls locks
	! grep -q 'keep no locks' "$TMP/locks.log" || fail "the log says that there are no locks"
	all_calls locks --attr-timeout=0 --entry-timeout=0
	all_calls plain --xlator-option=fuse.writeback-cache=on --xlator-option=fuse.send-groups=on
}

options()
{
	local line

	note "options of the mount"
	start_mount plain "$TMP/plain.vol" "$TMP/mnt" --fs-name 'a name, with a comma' \
		-o noexec,noatime,nodiratime || die "cannot mount"
	line=$(grep " $TMP/mnt " /proc/self/mounts)
	check grep -q 'a\\040name,\\040with' <<<"$line"
	check grep -q ' fuse.glusterfs rw,nosuid,nodev,noexec,noatime' <<<"$line"
	check grep -q 'default_permissions,allow_other' <<<"$line"
	check test "$(df --output=fstype "$TMP/mnt" | tail -1)" = fuse.glusterfs
	cp /bin/true "$TMP/mnt/true"
	expect 126 '' "$TMP/mnt/true"
	umount "$TMP/mnt"
	ended
	start_mount plain "$TMP/plain.vol" "$TMP/mnt" --read-only || die "cannot mount"
	expect error 'Read-only' touch "$TMP/mnt/new"
	check test -e "$TMP/mnt/true"
	umount "$TMP/mnt"
	ended
	expect error 'no mount option "noexce"' glusterfs -f "$TMP/plain.vol" -o noexce "$TMP/mnt"
	expect error 'direct-io-mode.*perhaps' glusterfs -f "$TMP/plain.vol" \
		--xlator-option fuse.direct-io-mode=perhaps "$TMP/mnt"
	check not_mounted "$TMP/mnt"
}

our_xattrs()
{
	local name

	command -v setfattr >/dev/null || return 0
	note "xattrs of ours are neither seen nor written nor removed"
	start_mount plain "$TMP/plain.vol" "$TMP/mnt" || die "cannot mount"
	echo text >"$TMP/mnt/f"
	for name in trusted.gfid trusted.glusterfs.brick-id trusted.glusterfs.afr.out.others trusted.afr.x; do
		expect error 'not permitted' setfattr -n "$name" -v 0x00112233445566778899aabbccddeeff "$TMP/mnt/f"
		expect error 'not permitted' setfattr -x "$name" "$TMP/mnt/f"
		expect error 'not permitted' setfattr -x "$name" "$TMP/mnt"
		expect error 'No such attribute' getfattr -n "$name" "$TMP/mnt/f"
		expect error 'No such attribute' getfattr -n "$name" "$TMP/mnt"
	done
	expect 0 '^$' getfattr -d -m - "$TMP/mnt/f" "$TMP/mnt"
	expect 0 trusted.gfid getfattr -n trusted.gfid "$TMP/brick/f"
	umount "$TMP/mnt"
	ended
}

direct_io()
{
	note "direct-io-mode"
	rm -rf "$TMP/brick"
	mkdir "$TMP/brick"
	start_mount plain "$TMP/plain.vol" "$TMP/mnt" --direct-io-mode=enable || die "cannot mount"
	data_topics
	umount "$TMP/mnt"
	ended
}

bad_mount_points()
{
	note "mount points that cannot be"
	expect error 'No such file|no such directory' glusterfs -f "$TMP/plain.vol" "$TMP/none"
	touch "$TMP/file"
	expect error 'not a directory' glusterfs -f "$TMP/plain.vol" "$TMP/file"
	start_mount plain "$TMP/plain.vol" "$TMP/mnt" || die "cannot mount"
	kill -KILL "$pid"
	must_wait_for 10 dead "$pid"
	expect error 'umount '"$TMP/mnt" glusterfs -f "$TMP/plain.vol" "$TMP/mnt"
	umount "$TMP/mnt" || fail "umount of a dead mount"
	client_volume client 1 brick >"$TMP/nobody.vol"
	expect error 'not permitted to mount.*root' \
		setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \
		"$SBIN/glusterfs" --xlator-path="$XLATORS" -l - -N -f "$TMP/nobody.vol" "$TMP/other"
	expect error 'no FUSE.*modprobe fuse' \
		unshare --mount bash -c 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && exec "$@"' - \
		"$SBIN/glusterfs" --xlator-path="$XLATORS" -l - -N -f "$TMP/nobody.vol" "$TMP/other"
	note "who started it hears of a mount that fails after the brick has come up"
	expect error 'no FUSE.*modprobe fuse' \
		unshare --mount bash -c 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && exec "$@"' - \
		"$SBIN/glusterfs" --xlator-path="$XLATORS" -l "$TMP/late.log" -f "$TMP/plain.vol" "$TMP/other"
	check not_mounted "$TMP/other"
}

# A process that keeps a file open and a page of a mapping that nobody has written back.
cat >"$TMP/busy.py" <<'END'
import mmap, sys, time
f = open(sys.argv[1], "r+b")
m = mmap.mmap(f.fileno(), 4096)
m[0:5] = b"dirty"
open(sys.argv[2], "w").close()
time.sleep(60)
END

ends()
{
	local signal busy

	note "ends"
	for signal in TERM INT; do
		start_mount plain "$TMP/plain.vol" "$TMP/mnt" || die "cannot mount"
		kill -"$signal" "$pid"
		ended
	done
	command -v python3 >/dev/null || return 0
	rm -f "$TMP/ready"
	start_mount plain "$TMP/plain.vol" "$TMP/mnt" || die "cannot mount"
	head -c 4096 /dev/zero >"$TMP/mnt/mapped"
	python3 "$TMP/busy.py" "$TMP/mnt/mapped" "$TMP/ready" &
	busy=$!
	at_exit "kill $busy 2>/dev/null"
	must_wait_for 10 test -e "$TMP/ready"
	expect error 'busy' umount "$TMP/mnt"
	kill -TERM "$pid"
	ended
	check grep -q '^dirty' "$TMP/brick/mapped"
	kill "$busy"
	note "a busy mount, unmounted lazily by somebody else"
	start_mount plain "$TMP/plain.vol" "$TMP/mnt" || die "cannot mount"
	exec 9>"$TMP/mnt/open"
	umount -l "$TMP/mnt"
	echo still >&9
	exec 9>&-
	ended
	check grep -q still "$TMP/brick/open"
}

# asks_itself PID: one of its threads waits for an answer of a FUSE mount, which can only be its own.
asks_itself()
{
	grep -qE 'request_wait_answer|fuse_simple_request' "/proc/$1/task/"*/stack
}

# A process that is ending has found its mount, and then somebody else's is in that place.
foreign_mount()
{
	local server ending

	grep -q . /proc/self/stack 2>/dev/null || return 0
	note "a process that ends leaves the mount of another process alone"
	start_daemon foreign -f "$TMP/server.vol" || die "no server"
	server=$pid
	start_mount ending "$TMP/client.vol" "$TMP/mnt" || die "cannot mount"
	ending=$pid
	at_exit "kill -CONT $server 2>/dev/null"
	kill -STOP "$server"
	kill -TERM "$ending"
	must_wait_for 10 asks_itself "$ending"
	umount -l "$TMP/mnt"
	mkdir "$TMP/second"
	stack "$TMP/second.vol" "$TMP/second"
	start_mount second "$TMP/second.vol" "$TMP/mnt" || die "cannot mount"
	kill -CONT "$server"
	must_wait_for 30 dead "$ending"
	check is_mounted "$TMP/mnt"
	check alive "$pid"
	umount "$TMP/mnt"
	ended
	stop_pid "$server"
}

linked_mount_point()
{
	note "a mount point that was given as a symbolic link"
	ln -s mnt "$TMP/link"
	start_mount plain "$TMP/plain.vol" "$TMP/link" || die "cannot mount"
	at_exit "! is_mounted '$TMP/mnt' || umount -l '$TMP/mnt'"
	check is_mounted "$TMP/mnt"
	kill -TERM "$pid"
	ended
}

# same FILE: both mounts see the same, now.
same()
{
	cmp -s "$TMP/mnt/$1" "$TMP/other/$1"
}

close_to_open()
{
	local i text a=$TMP/mnt b=$TMP/other

	note "two mounts: what one has closed the other reads when it opens it"
	start_daemon server -f "$TMP/server.vol" || die "no server"
	server=$pid
	start_mount a "$TMP/client.vol" "$a" -a 60 -e 60 || die "cannot mount"
	start_mount b "$TMP/client.vol" "$b" -a 60 -e 60 || die "cannot mount"
	for ((i = 0; i < 30; i++)); do
		# new, longer, shorter, of the same length, appended to, each while the other has it in its cache
		for text in "one $i" "longer than before $i" "$i" "same size"; do
			echo "$text" >"$a/f"
			[ "$(cat "$b/f")" = "$text" ] || fail "round $i: b did not read '$text'"
			echo "${text^^}" >"$b/f"
			[ "$(cat "$a/f")" = "${text^^}" ] || fail "round $i: a did not read its text"
			echo more >>"$a/f"
			[ "$(tail -n 1 "$b/f")" = more ] || fail "round $i: b did not read more"
			echo and more >>"$b/f"
			[ "$(tail -n 1 "$a/f")" = "and more" ] || fail "round $i: a did not read more"
		done
		# pages in place, size and name as before
		dd if=/dev/urandom of="$a/big" bs=64k count=3 conv=notrunc status=none
		cmp "$a/big" "$b/big" || fail "round $i: big is not the same"
		touch -d '2020-01-01' "$a/big"
		dd if=/dev/urandom of="$b/big" bs=64k count=3 conv=notrunc status=none
		touch -d '2020-01-01' "$b/big"
		cmp "$a/big" "$b/big" || fail "round $i: big with its old time is not the same"
	done
	[ ! -e "$b/late" ] || fail "late is there"
	echo x >"$a/late"
	[ -e "$b/late" ] || fail "a name that was not there is still not"
}

# Appends in turn through files that stay open; the one that has the pages must come to see what the other wrote there.
cat >"$TMP/append.py" <<'END'
import os, sys
a, b = (os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND) for path in sys.argv[1:3])
wanted = b""
for i in range(200):
    os.write(a, b"first %d\n" % i)
    wanted += b"first %d\n" % i
    os.pread(a, 1 << 20, 0)
    second, at = b"2nd %d\n" % i, len(wanted)
    os.write(b, second)
    wanted += second
    os.write(a, b"third %d\n" % i)
    wanted += b"third %d\n" % i
    while os.pread(a, len(second), at) != second:
        pass
assert open(sys.argv[3], "rb").read() == wanted, "the brick has other bytes"
while os.pread(a, 1 << 20, 0) != wanted or os.fstat(a).st_size != len(wanted):
    pass
END

appends()
{
	command -v python3 >/dev/null || return 0
	note "two mounts append to a file that both have open"
	expect 0 '^$' timeout 30 python3 "$TMP/append.py" "$TMP/mnt/log" "$TMP/other/log" "$TMP/brick/log"
}

copies()
{
	local before

	note "a copy is made on the brick: nothing is read"
	head -c 8M /dev/urandom >"$TMP/mnt/from"
	echo 3 >/proc/sys/vm/drop_caches
	before=$(reads)
	cp "$TMP/mnt/from" "$TMP/mnt/to"
	[ "$(reads)" -eq "$before" ] || fail "$(($(reads) - before)) reads of the brick for a copy"
	cmp "$TMP/brick/from" "$TMP/brick/to" || fail "the copy differs"
}

# Creates that race: each name is made by whoever comes first, the other opens it.
creates()
{
	local i

	for ((i = 0; i < 200; i++)); do
		echo "$1 $i" >>"$2/race$i" || return 1
	done
}

races()
{
	local i first

	note "two mounts: O_CREAT without O_EXCL of the same names"
	creates a "$TMP/mnt" &
	first=$!
	creates b "$TMP/other" || fail "b could not open a file that it wanted to create"
	wait "$first" || fail "a could not open a file that it wanted to create"
	for ((i = 0; i < 200; i++)); do
		[ "$(wc -l <"$TMP/brick/race$i")" -eq 2 ] || fail "race$i has not two lines"
		same "race$i" || fail "race$i is not the same"
	done
}

kept_pages()
{
	local before after

	note "pages are kept when nobody else has changed the file"
	head -c 1M /dev/urandom >"$TMP/mnt/kept"
	cat "$TMP/mnt/kept" >/dev/null
	before=$(reads)
	cat "$TMP/mnt/kept" >/dev/null
	chmod 600 "$TMP/mnt/kept"
	cat "$TMP/mnt/kept" >/dev/null
	printf x | dd of="$TMP/mnt/kept" bs=1 seek=5 conv=notrunc status=none
	cat "$TMP/mnt/kept" >/dev/null
	after=$(reads)
	[ "$((after - before))" -le 1 ] || fail "$((after - before)) reads of pages that were there"
}

stuck_brick()
{
	local reader

	note "a brick that does not answer: a signal ends who waits, TERM ends the mount"
	start_daemon stuck -f "$TMP/server.vol" || die "no server"
	server=$pid
	start_mount s "$TMP/client.vol" "$TMP/mnt" || die "cannot mount"
	head -c 1M /dev/urandom >"$TMP/mnt/data"
	at_exit "kill -CONT $server"
	kill -STOP "$server"
	dd if="$TMP/mnt/data" of=/dev/null iflag=direct bs=64k status=none &
	reader=$!
	wait_for 3 grep -q dd /proc/$reader/comm
	kill -INT "$reader"
	kill -TERM "$reader"
	must_wait_for 10 dead "$reader"
	stat "$TMP/mnt/never" >/dev/null 2>&1 &
	kill -TERM "$pid"
	must_wait_for 30 dead "$pid"
	check not_mounted "$TMP/mnt"
	kill -CONT "$server"
	stop_pid "$server"
}

memory()
{
	local before after i holder

	note "what the kernel forgets is forgotten"
	start_mount plain "$TMP/plain.vol" "$TMP/mnt" || die "cannot mount"
	mkdir "$TMP/mnt/many"
	seq -f "$TMP/mnt/many/%g" 3000 | xargs touch
	# Open, or another test may make the kernel forget them too early.
	mkfifo "$TMP/let-go"
	(
		ulimit -n 4096
		for i in "$TMP"/mnt/many/*; do
			exec {holder}<"$i"
		done
		echo >"$TMP/held"
		read -r <"$TMP/let-go"
	) &
	holder=$!
	must_wait_for 60 test -s "$TMP/held"
	before=$(dumped "$pid" plain inodes)
	[ "$before" -ge 3000 ] || fail "only $before inodes are known"
	echo >"$TMP/let-go"
	wait "$holder"
	for ((i = 0; i < 20; i++)); do
		echo 2 >/proc/sys/vm/drop_caches
		after=$(dumped "$pid" plain inodes)
		[ "$after" -lt 100 ] && break
	done
	[ "$after" -lt 100 ] || fail "$after of $before inodes are still known"
	umount "$TMP/mnt"
	ended
}

# dumped PID NAME KEY: the value in a statedump of the mount NAME.
dumped()
{
	local n file

	n=$(grep -c 'statedump: ' "$TMP/$2.log")
	kill -USR1 "$1"
	must_wait_for 10 eval "[ \$(grep -c 'statedump: ' '$TMP/$2.log') -gt $n ]"
	file=$(sed -n 's/.*statedump: //p' "$TMP/$2.log" | tail -n 1)
	sed -n "/^\[fuse: /,/^\$/s/^$3=\([0-9]*\).*/\1/p" "$file"
	rm -f "$file"
}

# reads: how many the brick has been asked for.
reads()
{
	local n file

	n=$(grep -c 'statedump: ' "$TMP/server.log")
	kill -USR1 "$server"
	must_wait_for 10 eval "[ \$(grep -c 'statedump: ' '$TMP/server.log') -gt $n ]"
	file=$(sed -n 's/.*statedump: //p' "$TMP/server.log" | tail -n 1)
	sed -n '/^\[brick/,/^$/s/^calls\.read=\([0-9]*\).*/\1/p' "$file" | grep . || echo 0
	rm -f "$file"
}

# Some parts alone: tests/system/fuse.sh PART...
free_port
{
	posix_volume brick "$TMP/brick"
	printf 'volume locks\n  type features/posix-locks\n  subvolumes brick\nend-volume\n'
	server_volume "$port" locks
} >"$TMP/server.vol"
client_volume client "$port" locks >"$TMP/client.vol"
stack "$TMP/plain.vol" "$TMP/brick"
if [ $# -gt 0 ]; then
	for part; do
		"$part"
	done
	finish
fi
graphs
options
our_xattrs
direct_io
bad_mount_points
ends
foreign_mount
linked_mount_point
memory
stuck_brick
close_to_open
appends
copies
races
kept_pages
finish
