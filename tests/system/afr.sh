#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# cluster/afr with real processes: bricks are killed, stopped and cut off while two mounts change files; they come
# back, are healed, and are equal.
#
#	LONG=1 afr.sh	more of everything

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/mirror.sh"
need_mount
need_brickcheck
need python3
need_xlator storage/posix protocol/client protocol/server cluster/afr features/replica features/witness \
	features/posix-locks

FILES=40
[ -z "${LONG:-}" ] || FILES=400

# work DIR NAME: changes of every kind below DIR; each must succeed
work()
{
	local d=$1/$2 i

	mkdir -p "$d/sub/deep" || return 1
	for ((i = 0; i < FILES; i++)); do
		echo "$2 $i" >"$d/f$i" && echo more >>"$d/f$i" && mv "$d/f$i" "$d/sub/g$i" || return 1
		case $((i % 5)) in
		0) ln "$d/sub/g$i" "$d/link$i" || return 1 ;;
		1) rm "$d/sub/g$i" || return 1 ;;
		2) ln -s "g$i" "$d/sub/s$i" && chmod 600 "$d/sub/g$i" || return 1 ;;
		3) mkdir "$d/d$i" && mv "$d/sub/g$i" "$d/d$i/" && mv "$d/d$i" "$d/sub/deep/" || return 1 ;;
		4) truncate -s 3 "$d/sub/g$i" && setfattr -n user.x -v "$i" "$d/sub/g$i" || return 1 ;;
		esac
	done
	rm -rf "$d/sub/deep/d3" && echo last >"$d/last"
}

# shared NAME: appends to a file that the other mount appends to as well
shared()
{
	local i

	for ((i = 0; i < FILES; i++)); do
		echo "$2 $i" >>"$1/shared" || return 1
	done
}

# during COMMAND...: both mounts are worked on while it runs
during()
{
	local one two three four bad=0

	round=$((round + 1))
	work "$TMP/mnt" "a$round" & one=$!
	work "$TMP/other" "b$round" & two=$!
	shared "$TMP/mnt" "a$round" & three=$!
	shared "$TMP/other" "b$round" & four=$!
	"$@"
	wait "$one" || bad=1
	wait "$two" || bad=1
	wait "$three" || bad=1
	wait "$four" || bad=1
	[ "$bad" = 0 ] || fail "$*: an application has seen an error"
	[ "$(grep -c "^[ab]$round " "$TMP/mnt/shared")" = $((2 * FILES)) ] || fail "$*: lines are missing in the shared file"
}
round=0

kill_and_back()
{
	kill_brick "$1"
	must_wait_for 20 view_is mnt absent
	brick "$1"
}

stop_and_go()
{
	kill -STOP "${pids[$1]}"
	must_wait_for 30 view_is mnt absent
	kill -CONT "${pids[$1]}"
}

nothing()
{
	:
}

set_up
brick one
note "a new set waits for all its bricks"
expect 1 'two: cannot connect' glusterfs -f "$TMP/mirror.vol" "$TMP/mnt"
brick two
start_mount mnt "$TMP/mirror.vol" "$TMP/mnt" -L DEBUG || die "no mirror"
mnt=$pid
start_mount other "$TMP/mirror2.vol" "$TMP/other" -L DEBUG --attr-timeout=0 --entry-timeout=0 || die "no second mount"
other=$pid

note "two mounts at once"
during nothing
must_be_equal mnt "undisturbed"
for side in one two; do
	note "brick $side is killed and comes back"
	during kill_and_back "$side"
	must_be_equal mnt "$side was killed"
done

note "healed without a writer: what was deleted, renamed, replaced, shortened meanwhile"
mkdir -p "$TMP/mnt/h/dir/below" "$TMP/mnt/h/tree/a/b"
for i in 1 2 3 4 5 6 7; do head -c 300000 /dev/urandom >"$TMP/mnt/h/f$i"; done
ln "$TMP/mnt/h/f7" "$TMP/mnt/h/g7"
echo x >"$TMP/mnt/h/tree/a/b/c"
must_be_equal mnt before
kill_brick one
rm "$TMP/mnt/h/f1"
mv "$TMP/mnt/h/f2" "$TMP/mnt/h/f3"
truncate -s 1000 "$TMP/mnt/h/f4" && truncate -s 200000 "$TMP/mnt/h/f4"
printf y | dd of="$TMP/mnt/h/f5" bs=1 seek=150000 conv=notrunc status=none
# written, cut before that, written again: what is known of the writes is older than what is known of the cut
for i in 1 2; do
	head -c 50000 "$TMP/mnt/h/f5" | dd of="$TMP/mnt/h/f6" bs=50000 seek=3 conv=notrunc status=none
	[ "$i" = 2 ] || truncate -s 1000 "$TMP/mnt/h/f6"
done
mv "$TMP/mnt/h/f7" "$TMP/mnt/h/moved7"
mv "$TMP/mnt/h/tree" "$TMP/mnt/h/dir/below/tree"
mv "$TMP/mnt/h/dir" "$TMP/mnt/h/moved"
rmdir "$TMP/mnt/h/moved/below/tree/none" 2>/dev/null
mkdir "$TMP/mnt/h/f1" && echo in >"$TMP/mnt/h/f1/in"
(cd "$TMP/mnt/h" && find . -type f -exec md5sum {} + | sort) >"$TMP/sums"
brick one
must_be_equal mnt "one was away"
(cd "$TMP/one/h" && find . -type f -exec md5sum {} + | sort) | diff "$TMP/sums" - || fail "another content on the healed brick"
moved=$(grep -c . <(find "$TMP/one/.glusterfs/landfill" -type f -size +200k))
[ "$moved" -ge 1 ] || fail "what the heal took away is not in the landfill"

note "a descriptor stays good over the death of both bricks, one after the other"
exec 7>>"$TMP/mnt/open"
echo 1 >&7
kill_brick two
echo 2 >&7 || fail "a write after the death of two"
brick two
must_be_equal mnt "two was away"
kill_brick one
echo 3 >&7 || fail "a write after the death of one"
brick one
must_be_equal mnt "one was away again"
exec 7>&-
expect 0 '^1.2.3$' sh -c "tr '\n' . <'$TMP/mnt/open' | sed 's/\.\$//'"

note "locks stand on a brick that came back, and over the death of the other one"
echo locked >"$TMP/mnt/locked"
cat >"$TMP/hold.py" <<'END'
import fcntl, sys
whole = open(sys.argv[1], "r+")
fcntl.flock(whole, fcntl.LOCK_EX)
part = open(sys.argv[1], "r+")
fcntl.lockf(part, fcntl.LOCK_EX, 10, 0)
fcntl.lockf(part, fcntl.LOCK_UN, 2, 4)
print("held", flush=True)
sys.stdin.readline()
part.write("LOCK")
part.flush()
print("written", flush=True)
sys.stdin.readline()
END
cat >"$TMP/try.py" <<'END'
import fcntl, sys
f = open(sys.argv[1], "r+")
def attempt(what):
    try:
        what()
        return "free"
    except OSError:
        return "taken"
print(attempt(lambda: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)),
      *[attempt(lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)) for at in (0, 4, 9, 10)])
END
coproc HOLD { python3 "$TMP/hold.py" "$TMP/mnt/locked"; }
read -r line <&"${HOLD[0]}"
check test "$line" = held
expect 0 '^taken taken free taken free$' python3 "$TMP/try.py" "$TMP/other/locked"
for side in one two; do
	kill_brick "$side"
	echo "$side" >>"$TMP/mnt/touched"
	brick "$side"
	must_be_equal mnt "$side was away while a file was locked"
	expect 0 '^taken taken free taken free$' python3 "$TMP/try.py" "$TMP/other/locked"
done
echo >&"${HOLD[1]}"
read -r line <&"${HOLD[0]}"
check test "$line" = written
must_be_equal mnt "written through a locked file"
kill_brick one
expect 0 '^taken taken free taken free$' python3 "$TMP/try.py" "$TMP/other/locked"
echo >&"${HOLD[1]}"
wait "$HOLD_PID"
expect 0 '^free free free free free$' python3 "$TMP/try.py" "$TMP/other/locked"
check test "$(cat "$TMP/mnt/locked")" = LOCKed
brick one
must_be_equal mnt "one was away while a lock was given back"

note "a brick that is stopped in good order knows that it is behind: the other one alone, then it alone, is no fork"
echo before >"$TMP/mnt/planned"
must_be_equal mnt before
kill -TERM "${pids[two]}"
must_wait_for 10 dead "${pids[two]}"
check view_is mnt 'absent 1$'
check grep -q 'two is out: it is being stopped' "$TMP/mnt.log"
echo after >"$TMP/mnt/planned"
umount "$TMP/mnt" "$TMP/other"
must_wait_for 20 dead "$mnt"
must_wait_for 20 dead "$other"
kill_brick one
brick two
expect error 'one: .*refused' glusterfs --mount-timeout=4 -f "$TMP/mirror.vol" "$TMP/mnt"
check not_mounted "$TMP/mnt"
brick one
start_mount mnt "$TMP/mirror.vol" "$TMP/mnt" -L DEBUG || die "no mirror"
start_mount other "$TMP/mirror2.vol" "$TMP/other" -L DEBUG --attr-timeout=0 --entry-timeout=0 || die "no second mount"
other=$pid
check test "$(cat "$TMP/mnt/planned")" = after
must_be_equal mnt "two was stopped while something changed"

note "a client that is killed leaves nothing in doubt that stays"
(work "$TMP/other" victim || :) >/dev/null 2>&1 &
victim=$!
must_wait_for 20 test -e "$TMP/mnt/victim/sub/g0"
kill -KILL "$other"
wait "$victim"
umount -l "$TMP/other"
during2=$(work "$TMP/mnt" after) || fail "work after a client was killed: $during2"
rm -rf "$TMP/mnt/victim" || fail "what the client left cannot be removed"
must_be_equal mnt "a client was killed"

if [ -n "${LONG:-}" ]; then
	note "a brick that is stopped, and goes on"
	start_mount other2 "$TMP/mirror2.vol" "$TMP/other" || die "no second mount"
	during stop_and_go two
	must_be_equal mnt "two was stopped"
	umount "$TMP/other"
fi
wait_for 10 umount "$TMP/mnt" || fail "umount: $(fuser -vm "$TMP/mnt" 2>&1)"
for b in one two; do
	stop_pid "${pids[$b]}"
	brick_is_whole "$TMP/$b"
done
finish
