#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Many open files (N=20000 in all) over a brick whose process may have 256 descriptors; what they cost in memory; who else
# is served meanwhile; a client that opens until it may not.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_mount
need prlimit
need_xlator storage/posix features/posix-locks protocol/client protocol/server
openfiles=${GF_OPENFILES:-$PWD/tests/system/openfiles}
[ -x "$openfiles" ] || skip "no $openfiles (make check builds it)"
need_brickcheck
# A sanitizer makes it many times slower, and 2,000 are more than 256, too.
if is_sanitized; then N=${N:-2000}; else N=${N:-20000}; fi
PROCESSES=4
DESCRIPTORS=256
cd "$TMP" || die "no $TMP"
mkdir brick mnt other

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
	printf '   %-26s brick %6d KiB, %3d descriptors; client %6d KiB\n' "$1" "$(rss_kib "$brick_pid")" \
		"$(descriptors "$brick_pid")" "$(rss_kib "$client_pid")"
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

free_port
{
	posix_volume posix "$TMP/brick"
	printf 'volume brick\n  type features/posix-locks\n  subvolumes posix\nend-volume\n'
	server_volume "$port" brick
} >server.vol
client_volume remote "$port" brick >client.vol
limited_daemon server -f server.vol || die "the server does not start"
brick_pid=$pid
start_mount client client.vol "$TMP/mnt" || die "no mount"
client_pid=$pid
start_mount other client.vol "$TMP/other" || die "no second mount"

note "$N open files, in $PROCESSES processes"
report fresh
pids=()
for ((p = 0; p < PROCESSES; p++)); do
	mkdir "mnt/$p"
	mkfifo "go.$p"
	"$openfiles" "mnt/$p" $((N / PROCESSES)) <"go.$p" >"said.$p" &
	pids+=($!)
	at_exit "kill -KILL $! 2>/dev/null"
	exec {go[p]}>"go.$p"
done
must_wait_for 300 all_said open
report "$N open"
check test "$(descriptors "$brick_pid")" -lt "$DESCRIPTORS"
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
check test "$(descriptors "$brick_pid")" -lt "$DESCRIPTORS"
is_sanitized || check test "$(rss_kib "$brick_pid")" -le $((16384 + N))
is_sanitized || check test "$(rss_kib "$client_pid")" -le $((16384 + 2 * N))
for ((p = 0; p < PROCESSES; p++)); do
	echo >&"${go[p]}"
	eval "exec ${go[p]}>&-"
	wait "${pids[p]}" || fail "process $p: $(cat "said.$p")"
done
report "all of them closed"

note "a client that opens files until it may not"
mkdir mnt/greedy
expect 0 '^EMFILE after [0-9]+$' prlimit --nofile=1000:1000 "$openfiles" -l mnt/greedy
check somebody_works other/somebody
umount mnt other || fail umount

note "max-open-files"
stop_pid "$brick_pid"
sed -i 's|  subvolumes brick|  option max-open-files 100\n&|' server.vol
limited_daemon server2 -f server.vol || die "the server does not start"
brick_pid=$pid
start_mount client2 client.vol "$TMP/mnt" || die "no mount"
start_mount other2 client.vol "$TMP/other" || die "no second mount"
expect 0 '^ENFILE after (99|100)$' "$openfiles" -l mnt/greedy
check somebody_works other/somebody
expect 0 '^ENFILE after (99|100)$' "$openfiles" -l mnt/greedy
umount mnt other || fail umount
stop_pid "$brick_pid"
brick_is_whole brick
finish
