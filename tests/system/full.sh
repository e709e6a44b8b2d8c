#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# A mirror whose bricks have different room: who is not home and full is put out and healed when there is
# room; what home refuses puts nobody out.  Disks that take a write and fail when it is to be durable: told once.

# Not in the mount namespaces that other tests make meanwhile: a copy of a mount there would keep it alive after umount.
if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need_xlator storage/posix cluster/afr features/replica protocol/client protocol/server
need_brickcheck
: "${GF_BUILDDIR:=$PWD}"
mnt=$TMP/mnt
mkdir "$mnt"

# mirror LEFT-MIB RIGHT-MIB: mounted.
mirror()
{
	rm -f "$TMP/mirror.log"
	make_disk "$TMP/left" "$1" || die "no disk"
	make_disk "$TMP/right" "$2" || die "no disk"
	mkdir "$TMP/left/brick" "$TMP/right/brick"
	{
		posix_volume left "$TMP/left/brick"
		posix_volume right "$TMP/right/brick"
		afr_volume mirror left right
	} >"$TMP/mirror.vol"
	start_mount mirror "$TMP/mirror.vol" "$mnt" || die "no mount"
}

# unmirror: unmounted, disks too.
unmirror()
{
	umount "$mnt" || fail "umount"
	must_wait_for 20 dead "$pid"
	brick_is_whole "$TMP/left/brick"
	brick_is_whole "$TMP/right/brick"
	umount "$TMP/left" "$TMP/right"
}

# nobody_out: no brick has been put out in this mount
nobody_out()
{
	! grep -q 'is out' "$TMP/mirror.log"
}

same()
{
	"$GF_BUILDDIR/tests/system/brickdiff" "$TMP/left/brick" "$TMP/right/brick" >"$TMP/diff" 2>&1
}

whole()
{
	sed -n 's/.*the view is //p' "$TMP/$1.log" | tail -n 1 | grep -q 'full 0 1$'
}


note "the second brick gets full, the first does not: it is put out, and healed when there is room"
mirror 128 48
[ "$(df --output=size -k "$mnt" | tail -n 1)" -lt 50000 ] || fail "df does not show the smaller brick"
head -c 60M /dev/urandom >"$TMP/data"
expect 0 '' cp "$TMP/data" "$mnt/data"
check cmp "$TMP/data" "$mnt/data"
check grep -q 'right is out: .*No space left' "$TMP/mirror.log"
echo after >"$mnt/after"
umount "$mnt" || fail "umount"
must_wait_for 20 dead "$pid"
start_mount again "$TMP/mirror.vol" "$mnt" -L DEBUG || die "no mount"
check cmp "$TMP/data" "$mnt/data"
check test "$(cat "$mnt/after")" = after
rm "$mnt/data"
must_wait_for 60 whole again
check same
unmirror

note "the first gets full: ENOSPC, as df has said, and nobody is put out"
mirror 48 64
expect error 'No space left' cp "$TMP/data" "$mnt/data"
cmp "$TMP/data" "$mnt/data" >"$TMP/cmp" 2>&1 && fail "all of it is there"
check grep -q '^cmp: EOF on' "$TMP/cmp"
rm "$mnt/data"
echo small >"$mnt/small"
check test "$(cat "$mnt/small")" = small
check nobody_out
unmirror

note "both refuse: nobody is put out, and they are equal"
mirror 48 48
expect error 'No space left' cp "$TMP/data" "$mnt/data"
rm "$mnt/data"
expect error 'No space left' fallocate -l 80M "$mnt/data"
rm -f "$mnt/data"
expect error 'File too large' truncate -s 16T "$mnt/large"
rm -f "$mnt/large"
echo small >"$mnt/small"
check nobody_out
same || fail "the bricks differ: $(head -n 20 "$TMP/diff")"
unmirror

note "the only brick left is full: there is room to note what is removed"
make_disk "$TMP/left" 48 || die "no disk"
mkdir "$TMP/left/brick" "$TMP/away"
ports=()
for side in left/brick away; do
	free_port
	{ posix_volume disk "$TMP/$side"; server_volume "$port" disk; } >"$TMP/server.vol"
	start_daemon "server${#ports[@]}" -f "$TMP/server.vol" || die "no server"
	ports+=("$port") pids+=("$pid")
done
{
	client_volume left "${ports[0]}" disk
	client_volume right "${ports[1]}" disk
	afr_volume mirror left right
} >"$TMP/served.vol"
start_mount served "$TMP/served.vol" "$mnt" -L DEBUG || die "no mount"
mount_pid=$pid
mkdir "$mnt/d"
for ((i = 0; i < 50; i++)); do echo "$i" >"$mnt/d/$i"; done
kill -KILL "${pids[1]}"
must_wait_for 10 dead "${pids[1]}"
expect error 'No space left' cp "$TMP/data" "$mnt/data"
dd if=/dev/zero of="$TMP/left/filler" bs=1k status=none 2>/dev/null
check rm -r "$mnt/d"
check rm "$mnt/data"
rm "$TMP/left/filler"
{ posix_volume disk "$TMP/away"; server_volume "${ports[1]}" disk; } >"$TMP/server.vol"
start_daemon server1 -f "$TMP/server.vol" || die "no server"
must_wait_for 60 whole served
umount "$mnt" || fail "umount"
must_wait_for 20 dead "$mount_pid"
stop_pid "$pid"
stop_pid "${pids[0]}"
"$GF_BUILDDIR/tests/system/brickdiff" "$TMP/left/brick" "$TMP/away" >"$TMP/diff" 2>&1 ||
	fail "the bricks differ: $(head -n 20 "$TMP/diff")"
umount "$TMP/left"

# Writes, then syncs through two descriptors, twice each.
cat >"$TMP/late.py" <<'END'
import os, sys
fds = [os.open(sys.argv[1], os.O_RDWR) for _ in range(2)]
os.pwrite(fds[0], b"x" * 8192, 0)
for fd in fds:
    for turn in range(2):
        try:
            os.fsync(fd)
            print("ok")
        except OSError:
            print("error")
END

# rotten DIR: an ext4 on DIR with a brick in it.  rot DIR: $mnt/data there cannot be written any more: its place in the
# image has none on the tmpfs below.
rotten()
{
	mkdir "$1" "$1.tmpfs"
	mount -t tmpfs -o size=70M none "$1.tmpfs" || skip "no tmpfs"
	at_exit "umount -l '$1.tmpfs'"
	truncate -s 64M "$1.tmpfs/image"
	mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=0,lazy_journal_init=0 "$1.tmpfs/image" || die "no ext4"
	fallocate -l 64M "$1.tmpfs/image"
	mount -o loop,user_xattr "$1.tmpfs/image" "$1" || die "no loop mount"
	at_exit "umount -l '$1'"
	mkdir "$1/brick"
}

rot()
{
	local at

	sync -f "$1"
	at=$(filefrag -v "$1/brick/data" | awk '$1 == "0:" { sub(/\.\..*/, "", $4); print $4 }')
	fallocate -l 64M "$1.tmpfs/image"	# also what mkfs or mount discarded
	fallocate -p -o $((at * 4096)) -l 65536 "$1.tmpfs/image" || skip "no holes in files of a tmpfs"
	dd if=/dev/zero of="$1.tmpfs/filler" bs=4k status=none 2>/dev/null
}

need filefrag python3 losetup
note "a disk that fails to write back: each descriptor is told once"
rotten "$TMP/rotten"
posix_volume brick "$TMP/rotten/brick" >"$TMP/late.vol"
start_mount late "$TMP/late.vol" "$mnt" || die "no mount"
head -c 1M /dev/urandom >"$mnt/data"
rot "$TMP/rotten"
expect 0 '' python3 "$TMP/late.py" "$mnt/data"
check test "$(tr '\n' ' ' <<<"$out")" = "error ok error ok "
umount "$mnt" || fail "umount"
must_wait_for 20 dead "$pid"

note "on a mirror the other brick is good, and nobody is told but the log"
rotten "$TMP/rotten2"
mkdir "$TMP/good"
{
	posix_volume left "$TMP/rotten2/brick"
	posix_volume right "$TMP/good"
	afr_volume mirror left right
} >"$TMP/mirror.vol"
start_mount mirror2 "$TMP/mirror.vol" "$mnt" || die "no mount"
head -c 1M /dev/urandom >"$mnt/data"
rot "$TMP/rotten2"
expect 0 '' python3 "$TMP/late.py" "$mnt/data"
check test "$(tr '\n' ' ' <<<"$out")" = "ok ok ok ok "
check grep -q 'left is out: a sync failed there' "$TMP/mirror2.log"
umount "$mnt" || fail "umount"
must_wait_for 20 dead "$pid"
finish
