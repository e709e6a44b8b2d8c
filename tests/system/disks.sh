#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Bricks on other disks than ext4, and a mirror of them: copies that share their blocks (xfs), quotas (btrfs), xattrs of 64 KiB.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need losetup python3
need_xlator storage/posix features/posix-locks protocol/client protocol/server cluster/afr
need_brickcheck
mnt=$TMP/mnt
mkdir "$mnt"

# other_disk TYPE DIR MEGABYTES: false where it cannot be made here.
other_disk()
{
	local image

	command -v "mkfs.$1" >/dev/null && grep -qw "$1" /proc/filesystems || { echo "   no $1 here"; return 1; }
	image=$(mktemp -p /dev/shm gf-disk.XXXXXX) || die "no /dev/shm"
	at_exit "rm -f '$image'"
	truncate -s "$3M" "$image"
	case $1 in
	xfs) mkfs.xfs -q -f "$image" ;;
	btrfs) mkfs.btrfs -q -f "$image" >/dev/null 2>&1 ;;
	esac || die "mkfs.$1"
	mkdir "$2"
	mount -o loop "$image" "$2" || { echo "   $1 cannot be mounted here"; return 1; }
	at_exit "! is_mounted '$2' || umount -l '$2'"
}

# mirror_on LEFT [RIGHT]: mounted; a server for each brick.
mirror_on()
{
	local side

	servers=()
	: >"$TMP/mirror.vol"
	for side; do
		mkdir "$TMP/$side/brick"
		free_port
		{ posix_volume brick "$TMP/$side/brick"; server_volume "$port" brick; } >"$TMP/$side.vol"
		start_daemon "server-$side" -f "$TMP/$side.vol" || die "no server of $side"
		servers+=("$pid")
		client_volume "$side" "$port" brick >>"$TMP/mirror.vol"
	done
	[ $# -eq 1 ] || afr_volume mirror "$@" >>"$TMP/mirror.vol"
	start_mount mirror "$TMP/mirror.vol" "$mnt" || die "no mount"
}

# mirror_off LEFT RIGHT: both are whole, and were there until now.
mirror_off()
{
	local side

	umount "$mnt" || fail umount
	! grep 'is out' "$TMP/mirror.log" || fail "a brick was put out"
	for pid in "${servers[@]}"; do
		stop_pid "$pid"
	done
	for side; do
		brick_is_whole "$TMP/$side/brick"
		umount "$TMP/$side" || fail "umount of $side"
	done
}

used_kib()
{
	sync -f "$1"
	df --output=used -k "$1" | tail -n 1
}

shared_blocks()
{
	local before grown

	note "xfs: a copy within the mirror shares its blocks on each brick"
	other_disk xfs "$TMP/x1" 400 && other_disk xfs "$TMP/x2" 400 || return 0
	mirror_on x1 x2
	head -c 40M /dev/urandom >"$mnt/from"
	sync "$mnt/from"
	before=$(($(used_kib "$TMP/x1") + $(used_kib "$TMP/x2")))
	cp --reflink=auto "$mnt/from" "$mnt/to"
	grown=$(($(used_kib "$TMP/x1") + $(used_kib "$TMP/x2") - before))
	[ "$grown" -lt 10240 ] || fail "a copy of 40 MiB took $grown KiB of both"
	check cmp "$mnt/from" "$mnt/to"
	printf changed | dd of="$mnt/to" conv=notrunc status=none
	check test "$(head -c 7 "$TMP/x2/brick/to")" = changed
	check cmp -s "$TMP/x1/brick/from" "$TMP/x2/brick/from"
	[ "$(head -c 7 "$mnt/from")" != changed ] || fail "a change of the copy is in the original"
	head -c 65536 /dev/urandom >"$TMP/value"
	expect 0 '' python3 -c 'import os, sys
v = open(sys.argv[2], "rb").read()
os.setxattr(sys.argv[1], "user.large", v)
assert os.getxattr(sys.argv[1], "user.large") == v' "$mnt/from" "$TMP/value"
	mirror_off x1 x2
}

# What is told when the quota is used up: by whom, and that nothing else is.
cat >"$TMP/quota.py" <<'END'
import errno, os, sys
path = sys.argv[1]
fd, size = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL), 0
try:
    while size < 200 << 20:
        size += os.write(fd, os.urandom(1 << 20))
except OSError as e:
    assert e.errno == errno.EDQUOT, e
assert 20 << 20 < size < 60 << 20, size
assert os.fstat(fd).st_size == size
for call in (lambda: os.posix_fallocate(fd, size, 100 << 20), lambda: os.pwrite(fd, b"x" * (4 << 20), 100 << 20)):
    try:
        call()
        sys.exit("it goes on")
    except OSError as e:
        assert e.errno == errno.EDQUOT, e
os.fsync(fd)
os.close(fd)
END

quotas()
{
	local side

	note "btrfs: a quota that is used up is told by the write (EDQUOT), and puts nobody out"
	command -v btrfs >/dev/null || { echo "   no btrfs here"; return 0; }
	# Not below cluster/afr: its mapped journal needs a file system that writes in place (man replica).
	other_disk btrfs "$TMP/b1" 400 || return 0
	mirror_on b1
	for side in b1; do
		btrfs quota enable "$TMP/$side" && btrfs qgroup limit 50M 0/5 "$TMP/$side" || die "no quota on $side"
	done
	expect 0 '^$' python3 "$TMP/quota.py" "$mnt/file"
	mirror_off b1
}

shared_blocks
quotas
finish
