#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# What the manuals say is what the programs have: every option of a translator is in its manual page, and the other way
# round, with the same default; the same for the command line; and every page can be set without a warning.
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

# The options of a translator, "name default" (default "-": none is told); patterns as auth.ip.*.allow.
# Other spellings have no default of their own.
options_of_help()
{
	awk '
	function put() { if (name != "") print name, value; name = "" }
	/^    [^ ]/ { put(); name = $1; value = "-"; next }
	/^        also spelled: / {
		sub(/^        also spelled: /, ""); n = split($0, also, /, /)
		for (i = 1; i <= n; i++) print also[i], "-"
		next
	}
	match($0, /default: .*$/) { value = substr($0, RSTART + 9) }
	END { put() }'
}

# The same from the source of a manual page: the tags of its OPTIONS section, and "Other spellings:".
# VOLUME and USER stand for what --help-xlator writes as *.
options_of_page()
{
	awk '
	# "word word ..." in quotes are arguments of a macro: .BR alternates between bold and roman, .BI with italic
	function arguments(line,   n) {
		n = 0
		while (match(line, /"[^"]*"?|[^ "]+/)) {
			arg[++n] = substr(line, RSTART, RLENGTH)
			gsub(/"/, "", arg[n])
			line = substr(line, RSTART + RLENGTH)
		}
		return n
	}
	function tag(line,   n, i, macro, text, value, words, k) {
		macro = substr(line, 2, 2)
		n = arguments(substr(line, 4))
		text = ""; value = "-"
		for (i = 1; i <= n; i++) {
			gsub(/\\f[A-Z]|\\-|\\&/, "", arg[i])
			if (arg[i] ~ /^(VOLUME|USER)$/ && i % 2 == 0) arg[i] = "*"
			else if (i % 2 == 0 && arg[i] !~ /^ *,/ ) {
				if (match(arg[i], /default [^)]*\)/)) value = substr(arg[i], RSTART + 8, RLENGTH - 9)
				arg[i] = " "
			}
			text = text (i % 2 ? " " arg[i] : arg[i])
			if (arg[i] == "*" || (i > 1 && arg[i - 1] == "*")) sub(/ \./, ".", text)
		}
		gsub(/\. \*/, ".*", text); gsub(/\* \./, "*.", text); gsub(/,/, " ", text)
		k = split(text, words, / +/)
		for (i = 1; i <= k; i++) if (words[i] != "") print words[i], value
	}
	/^\.SH/ { inside = /OPTIONS/; next }
	!inside { next }
	/^Other spellings:/ { others = 1; next }
	others && /^\.B/ { n = arguments($0); sub(/,$/, "", arg[2]); print arg[2], "-"; next }
	tagged { tag($0); tagged = 0; next }
	/^\.TP/ { tagged = 1 }'
}

# compare WHAT FILE FILE: what only one of them has
compare()
{
	local only

	only=$(comm -23 "$2" "$3" | tr '\n' ' ')
	[ -z "$only" ] || depth=1 fail "$1: not in the manual: $only"
	only=$(comm -13 "$2" "$3" | tr '\n' ' ')
	[ -z "$only" ] || depth=1 fail "$1: only in the manual: $only"
}

n=0
while read -r type _; do
	note "$type"
	page=$GF_SRCDIR/xlators/$type/${type##*/}.8
	[ -e "$page" ] || { fail "$type has no manual page"; continue; }
	expect 0 . glusterfs --help-xlator="$type"
	options_of_help <<<"$out" | sort -u >"$TMP/help"
	options_of_page <"$page" | sort -u >"$TMP/page"
	cut -d ' ' -f 1 "$TMP/help" | sort -u >"$TMP/help.names"
	cut -d ' ' -f 1 "$TMP/page" | sort -u >"$TMP/page.names"
	compare "$type" "$TMP/help.names" "$TMP/page.names"

	# a default that the page tells is the one of the program
	awk 'NR == FNR { help[$1] = $2; next } $1 in help && $2 != "-" && help[$1] != "-" && $2 != help[$1] \
		{ print $1 ": the manual says " $2 ", the program " help[$1] }' "$TMP/help" "$TMP/page" >"$TMP/defaults"
	[ ! -s "$TMP/defaults" ] || fail "$type: $(cat "$TMP/defaults")"
	[ -s "$TMP/page.names" ] || fail "$type: no option found in its page"
	n=$((n + 1))
done < <(glusterfs --help-xlator)
[ "$n" -ge 9 ] || die "only $n translators found"

note "the command line"
glusterfs --help >"$TMP/out" || die "--help fails"
grep -oE '^ +(-[A-Za-z?], )?--[a-z][a-z-]*.*' "$TMP/out" | grep -oE -- '(^ +-[^-]|--[a-z][a-z-]*)' | tr -d ' ' |
	sort -u >"$TMP/help"
grep -E '^\.(It|Op) ' "$GF_SRCDIR/daemons/glusterfs.8" | grep -oE 'Fl [^ ]+' |
	sed 's/^Fl /-/; s/\\&//g; s/\\-/-/g' | sort -u >"$TMP/page"
compare "glusterfs(8)" "$TMP/help" "$TMP/page"

note "the pages can be set, and are installed"
for page in "$GF_SRCDIR"/xlators/*/*/*.8 "$GF_SRCDIR"/daemons/*.[58]; do
	check test -e "$GF_DESTDIR${GF_MANDIR:-${GF_PREFIX:-}/share/man}/man${page##*.}/${page##*/}"
	command -v groff >/dev/null || continue
	[ "${page##*/}" != glusterfsd.8 ] || continue # one line, which names a page of the installation
	expect 0 '' groff -mandoc -Tutf8 -ww -z "$page"
	[ -z "$out" ] || fail "${page##*/}: $out"
done

if git -C "$GF_SRCDIR" rev-parse 2>/dev/null; then
	note "every folder has a README, which names its files"
	while read -r file; do
		folder=$(dirname "$file")
		readme=$GF_SRCDIR/$folder/README
		[ "$folder" != examples/one-machine ] || readme=$GF_SRCDIR/examples/README
		name=$(basename "$file")
		grep -qF -e "$name" -e "${name%.*}.[" "$readme" ||
			grep -qE "${name%.*}\.h .*\(and \.c\)" "$readme" || fail "$readme does not name $name"
	done < <(git -C "$GF_SRCDIR" ls-files '*.[chly]' '*.def' '*.sh' '*.vol' '*.awk' '*.in' '*.sample')
fi
finish
