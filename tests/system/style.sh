#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-3.0-or-later
#
# style.sh - rules of the house that can be checked mechanically: functions that are banned, sizes of files and functions,
# and that core/ and parser/ name no translator.

# shellcheck source=tests/functions.sh
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"
cd "$GF_SRCDIR" || die "no source tree"
# (not what flex and bison made, in a tree that is built in place)
mapfile -t product < <(find core parser xlators daemons -name '*.[chly]' ! -name 'volfile-lex*' ! -name 'volfile-gram*' | sort)
mapfile -t tests < <(find tests examples \( -name '*.[chly]' -o -name '*.sh' \) | sort)

note "nothing that writes without a bound, or reads a number without saying that it was none"
banned='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|alloca'
run grep -nE "(^|[^a-zA-Z0-9_])($banned)[[:space:]]*\(" "${product[@]}"
[ "$status" -eq 1 ] || fail "banned functions: $out"

note "files of at most 1,000 lines, functions of at most 70"
for f in "${product[@]}" "${tests[@]}"; do
	lines=$(wc -l < "$f")
	[ "$lines" -le 1000 ] || fail "$f has $lines lines"
done
out=$(awk 'FNR == 1 { start = 0 } /^\{/ { start = FNR }
	/^\}/ { if (start && FNR - start > 70) print FILENAME ":" start ": " FNR - start " lines"; start = 0 }' "${product[@]}")
[ -z "$out" ] || fail "long functions: $out"

note "core/ and parser/ know no translator by name"
types=$(find xlators -mindepth 2 -maxdepth 2 -type d | sed 's,^xlators/,,' | paste -sd'|')
run grep -nE "\"($types)\"" core/*.[ch] parser/*.[chly]
[ "$status" -eq 1 ] || fail "translators are named: $out"

note "every source file says its license"
for f in "${product[@]}"; do
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier: LGPL-3.0-or-later' || fail "$f has no SPDX line"
done
finish
