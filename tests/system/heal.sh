#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# cluster/afr: a brick of which nobody knows what it lacks.  Its host lost power, it is a new one in the place of another, its healer died;
# and one that does not belong here.
#
#	LONG=1 heal.sh	more of everything

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/mirror.sh"
need_mount
need_brickcheck
need python3 setfattr getfattr
need_xlator storage/posix protocol/client protocol/server cluster/afr features/replica features/posix-locks

FILES=1500
[ -z "${LONG:-}" ] || FILES=20000

# power_off NAME: its host is another boot from now on, and the brick had no time to say anything.
power_off()
{
	kill_brick "$1"
	cat /proc/sys/kernel/random/uuid >"$TMP/boot.$1"
}

# The brick sees the boot id of its own host (replica-register.h).
boot()
{
	GLUSTERFS_BOOT_ID=$TMP/boot.$1 brick "$1"
}

# same FILE...: content of extended attributes on both bricks
xattrs_equal()
{
	local b

	for b in one two; do
		(cd "$TMP/$b" && find . -path ./.glusterfs -prune -o -print0 | sort -z | xargs -0 getfattr -h -d -m '^user\.' 2>&1) >"$TMP/xattrs.$b"
	done
	diff "$TMP/xattrs.one" "$TMP/xattrs.two" >"$TMP/diff"
}

healed()
{
	must_wait_for 60 whole "$1"
	equal || fail "$2: the bricks differ: $(head -n 5 "$TMP/diff")"
	xattrs_equal || fail "$2: extended attributes differ: $(head -n 5 "$TMP/diff")"
}

compared()
{
	grep -c 'is compared: ' "$TMP/mnt.log"
}

# write_on NAME: until $TMP/enough is there; each must succeed
write_on()
{
	local d=$1 i=0

	mkdir -p "$d" || return 1
	until [ -e "$TMP/enough" ]; do
		i=$((i + 1))
		echo "$i" >"$d/f$i" && mv "$d/f$i" "$d/g$((i % 50))" && echo more >>"$d/g$((i % 50))" || return 1
		mkdir -p "$d/d$((i % 7))" && mv "$d/g$((i % 50))" "$d/d$((i % 7))/" && ln "$d/d$((i % 7))/g$((i % 50))" "$d/l$i" || return 1
		[ $((i % 3)) != 0 ] || rm "$d/l$i" || return 1
	done
	echo "$i" >"$TMP/written"
}

fill()
{
	local d=$1 i

	mkdir -p "$d/deep/a/b/c/d/e/f/g" "$d/empty" "$d/many"
	for i in 1 2 3 4 5 6 7 8; do
		head -c $((i * 70000)) /dev/urandom >"$d/f$i"
	done
	head -c 20000000 /dev/urandom >"$d/large"
	ln "$d/f1" "$d/deep/link1" && ln "$d/f1" "$d/many/link2"
	ln -s ../f2 "$d/deep/symlink" && ln -s nowhere "$d/dangling"
	setfattr -n user.a -v one "$d/f2" && setfattr -n user.dir -v two "$d/empty"
	chmod 640 "$d/f3" && chmod 2755 "$d/empty" && chown 1234:4321 "$d/f4"
	truncate -s 1G "$d/sparse"
	printf begin | dd of="$d/sparse" conv=notrunc status=none
	printf middle | dd of="$d/sparse" bs=1M seek=600 conv=notrunc status=none
	touch -d '2001-02-03 04:05:06' "$d/f5" "$d/deep/a/b"
	for i in $(seq 100); do echo "$i" >"$d/many/$i"; done
	echo deep >"$d/deep/a/b/c/d/e/f/g/file"
}

# What a disk may look like after a power loss, and worse.
damage()
{
	local d=$1/t

	head -c 140000 /dev/zero | tr '\0' x | dd of="$d/f2" conv=notrunc status=none
	truncate -s 100 "$d/f3"
	rm "$d/f4"
	rm "$d/many/50" && rm "$d/many/51" && echo other >"$d/many/51"
	echo extra >"$d/extra" && mkdir -p "$d/extradir"
	chmod 777 "$d/f5" && chown 1:1 "$d/f6"
	setfattr -n user.a -v stale "$d/f2" && setfattr -n user.more -v stale "$d/f7"
	setfattr -x user.dir "$d/empty"
	printf torn | dd of="$d/large" bs=1 seek=12345678 conv=notrunc status=none
	printf junk | dd of="$d/sparse" bs=1M seek=300 conv=notrunc status=none
	mv "$d/f7" "$d/tmp" && mv "$d/f8" "$d/f7" && mv "$d/tmp" "$d/f8"
	mv "$d/f1" "$d/many/was-f1"
	rm "$d/dangling" && ln -s elsewhere "$d/dangling"
	mv "$d/deep/a/b/c/d/e/f/g/file" "$d/empty/moved"
	truncate -s 5000000 "$d/f6"
}

set_up
for b in one two; do
	cat /proc/sys/kernel/random/uuid >"$TMP/boot.$b"
	boot "$b"
done
start_mount mnt "$TMP/mirror.vol" "$TMP/mnt" -L DEBUG || die "no mirror"
start_mount other "$TMP/mirror2.vol" "$TMP/other" || die "no second mount"
other=$pid
fill "$TMP/mnt/t" || die "the files cannot be made"
sync -f "$TMP/mnt/t"
healed mnt "undisturbed"

note "a killed process has lost nothing: nothing is compared as a whole"
kill_brick two
echo 1 >"$TMP/mnt/during"
boot two
healed mnt "two was killed"
[ "$(compared)" = 0 ] || fail "it was compared as a whole"

note "a file that is nothing but a hole now, and has data on the brick that comes back"
for i in 1 2 3; do
	head -c 200000 /dev/urandom >"$TMP/mnt/hole$i"
done
must_wait_for 60 whole mnt
kill_brick two
for i in 1 2 3; do
	truncate -s 0 "$TMP/mnt/hole$i" && truncate -s $((i * 100000)) "$TMP/mnt/hole$i"
done
boot two
healed mnt "two has data in holes"
rm "$TMP/mnt/hole"?

note "power loss of the host of two: what it has is worth nothing"
power_off two
damage "$TMP/two"
echo 2 >"$TMP/mnt/during"
boot two
healed mnt "two lost power"
brick_is_whole "$TMP/one"
[ "$(compared)" -ge 1 ] || [ "$(grep -c 'is compared: ' "$TMP/other.log")" -ge 1 ] || fail "it was not compared as a whole"
[ "$(stat -c %b "$TMP/two/t/sparse")" -lt 20000 ] || fail "the sparse file is not sparse any more"

note "power loss of the host of one, which was home"
power_off one
damage "$TMP/one"
echo 3 >"$TMP/mnt/during"
boot one
healed mnt "one lost power"

note "power loss, while others work"
rm -f "$TMP/enough"
write_on "$TMP/mnt/w1" & one=$!
write_on "$TMP/other/w2" & two=$!
for b in two one; do
	must_wait_for 60 test -e "$TMP/mnt/w1/d1"
	power_off "$b"
	damage "$TMP/$b"
	must_wait_for 20 view_is mnt absent
	boot "$b"
	must_wait_for 60 whole mnt
done
touch "$TMP/enough"
wait "$one" || fail "the first writer has seen an error"
wait "$two" || fail "the second writer has seen an error"
healed mnt "both lost power, one after the other"
rm -r "$TMP/mnt/w1" "$TMP/mnt/w2"

note "a new disk in the place of two"
kill_brick two
echo 4 >"$TMP/mnt/during"
mv "$TMP/two" "$TMP/two.old" && mkdir "$TMP/two"
boot two
must_wait_for 20 grep -q 'is new and empty: it takes the place' "$TMP/mnt.log" "$TMP/other.log"
healed mnt "two was replaced"
[ "$(stat -c %b "$TMP/two/t/sparse")" -lt 1000 ] || fail "the sparse file is not sparse on the new brick"
[ "$(stat -c %Y "$TMP/two/t/f5" "$TMP/two/t/deep/a/b")" = "$(stat -c %Y "$TMP/one/t/f5" "$TMP/one/t/deep/a/b")" ] ||
	fail "modification times differ on the new brick"
brick_is_whole "$TMP/two"

note "the old disk comes back: its place is taken"
kill_brick two
echo 5 >"$TMP/mnt/during"
mv "$TMP/two" "$TMP/two.new" && mv "$TMP/two.old" "$TMP/two"
boot two
must_wait_for 20 grep -q 'two is not used: another brick has its place by now' "$TMP/mnt.log"
echo 6 >"$TMP/mnt/during" || fail "a write with a stranger there"

note "a disk of another replica set, and one that is not empty"
kill_brick two
mv "$TMP/two" "$TMP/two.old" && mkdir "$TMP/two" "$TMP/solo"
{ client_volume two "${ports[two]}" brick; afr_volume mirror two; } >"$TMP/solo.vol"
boot two
start_mount solo "$TMP/solo.vol" "$TMP/solo" || die "no mirror of one"
echo mine >"$TMP/solo/mine"
umount "$TMP/solo"
must_wait_for 20 grep -q 'two is not used: it belongs to another replica set' "$TMP/mnt.log"
kill_brick two
[ "$(cat "$TMP/two/mine")" = mine ] || fail "the files of the other set were touched"
rm -rf "$TMP/two" && mkdir "$TMP/two" && echo full >"$TMP/two/full"
boot two
must_wait_for 20 grep -q 'two is not used: it is no member of this replica set, and not empty: .*empty its directory' "$TMP/mnt.log"
[ "$(cat "$TMP/two/full")" = full ] || fail "the files of the stranger were touched"
kill_brick two
rm -rf "$TMP/two" && mv "$TMP/two.new" "$TMP/two"
boot two
healed mnt "two is the right one again"

note "the healer is killed in the middle"
for ((i = 0; i < FILES; i++)); do
	[ $((i % 100)) != 0 ] || mkdir "$TMP/mnt/t/x$i" && at=$((i / 100 * 100))
	echo "$i" >"$TMP/mnt/t/x$at/$i"
done
power_off two
echo 7 >"$TMP/mnt/during"
find "$TMP/two/t" -name '*[05]' -type f -exec truncate -s 1 {} +
boot two
must_wait_for 20 grep -q 'two is compared as a whole' "$TMP/other.log" "$TMP/mnt.log"
kill -KILL "$other"
umount -l "$TMP/other"
healed mnt "a healer was killed"

wait_for 10 umount "$TMP/mnt" || fail "umount: $(fuser -vm "$TMP/mnt" 2>&1)"
for b in one two; do
	stop_pid "${pids[$b]}"
	brick_is_whole "$TMP/$b"
done
finish
