#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# first-xlator.sh - the tutorial of examples/first-xlator, done as its README says, with what is installed; then what
# may be wrong with a translator of one's own: another interface, a missing symbol, a crash in init.

# shellcheck source=tests/functions.sh
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
need_mount
need cc make pkg-config

installed=$(find "${GF_DESTDIR:-$GF_PREFIX}" -path '*/first-xlator/keep.c' | head -n 1)
[ -n "$installed" ] || die "the tutorial is not installed"
cp -r "$(dirname "$installed")" "$TMP/first-xlator"
chmod -R u+w "$TMP/first-xlator"
cd "$TMP/first-xlator" || die "no directory"
export PKG_CONFIG_PATH="$LIB/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$GF_DESTDIR"

note "it builds against the installed headers"
expect 0 '' make CFLAGS='-O1 -g -Wall -Wextra -Werror -Wno-unused-parameter'
check test -s keep.so
sed "s#/tmp/first-xlator-brick#$TMP/brick#; s#/tmp/first-xlator/#$TMP/first-xlator/#" keep.vol > "$TMP/keep.vol"
mkdir "$TMP/brick" "$TMP/mnt"

note "it is loaded by path, checked, explained, and tells its options"
expect 0 '' glusterfs --check "$TMP/keep.vol"
expect 0 'kept' glusterfs --explain "$TMP/keep.vol"
expect 0 'pattern' glusterfs --help-xlator "$TMP/first-xlator/keep.so"

tried()	# what the tutorial ends with
{
	check touch "$TMP/mnt/a" "$TMP/mnt/b.keep"
	check rm "$TMP/mnt/a"
	expect error 'Operation not permitted' rm "$TMP/mnt/b.keep"
	check test -e "$TMP/brick/b.keep"
}
start_mount path "$TMP/keep.vol" "$TMP/mnt" || die "the mount with a path fails"
tried
check umount "$TMP/mnt"
must_wait_for 15 dead "$pid"

note "it is found by name"
sed 's#type .*keep.so#type keep#' "$TMP/keep.vol" > "$TMP/name.vol"
expect error 'no translator "keep"' glusterfs --check "$TMP/name.vol"
start_mount name "$TMP/name.vol" "$TMP/mnt" --xlator-path="$TMP/first-xlator" || die "the mount with a name fails"
tried
check umount "$TMP/mnt"
must_wait_for 15 dead "$pid"

# variant NAME SED-SCRIPT: a changed keep.c, built as NAME.so, and a volume file for it
variant()
{
	mkdir "$TMP/$1"
	sed "$2" keep.c > "$TMP/$1/keep.c"
	expect 0 '' make -C "$TMP/$1" -f "$TMP/first-xlator/Makefile" CFLAGS=-g
	sed "s#$TMP/first-xlator/#$TMP/$1/#" "$TMP/keep.vol" > "$TMP/$1.vol"
}

note "what may be wrong with it is told, where and why"
variant abi 's/^XLATOR_EXPORT.*//; $a const struct xlator_export glusterfs_xlator = { "gf-xlatr", XLATOR_ABI + 1, FOP_COUNT, sizeof(struct xlator_type), &keep_xlator };'
expect error 'abi.vol:[0-9]+:[0-9]+: error: volume "kept": .*another version of glusterfs.*compile it again' \
	glusterfs --check "$TMP/abi.vol"
variant symbol 's/^XLATOR_EXPORT.*//'
expect error 'volume "kept": .*no symbol glusterfs_xlator' glusterfs --check "$TMP/symbol.vol"
variant undefined 's/^struct keep {/void there_is_no_such_function(void);\n&/; s/return fail(f, -EPERM)/there_is_no_such_function()/'
expect error 'volume "kept": .*there_is_no_such_function' glusterfs --check "$TMP/undefined.vol"
echo "not a shared object" > "$TMP/junk.so"
sed "s#$TMP/first-xlator/keep.so#$TMP/junk.so#" "$TMP/keep.vol" > "$TMP/junk.vol"
expect error 'volume "kept": .*cannot load' glusterfs --check "$TMP/junk.vol"

note "a crash in init is an error, not a silent end"
variant crash 's/^static const struct xlator_type/static int keep_init(struct xlator *xl) { volatile int *none = 0; return *none; }\n&/; s/\.fops =/.init = keep_init, &/'
# (AddressSanitizer, where it is on, makes the report itself and takes our handler's place)
told='volume "kept" crashed in its init'
! nm -D "$SBIN/glusterfs" | grep -q __asan_init || told='signal|exit'
ASAN_OPTIONS="$ASAN_OPTIONS:handle_segv=0" expect error "$told" \
	glusterfs -f "$TMP/crash.vol" "$TMP/mnt"
check not_mounted "$TMP/mnt"
expect 0 '' ls "$TMP/mnt"
variant refuse 's/^static const struct xlator_type/static int keep_init(struct xlator *xl) { xl_error(xl, "pattern", "I do not like it"); return -EINVAL; }\n&/; s/\.fops =/.init = keep_init, &/'
expect error 'refuse.vol:[0-9]+:[0-9]+: error: volume "kept": option "pattern": I do not like it' \
	glusterfs -f "$TMP/refuse.vol" "$TMP/mnt"
finish
