#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Many open files (N=20000 in all) over a brick, and over a mirror, whose processes may have 256 descriptors; what they cost in
# memory; who else is served meanwhile; a client that opens until it may not.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need prlimit
need_xlator storage/posix features/posix-locks protocol/client protocol/server cluster/afr
openfiles=${GF_OPENFILES:-$PWD/tests/system/openfiles}
[ -x "$openfiles" ] || skip "no $openfiles (make check builds it)"
need_brickcheck
# A sanitizer makes it many times slower, and 2,000 are more than 256, too.
if is_sanitized; then N=${N:-2000}; else N=${N:-20000}; fi
PROCESSES=4
DESCRIPTORS=256
cd "$TMP" || die "no $TMP"
mkdir mnt other

rss_kib()
{
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

descriptors()
{
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

report()
{
	local brick_pid

	for brick_pid in "${brick_pids[@]}"; do
		printf '   %-26s brick %6d KiB, %3d descriptors; client %6d KiB\n' "$1" "$(rss_kib "$brick_pid")" \
			"$(descriptors "$brick_pid")" "$(rss_kib "$client_pid")"
	done
}

# limited_daemon NAME ARGUMENTS...: as start_daemon, with few descriptors.
limited_daemon()
{
	local name=$1

	shift
	prlimit --nofile=$DESCRIPTORS:$DESCRIPTORS "$SBIN/glusterfs" --xlator-path="$XLATORS" -l "$TMP/$name.log" \
		-p "$TMP/$name.pid" "$@" || return
	pid=$(cat "$TMP/$name.pid")
	at_exit "stop_pid $pid"
}

# all_said WORD: so does each of the processes.
all_said()
{
	[ "$(cat said.* | grep -c "^$1$")" -eq "$PROCESSES" ]
}

# shellcheck disable=SC2012,SC2317
# somebody_works DIR: another user of the brick, by every means that needs a descriptor there.
somebody_works()
{
	mkdir "$1" && echo new >"$1/file" && [ "$(cat "$1/file")" = new ] && ln "$1/file" "$1/link" && mv "$1/link" "$1/moved" &&
		[ "$(ls "$1" | wc -l)" -eq 2 ] && truncate -s 1 "$1/file" && chmod 600 "$1/moved" && rm -r "$1"
}

# serve BRICK: $port, one more of $brick_pids
serve()
{
	mkdir "$1"
	free_port
	{
		posix_volume posix "$TMP/$1"
		printf 'volume brick\n  type features/posix-locks\n  subvolumes posix\nend-volume\n'
		server_volume "$port" brick
	} >"$1.vol"
	limited_daemon "$1" -f "$TMP/$1.vol" || die "the server of $1 does not start"
	brick_pids+=("$pid")
}

mount_both()
{
	start_mount "$1" client.vol "$TMP/mnt" || die "no mount"
	client_pid=$pid
	start_mount "other-$1" client.vol "$TMP/other" || die "no second mount"
}

bounded_descriptors()
{
	local brick_pid

	for brick_pid in "${brick_pids[@]}"; do
		check test "$(descriptors "$brick_pid")" -lt "$DESCRIPTORS"
	done
}

bounded_memory()
{
	local brick_pid

	is_sanitized && return
	for brick_pid in "${brick_pids[@]}"; do
		check test "$(rss_kib "$brick_pid")" -le $((16384 + $1))
	done
	check test "$(rss_kib "$client_pid")" -le $((16384 + 2 * $1))
}

# open_many NUMBER: all of them are used, and closed, while somebody else works.
open_many()
{
	local n=$1 p pids=() go=()

	note "$n open files, in $PROCESSES processes"
	report fresh
	for ((p = 0; p < PROCESSES; p++)); do
		mkdir "mnt/$p"
		mkfifo "go.$p"
		"$openfiles" "mnt/$p" $((n / PROCESSES)) <"go.$p" >"said.$p" &
		pids+=($!)
		at_exit "kill -KILL $! 2>/dev/null"
		exec {go[p]}>"go.$p"
	done
	must_wait_for 300 all_said open
	report "$n open"
	bounded_descriptors
	check somebody_works other/somebody
	for ((p = 0; p < PROCESSES; p++)); do
		echo >&"${go[p]}"
	done
	while ! all_said used; do
		check somebody_works other/somebody
		for p in "${pids[@]}"; do
			dead "$p" && die "a process has ended: $(cat said.*)"
		done
		[ "$SECONDS" -lt 600 ] || die "it takes too long"
	done
	report "all of them used"
	bounded_descriptors
	bounded_memory "$n"
	for ((p = 0; p < PROCESSES; p++)); do
		echo >&"${go[p]}"
		eval "exec ${go[p]}>&-"
		wait "${pids[p]}" || fail "process $p: $(cat "said.$p")"
	done
	report "all of them closed"
	rm -rf mnt/[0-9]* "go."* "said."*
}

# greedy ERROR: who opens until it may not is told so, and nobody else notices.
greedy()
{
	mkdir -p mnt/greedy
	expect 0 "^$1\$" "${@:2}" "$openfiles" -l mnt/greedy
	check somebody_works other/somebody
}

one_brick()
{
	note "one brick"
	brick_pids=()
	serve brick
	client_volume remote "$port" brick >client.vol
	mount_both client
	open_many "$N"
	note "a client that opens files until it may not"
	greedy 'EMFILE after [0-9]+' prlimit --nofile=1000:1000
	umount mnt other || fail umount
	note "max-open-files"
	stop_pid "${brick_pids[0]}"
	sed -i 's|  subvolumes brick|  option max-open-files 100\n&|' brick.vol
	limited_daemon brick2 -f brick.vol || die "the server does not start"
	brick_pids=("$pid")
	mount_both client2
	greedy 'ENFILE after (99|100)'
	greedy 'ENFILE after (99|100)'
	umount mnt other || fail umount
	stop_pid "${brick_pids[0]}"
	brick_is_whole brick
}

# A quarter is enough: each brick has all of them.
mirror()
{
	note "a mirror"
	brick_pids=()
	serve left
	client_volume left "$port" brick >client.vol
	serve right
	{ client_volume right "$port" brick; afr_volume mirror left right; } >>client.vol
	mount_both mirror
	open_many $((N / 4))
	greedy 'EMFILE after [0-9]+' prlimit --nofile=1000:1000
	umount mnt other || fail umount
	! grep -h 'is out' mirror.log other-mirror.log || fail "a brick was put out"
	for pid in "${brick_pids[@]}"; do
		stop_pid "$pid"
	done
	brick_is_whole left
	brick_is_whole right
}

one_brick
mirror
finish
