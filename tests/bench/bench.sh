#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# bench.sh - our stack, GlusterFS of the distribution and the local disk, in turns.
# README says how to read the numbers; stacks.sh sets up what is compared.
set -u

here=$(cd "$(dirname "$0")" && pwd)
. "$here/stacks.sh"

# row, operations of one process alone: so that the slowest takes about half a second. Many short
# rounds are better than few long ones: a disturbance then hits one of a pair, not the median.
counts="create 300
stat 300
missing 300
ls 300
chmod 300
rename 300
unlink 300
mkdir 200
smallwrite 150
smallread 150
seqwrite 48
seqread 48
randwrite 300
randread 300
append 200"

usage() {
	cat <<-EOF
	usage: bench.sh [option...]
	  --quick           small counts, three rounds: a minute or two, numbers for orientation only
	  --rounds N        rounds, each runs every row on every stack in turn (9)
	  --only ROW        only this row; again for more rows, or "ROW ROW"
	  --procs "N N"     numbers of processes ("1 4")
	  --stack "S S"     which of "ours peer local"
	  --dir DIR         bricks are directories there, instead of ext4 images in memory
	  --prefix PREFIX   where ours is installed (/usr/local)
	  --peer-sbin DIR   where the peer's glusterfs and glusterfsd are (/usr/sbin)
	  --fsbench FILE    the program that does the work (beside this script)
	  --scale N         percent of the usual counts (100)
	  --tsv FILE        every measurement, one line each
	  --json FILE       medians, ranges and ratios
	rows: $(echo "$counts" | cut -d' ' -f1 | tr '\n' ' ')
	EOF
}

rounds=9 procs="1 4" stacks="ours peer local" only= dir= prefix=/usr/local peer_sbin=/usr/sbin
fsbench=$here/fsbench scale=100 tsv= json= args=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	--quick) rounds=3 scale=25 ;;
	-h | --help) usage; exit 0 ;;
	--rounds | --only | --procs | --stack | --dir | --prefix | --peer-sbin | --fsbench | \
	--scale | --tsv | --json)
		[ $# -ge 2 ] || die "$1 needs a value"
		case $1 in
		--only) only="$only $2" ;;
		--stack) stacks=$2 ;;
		--peer-sbin) peer_sbin=$2 ;;
		*) printf -v "${1#--}" %s "$2" ;;
		esac
		shift ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[ -x "$fsbench" ] || die "there is no $fsbench: make, or --fsbench"
for number in $rounds $scale $procs; do
	[[ $number =~ ^[1-9][0-9]*$ ]] || die "'$number' is not a number"
done
for stack in $stacks; do
	[[ $stack =~ ^(ours|peer|local)$ ]] || die "no stack '$stack': ours, peer, local"
done
for row in $only; do
	echo "$counts" | grep -q "^$row " || die "no row '$row' (--help lists them)"
done
image_mib=$((512 + 2 * scale))
in_own_namespaces "$dir" "${args[@]}"

# count_for STACK ROW PROCS: per process. Together, several do twice what one does; the local
# disk does eight times as much, or it would be over before it can be measured.
count_for() {
	local count
	count=$(echo "$counts" | sed -n "s/^$2 //p")
	count=$((count * scale / 100))
	[ "$3" -gt 1 ] && count=$((count * 2 / $3))
	[ "$1" = local ] && [[ $2 != seq* ]] && count=$((count * 8))
	echo $((count > 8 ? count : 8))
}

failed=0
declare -A bad

# measure ROUND STACK ROW PROCS: one line for $samples. A row that failed is not run again on that
# stack, and a stack that has died is not used again.
measure() {
	local round=$1 stack=$2 row=$3 n=$4 line pid options=()
	[ -z "${bad[$stack $row]-}" ] || return
	for pid in ${pids[$stack]}; do
		options+=(-P "$pid")
	done
	mkdir -p "${mnt[$stack]}/$n"
	if line=$(timeout -k 5 300 "$fsbench" "${options[@]}" "${mnt[$stack]}/$n" "$row" "$n" \
		"$(count_for "$stack" "$row" "$n")"); then
		printf '%s\t%s\t%s\n' "$round" "$stack" "$line" >>"$samples"
		return
	fi
	say "FAILED: $stack, $row, $n processes, round $round"
	failed=1 bad[$stack $row]=1
	if ! stack_lives "$stack"; then
		say "$stack has died"
		tail -n 8 "$work/$stack"/*.log >&2
		running=${running/$stack/}
	fi
}

# in_turn ROUND STACK...: another one begins each time, so that none always follows the same one.
in_turn() {
	local first=$((($1 - 1) % ($# - 1)))
	shift
	echo "${@:first + 1}" "${@:1:first}"
}

steal_ticks() {
	awk '/^cpu / { print $9, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }' /proc/stat
}

running=
for stack in $stacks; do
	if stack_start "$stack"; then
		running="$running $stack"
	else
		say "$stack: left out"
	fi
done
[ -n "$running" ] || die "nothing to measure"

samples=$work/samples before=$(steal_ticks) start=$SECONDS
read -r load _ </proc/loadavg
: >"$samples"
for ((round = 1; round <= rounds; round++)); do
	for n in $procs; do
		for row in $(echo "$counts" | cut -d' ' -f1); do
			[ -z "$only" ] || [[ " $only " == *" $row "* ]] || continue
			[ -t 2 ] && printf '\r%-60s' "round $round/$rounds, $n processes: $row" >&2
			for stack in $(in_turn $round $running); do
				measure $round "$stack" "$row" "$n"
			done
		done
	done
done
[ -t 2 ] && printf '\r%-60s\r' '' >&2
for stack in $running; do
	if [ "$stack" != local ] && ! bricks_equal "$stack"; then
		say "FAILED: $stack: the two bricks differ"
		failed=1
	fi
done

echo "$(date -u +%FT%TZ), $(uname -r), $(nproc) processors, $((SECONDS - start)) s," \
	"$rounds rounds of turns, bricks in ${dir:-memory, on ext4}"
echo "$before $(steal_ticks)" | awk -v load="$load" '$4 > $2 {
	printf "load before we began: %s; the host took away %.0f %% of the processor time\n", load,
		($3 - $1) * 100 / ($4 - $2) }'
for stack in $stacks; do
	echo "$stack: ${version[$stack]-not there}"
done
echo
awk -f "$here/report.awk" -v format=table "$samples"
[ -z "$tsv" ] || {
	printf 'round\tstack\trow\tprocs\tops\trate\tunit\tp50_us\tp99_us\tcpu_us\tswitches\n'
	cat "$samples"
} >"$tsv"
[ -z "$json" ] || awk -f "$here/report.awk" -v format=json "$samples" >"$json"
exit $failed
