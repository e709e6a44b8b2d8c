#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# Every volume file of examples/ is right: it is checked, also --strict, and can be explained.
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_xlator storage/posix protocol/client protocol/server cluster/afr features/posix-locks \
	performance/io-threads debug/trace debug/error-gen encryption/rot-13 features/witness

n=0
for file in "$GF_SRCDIR"/examples/*.vol "$GF_SRCDIR"/examples/one-machine/*.vol "$GF_SRCDIR"/examples/*.sample; do
	note "${file##*/}"
	expect 0 'no errors' glusterfs --strict --check "$file"
	expect 0 'Failures' glusterfs --explain "$file"
	n=$((n + 1))
done
[ "$n" -ge 15 ] || die "only $n examples found"

note "what the installation has is the same"
for file in server client; do
	check cmp "$ETC/glusterfs/glusterfs-$file.vol.sample" \
		"$GF_SRCDIR/examples/glusterfs-$file.vol.sample"
done

lab=$GF_SRCDIR/examples/lab-client.vol
note "the drawing tells what stands under the 2008 lab"
expect 0 'mirror0 goes on while any 1 of its 2 bricks is away' glusterfs --explain "$lab"
expect 0 'remote1 \+ remote2' glusterfs --explain "$lab"
expect 0 'remote-port=6996' glusterfs --explain "$lab"
expect 0 '├─ remote1' glusterfs --explain "$lab"
LC_ALL=C expect 0 '\|- remote1' glusterfs --explain "$lab"
finish
