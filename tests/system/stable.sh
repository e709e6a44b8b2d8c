#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# What stays as it is when a brick of a mirror goes, and over a remount: inode numbers, listings that are under way
# and their positions.

if [ -z "${GF_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
	GF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
. "$GF_SRCDIR/tests/places.sh"

N=${N:-3000}
is_sanitized && N=$((N / 5))

# numbers: of everything below $dir, as stat tells them
numbers()
{
	(cd "$dir" && find . -exec stat -c '%n %i %F %h' {} + | sort)
}

# unchanged WHAT: since the numbers were written down
unchanged()
{
	numbers >"$TMP/now"
	diff "$TMP/before" "$TMP/now" >"$TMP/diff" || fail "$1: other numbers: $(head -n 10 "$TMP/diff")"
}

# listed_over left|right: that brick is killed while a directory is listed, and names come and go
listed_over()
{
	local lister churn

	mkfifo "$TMP/go"
	"$GF_BUILDDIR/tests/system/listing" "$dir/many" "$N" $((N / 3)) <"$TMP/go" >"$TMP/listing" 2>&1 &
	lister=$!
	exec 8>"$TMP/go"
	must_wait_for 60 grep -q waiting "$TMP/listing"
	(
		i=0
		while [ ! -e "$TMP/enough" ]; do
			i=$((i + 1))
			: >"$dir/many/come$i" || exit 1
			mv "$dir/many/come$i" "$dir/many/gone$i" || exit 1
			[ $((i % 3)) -ne 0 ] || rm "$dir/many/gone$((i - 1))" || exit 1
		done
		rm -f "$dir/many/"{come,gone}*
	) &
	churn=$!
	kill_brick "$1"
	echo go >&8
	exec 8>&-
	wait "$lister" || fail "listed when $1 was killed: $(cat "$TMP/listing")"
	touch "$TMP/enough"
	wait "$churn" || fail "names could not come and go"
	rm "$TMP/enough" "$TMP/go"
}

# mirror_with_things: a mirror, everything in it written down
mirror_with_things()
{
	on_mirror
	mkdir -p "$dir/many" "$dir/d/e"
	seq -f "$dir/many/%.0f" 0 $((N - 1)) | xargs touch
	echo x >"$dir/d/file"
	ln "$dir/d/file" "$dir/d/e/link"
	ln -s file "$dir/d/symlink"
	mkfifo "$dir/d/fifo"
	mknod "$dir/d/null" c 1 3
	numbers >"$TMP/before"
}

for side in left right; do
	mirror_with_things
	if [ "$side" = left ]; then
		note "a remount"
		remount_place
		unchanged "a remount"
	fi
	note "the brick $side is killed in the middle of a listing"
	listed_over "$side"
	unchanged "without $side"
	remount_place
	unchanged "mounted without $side"
	leave_place
done
finish
