#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# What applications rely on, topic by topic: on ext4 first (the reference must pass), then on one brick, then on a
# mirror of two.
#
#	posix.sh [--on ext4|brick|mirror]... [TOPIC [CASE...]]
#
# GF_POSIX_OPTIONS: more for the command line of the mounts.

# Not in the mount namespaces that other tests make meanwhile: a copy of a mount there would keep it alive after umount.
if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
. "$GF_SRCDIR/tests/places.sh"

places=()
while [ "${1:-}" = --on ]; do
	places+=("$2")
	shift 2
done
[ ${#places[@]} -gt 0 ] || places=(ext4 brick mirror)
topics=${1:-${GF_POSIX_TOPICS:-}}
shift $(($# > 0))
[ -n "$topics" ] || die "GF_POSIX_TOPICS is not set: run this by make check TESTS=tests/posix/posix.sh"

# run_matrix PLACE [N/M|PATTERN]: prints what is not as on ext4, which comes first.
run_matrix()
{
	local place=$1

	"$GF_BUILDDIR/tests/posix/matrix" "$dir/matrix" "${2:-1/8}" >"$TMP/matrix.$place" 2>"$TMP/out" ||
		fail "matrix on $place: $(cat "$TMP/out")"
	check test -s "$TMP/matrix.$place"
	[ -e "$TMP/matrix.ext4" ] || die "matrix compares with ext4: without --on, or with --on ext4 first"
	diff -U0 "$TMP/matrix.ext4" "$TMP/matrix.$place" | grep '^[-+][a-z]' >"$TMP/out"
	[ ! -s "$TMP/out" ] || fail "$(grep -c '^-' "$TMP/out") lines are not as on ext4 (matrix on $place)"
}

# run_topic PLACE TOPIC [CASE...]
run_topic()
{
	local place=$1 topic=$2

	shift 2
	# Which brick is full first is chance, and puts it out: tests/system/full.sh looks at that.
	[ "$place $topic" != "mirror space" ] || return 0
	mkdir "$dir/$topic"
	if [ "$topic" = matrix ]; then
		run_matrix "$place" "$@"
	else
		run_program "$place" "$topic" "$@"
	fi
	sed "s/^/   $place: $topic: /" "$TMP/out"
	rm -rf "${dir:?}/$topic" || fail "$topic on $place cannot be removed"
	check test ! -e "$dir/$topic"
}

run_program()
{
	local place=$1 topic=$2

	shift 2
	"$GF_BUILDDIR/tests/posix/$topic" "$dir/$topic" "$@" >"$TMP/out" 2>&1 || fail "$topic on $place"
}

for place in "${places[@]}"; do
	note "$place"
	"on_$place"
	for topic in $topics; do
		run_topic "$place" "$topic" "$@"
	done
	if [ -e "$dir/handles.saved" ] && [ "$place" != ext4 ]; then
		remount_place
		run_topic "$place" handles load
	fi
	leave_place
done
finish
