#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Does every row of fsbench run, and does fsbench see data and names that are wrong?
set -eu
fsbench=${FSBENCH:-./tests/bench/fsbench}
if [ "$(id -u)" != 0 ]; then
	echo "needs root (drop_caches)"
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

run() {
	"$fsbench" "$dir" "$1" 2 8 2>"$dir/error" || {
		echo "$1: $(cat "$dir/error")"
		return 1
	}
}

finds() {
	if "$fsbench" "$dir" "$1" 2 8 >/dev/null 2>"$dir/error"; then
		echo "$1: $2 was not found"
		exit 1
	fi
	grep -q "WRONG" "$dir/error" || {
		echo "$1: $2: ended, but with: $(cat "$dir/error")"
		exit 1
	}
}

for row in $("$fsbench" -h | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
	run "$row"
done
printf x | dd of="$dir/p1/seq" bs=1 seek=3000001 conv=notrunc status=none
finds seqread "one byte"
printf x | dd of="$dir/p0/s/f5" bs=1 seek=4095 conv=notrunc status=none
finds smallread "the last byte"
for file in "$dir"/p1/rnd; do
	dd if="$file" of="$file" bs=4096 count=255 seek=1 conv=notrunc status=none
done
finds randread "a block that went to the next place"
run create
chmod 0 "$dir/p0/e/f3"
echo text >"$dir/p0/e/f3"
finds stat "a size"
finds ls "a size"
if "$fsbench" "$dir/none" stat 1 8 2>/dev/null || "$fsbench" "$dir" nothing 1 8 2>/dev/null ||
	"$fsbench" "$dir" stat 0 8 2>/dev/null || "$fsbench" "$dir" stat 1 8x 2>/dev/null; then
	echo "wrong arguments were taken"
	exit 1
fi
