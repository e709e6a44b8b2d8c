#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# many.sh [SEED [HOURS]] - runs faults.sh with one seed after the other, for so many hours (default 1; 0.5 is half of one). What a
# failing run said is in faults-SEED.log in the current directory. Status 1 when one has failed.
first=${1:-1} hours=${2:-1}
end=$(awk -v now="$(date +%s)" -v hours="$hours" 'BEGIN { printf "%d", now + hours * 3600 }')
bad=()
for ((seed = first; ; seed++)); do
	bash "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/faults/faults.sh" --seed "$seed" >"faults-$seed.log" 2>&1
	status=$?
	[ "$status" != 77 ] || { cat "faults-$seed.log"; rm "faults-$seed.log"; exit 77; }
	if [ "$status" = 0 ]; then
		echo "seed $seed: passed ($(grep -c '^== ' "faults-$seed.log") steps)"
		rm "faults-$seed.log"
	else
		echo "seed $seed: FAILED; see faults-$seed.log"
		grep -aE '^(FAILED|WRONG|replay)' "faults-$seed.log"
		bad+=("$seed")
	fi
	[ "$(date +%s)" -lt "$end" ] || break
done
echo "seeds $first to $seed: ${#bad[@]} failed: ${bad[*]}"
[ ${#bad[@]} = 0 ]
