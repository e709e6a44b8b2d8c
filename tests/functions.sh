# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
#
# functions.sh - what system tests share. A test is a bash script:
#
#	. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
#	need_mount
#	mkdir "$TMP/brick" "$TMP/mnt"
#	...
#	expect 0 'two lines' cat "$TMP/mnt/file"
#	finish
#
# It runs against what `make check` has installed below the build tree (GF_DESTDIR), or against an
# installation: GF_PREFIX=/usr/local tests/system/daemon.sh. Everything it makes is in $TMP;
# whatever it starts, mounts or makes elsewhere it registers with at_exit, so that a failure leaves
# nothing behind.
# Exit status: 0, 1, or 77 when something that the test needs is not there.
# A sanitizer's report of any process is a failure.

set -u
export LC_ALL=C.UTF-8

: "${GF_SRCDIR:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
if [ -n "${GF_PREFIX:-}" ]; then
	GF_DESTDIR=
	GF_SBINDIR=$GF_PREFIX/sbin
	GF_LIBDIR=$GF_PREFIX/lib
	GF_SYSCONFDIR=$GF_PREFIX/etc
	GF_XLATORDIR=$("$GF_SBINDIR/glusterfs" --print-xlatordir)
fi
if [ -z "${GF_SBINDIR:-}" ]; then
	echo "run this by 'make check TESTS=...', or with GF_PREFIX=where it is installed" >&2
	exit 1
fi
SBIN=${GF_DESTDIR}${GF_SBINDIR}
LIB=${GF_DESTDIR}${GF_LIBDIR}
ETC=${GF_DESTDIR}${GF_SYSCONFDIR}
XLATORS=${GF_DESTDIR}${GF_XLATORDIR}
export SBIN LIB ETC XLATORS

TEST_NAME=$(basename "$0" .sh)
TMP=$(mktemp -d "${TMPDIR:-/tmp}/gf-$TEST_NAME.XXXXXX")
chmod 755 "$TMP"
failures=0
failed_checks=()	# told again after the logs of daemons, which are long
exit_commands=()

# What must be undone, newest first: a command as one string, and the process that registered it.
at_exit()
{
	exit_commands+=("$1")
}

sanitizer_reports()
{
	local f

	for f in "$TMP"/sanitizer.*; do
		[ -e "$f" ] || continue
		echo "--- $f" >&2
		head -n 60 "$f" >&2
		failures=$((failures + 1))
	done
}

on_exit()
{
	local status=$? i

	trap - EXIT INT TERM
	for ((i = ${#exit_commands[@]} - 1; i >= 0; i--)); do
		eval "${exit_commands[i]}" || :
	done
	sanitizer_reports
	if [ "$failures" -gt 0 ] && [ "$status" -eq 0 ]; then
		status=1
	fi
	if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
		for i in "$TMP"/*.log; do
			[ -e "$i" ] || continue
			echo "--- $i" >&2
			tail -n 20 "$i" >&2
		done
		[ ${#failed_checks[@]} -gt 0 ] || failed_checks=("ended with status $status")
		printf 'FAILED: %s\n' "${failed_checks[@]}" >&2
	fi
	if [ -n "${GF_KEEP:-}" ]; then
		echo "kept: $TMP" >&2
	else
		rm -rf --one-file-system "$TMP"
	fi
	exit "$status"
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Reports of sanitizers go to files, since a daemon has no terminal.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$TMP/sanitizer:disable_coredump=0"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}log_path=$TMP/sanitizer:print_stacktrace=1"
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}log_path=$TMP/sanitizer"
export LD_LIBRARY_PATH="$LIB${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

# ---- verdicts -----------------------------------------------------------------------------------

skip()
{
	echo "skipped: $*" >&2
	exit 77
}

# Ends the test.
die()
{
	echo "FAILED: $*" >&2
	failed_checks+=("$*")
	exit 1
}

# Notes a failure and goes on.
fail()
{
	echo "FAILED: ${BASH_LINENO[${depth:-0}]}: $*" >&2
	failed_checks+=("${BASH_LINENO[${depth:-0}]}: $*")
	failures=$((failures + 1))
}

note()
{
	echo "== $*"
}

finish()
{
	[ "$failures" -eq 0 ] || die "$failures checks"
	note "all is well"
	exit 0
}

# run COMMAND...: $status, $out (standard output and error together).
run()
{
	# shellcheck disable=SC2034
	out=$("$@" 2>&1 </dev/null)
	status=$?
}

# expect STATUS PATTERN COMMAND...: STATUS is a number, or "error" for any but 0; the output must
# match the extended regular expression ('' = anything).
expect()
{
	local wanted=$1 pattern=$2 depth=1

	shift 2
	run "$@"
	case $wanted in
	error)
		[ "$status" -ne 0 ] || fail "'$*' succeeded, but should not; it said: $out" ;;
	*)
		[ "$status" -eq "$wanted" ] ||
			fail "'$*' ended with $status, not $wanted; it said: $out" ;;
	esac
	[ -z "$pattern" ] || grep -Eq -- "$pattern" <<<"$out" ||
		fail "'$*' did not say /$pattern/, but: $out"
}

# check COMMAND...: must succeed.
check()
{
	local depth=1

	"$@" || fail "'$*' is not true"
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for()
{
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$end" ] || return 1
		sleep 0.05
	done
}

# must_wait_for: as wait_for, and it is the end of the test when it takes too long.
must_wait_for()
{
	wait_for "$@" || die "waited in vain, $1 s: ${*:2}"
}

# ---- what a test needs --------------------------------------------------------------------------

need()
{
	local command

	for command; do
		command -v "$command" >/dev/null || skip "the command $command is missing"
	done
}

need_root()
{
	[ "$(id -u)" -eq 0 ] || skip "only root can do this"
}

need_mount()
{
	need_root
	[ -c /dev/fuse ] || skip "there is no /dev/fuse"
	[ -e "$XLATORS/mount/fuse.so" ] || skip "mount/fuse is not built"
}

# brickcheck: from the build, also when the script goes elsewhere with cd, or built here.
GF_BRICKCHECK=${GF_BRICKCHECK:-$PWD/tests/system/brickcheck}

need_brickcheck()
{
	[ ! -x "$GF_BRICKCHECK" ] || return 0
	GF_BRICKCHECK=$TMP/brickcheck
	need gcc
	gcc -o "$GF_BRICKCHECK" "$GF_SRCDIR/tests/system/brickcheck.c" || die "brickcheck cannot be built"
}

# Was it built with sanitizers? Then memory and speed say nothing.
is_sanitized()
{
	grep -Eq "__(asan|tsan)_init" "$SBIN/glusterfs"
}

need_xlator()
{
	local type

	for type; do
		[ -e "$XLATORS/$type.so" ] || skip "$type is not built"
	done
}

# ---- processes ----------------------------------------------------------------------------------

alive()
{
	kill -0 "$1" 2>/dev/null
}

dead()
{
	! alive "$1"
}

# stop_pid PID: TERM, and KILL when that does not help.
stop_pid()
{
	[ -n "${1:-}" ] && alive "$1" || return 0
	kill "$1" 2>/dev/null
	wait_for 15 dead "$1" || kill -KILL "$1" 2>/dev/null
}

# The programs, with what is needed to run them from where they are; the log is $TMP/NAME.log unless
# the arguments say otherwise.
glusterfs()
{
	"$SBIN/glusterfs" --xlator-path="$XLATORS" -l "$TMP/glusterfs.log" "$@"
}

glusterfsd()
{
	"$SBIN/glusterfsd" --xlator-path="$XLATORS" -l "$TMP/glusterfsd.log" "$@"
}

# start_daemon NAME ARGUMENTS...: runs glusterfs with log and pidfile $TMP/NAME.{log,pid}; it ends
# with the test.
# $pid is its process; the status is that of the command.
start_daemon()
{
	local name=$1

	shift
	rm -f "$TMP/$name.pid"
	"$SBIN/glusterfs" --xlator-path="$XLATORS" -l "$TMP/$name.log" -p "$TMP/$name.pid" "$@" ||
		return
	pid=$(cat "$TMP/$name.pid") || return
	at_exit "stop_pid $pid"
}

# start_mount NAME VOLFILE DIR ARGUMENTS...: a daemon that mounts; the mount ends with the test, dead
# or alive.
start_mount()
{
	local name=$1 volfile=$2 dir=$3

	shift 3
	at_exit "! is_mounted '$dir' || umount -l '$dir'"
	start_daemon "$name" -f "$volfile" "$@" "$dir"
}

is_mounted()
{
	grep -q " $1 " /proc/self/mounts
}

not_mounted()
{
	! is_mounted "$1"
}

listens()
{
	[ -n "$(ss -Hltn "sport = :$1")" ]
}

# free_port: $port, which nobody listens on, and which no other test is given.
free_port()
{
	local try

	for ((try = 0; try < 200; try++)); do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		listens "$port" && continue
		mkdir "/tmp/gf-port.$port" 2>/dev/null || continue
		at_exit "rmdir /tmp/gf-port.$port"
		return 0
	done
	die "no port is free"
}

# ---- disks --------------------------------------------------------------------------------------

# make_disk DIR MEGABYTES [MKFS-OPTIONS]: an ext4 file system of its own, in memory ($disk_image), mounted on DIR.
make_disk()
{
	local dir=$1 size=$2 image

	shift 2
	need mkfs.ext4 losetup
	image=$(mktemp -p /dev/shm gf-disk.XXXXXX) || skip "no /dev/shm"
	at_exit "rm -f '$image'"
	truncate -s "${size}M" "$image" || return
	mkfs.ext4 -q -F -E nodiscard "$@" "$image" || return
	mkdir -p "$dir"
	mount -o loop,user_xattr "$image" "$dir" 2>/dev/null ||
		skip "loop mounts are not possible here"
	at_exit "! is_mounted '$dir' || umount -l '$dir'"
	# shellcheck disable=SC2034
	disk_image=$image
}

# brick_is_whole DIR: every object of a brick has its identity and its handle, and nothing else is there.
brick_is_whole()
{
	local depth=1 found

	found=$("$GF_BRICKCHECK" "$1" 2>&1) || fail "the brick is not whole: $found"
}

# posix_volume NAME DIR: a volume for a volume file.
posix_volume()
{
	printf 'volume %s\n  type storage/posix\n  option directory %s\nend-volume\n' "$1" "$2"
}

# server_volume PORT VOLUME...
server_volume()
{
	local listen=$1 name

	shift
	printf 'volume server\n  type protocol/server\n  option transport-type tcp/server\n'
	printf '  option bind-address 127.0.0.1\n  option listen-port %s\n' "$listen"
	for name; do
		printf '  option auth.ip.%s.allow *\n' "$name"
	done
	printf '  subvolumes %s\nend-volume\n' "$*"
}

# client_volume NAME PORT REMOTE-SUBVOLUME [HOST]
client_volume()
{
	printf 'volume %s\n  type protocol/client\n  option transport-type tcp/client\n' "$1"
	printf '  option remote-host %s\n  option remote-port %s\n' "${4:-127.0.0.1}" "$2"
	printf '  option remote-subvolume %s\nend-volume\n' "$3"
}

# afr_volume NAME CHILD...
afr_volume()
{
	local name=$1

	shift
	printf 'volume %s\n  type cluster/afr\n  subvolumes %s\nend-volume\n' "$name" "$*"
}
