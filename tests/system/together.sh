#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Programs on two hosts in one directory, on a brick and on a mirror: locks, appends, what the other one removes (together.py).

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
. "$GF_SRCDIR/tests/places.sh"
need python3

for place in brick mirror; do
	note "$place"
	"on_$place"
	mkdir "$TMP/$place.other" "$dir/shared"
	start_mount "other-$place" "$TMP/$place_name.vol" "$TMP/$place.other" -o suid,dev || die "no second mount"
	timeout 300 python3 "$GF_SRCDIR/tests/system/together.py" "$dir/shared" "$TMP/$place.other/shared" follow >"$TMP/out" 2>&1 ||
		fail "together.py on $place: $(cat "$TMP/out")"
	grep '^   ' "$TMP/out"
	umount "$TMP/$place.other" || fail "umount of the other mount"
	leave_place
done
finish
