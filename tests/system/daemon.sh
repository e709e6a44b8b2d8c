#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The daemon as a user meets it: bad input, exit statuses, readiness, signals, pidfile, the end.
. "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/functions.sh"

need_xlator storage/posix protocol/client protocol/server cluster/afr debug/trace performance/io-threads
mkdir "$TMP/brick" "$TMP/mnt" "$TMP/other"
cd "$TMP" || die "no $TMP"
server_type=protocol/server

# volfile NAME: a volume file from standard input.
volfile()
{
	cat >"$TMP/$1.vol"
}

# bad NAME PATTERN: the volume file NAME.vol is refused with 255 and that message, by --check and
# when it is run.
bad()
{
	local depth=2

	expect 255 "$2" glusterfs --check "$TMP/$1.vol"
	expect 255 "$2" glusterfsd -f "$TMP/$1.vol"
	expect 255 "$2" glusterfsd -N -f "$TMP/$1.vol"
}

bad_volume_files()
{
	note "bad volume files"
	posix_volume brick "$TMP/brick" | sed 's/storage.posix/storage\/possix/' | volfile type
	bad type 'type\.vol:2:8.*storage/possix.*did you mean "storage/posix"'
	{ posix_volume brick "$TMP/brick"; server_volume 1 brik; } | volfile missing
	bad missing 'missing\.vol:.*brik'
	{ afr_volume a b; afr_volume b a; } | volfile loop
	bad loop 'loop\.vol:.*(loop|itself)'
	afr_volume a a | volfile self
	bad self 'self\.vol:3:14: .*its own subvolume'
	afr_volume mirror | sed /subvolumes/d | volfile childless
	bad childless 'cluster/afr takes .* subvolumes, not 0'
	{ posix_volume a "$TMP/brick"; posix_volume b "$TMP/brick"; } |
		sed '5,$s/end-volume/subvolumes a\n&/' | volfile leaf
	bad leaf 'takes no subvolumes, not 1'
	client_volume c abc brick | volfile number
	bad number 'number\.vol:5:.*remote-port.*abc'
	client_volume c 70000 brick | volfile range
	bad range 'range\.vol:5:.*remote-port.*70000'
	posix_volume brick brick | volfile relative
	bad relative 'relative\.vol:3:.*directory'
	client_volume c 1 brick | sed /remote-host/d | volfile hostless
	bad hostless 'hostless\.vol:1:8: .*remote-host is missing'
	client_volume c 1 brick | sed s/tcp.client/ib-sdp/ | volfile infiniband
	bad infiniband 'infiniband\.vol:3:.*not available: InfiniBand'
	posix_volume brick "$TMP/brick" | sed 's/storage.posix/posix/' | volfile folder
	bad folder 'folder\.vol:2:8.*"posix".*did you mean "storage/posix"'
	printf 'volume brick\n  type storage/posix\nend-volume\n' | volfile required
	bad required 'directory.*missing'
	printf 'volume brick\n  option directory /\nend-volume\n' | volfile typeless
	bad typeless 'typeless\.vol:.*type'
	printf 'volume brick\n  type storage/posix\n  option directory /\n' | volfile unended
	bad unended 'end-volume'
	: | volfile empty
	bad empty 'empty'
	{ posix_volume a /x; posix_volume b /x; } |
		sed '3s/option/optoin/; 6s/type/typo/' | volfile two
	bad two 'two\.vol:3:'
	bad two 'two\.vol:6:'
}

all_at_once()
{
	note "all problems of a file at once: none hides another one"
	volfile all <<-END
		volume brick
		  type storage/posicks
		end-volume
		volume iot
		  type performance/io-threads
		  option thread-count many
		  subvolumes brik
		end-volume
		volume traced
		  type debug/trace
		  option include write
		  option exclude read
		  subvolumes brick
		end-volume
	END
	bad all "subvolume 'brik'"
	bad all 'posicks'
	bad all 'thread-count'
	bad all 'only one of include and exclude'
	expect 255 'only one of include' glusterfs --check all.vol --xlator-option nobody.x=y -n nothing
	grep -q 'nobody' <<<"$out" || fail "the wrong --xlator-option is not told: $out"
	grep -q 'no volume "nothing"' <<<"$out" || fail "the wrong --volume-name is not told: $out"
}

bad_files()
{
	note "things that are no volume files"
	head -c 100000 /dev/urandom >"$TMP/binary.vol"
	bad binary 'binary'
	yes 'volume x type y' | head -c 100M >"$TMP/big.vol"
	bad big 'big\.vol.*(large|big|MiB|limit)'
	head -c 100M /dev/zero >"$TMP/zero.vol"
	bad zero 'zero\.vol'
	rm -f "$TMP/big.vol" "$TMP/zero.vol"
	bad absent 'absent\.vol.*No such file'
	mkdir "$TMP/directory.vol"
	bad directory 'directory\.vol.*directory'
	expect 255 'Not a directory' glusterfsd -f "$TMP/binary.vol/x"
	if setpriv --reuid 65534 --clear-groups "$SBIN/glusterfs" --version >/dev/null 2>&1; then
		install -m 0 /dev/null "$TMP/secret.vol"
		expect 255 'secret\.vol.*Permission denied' \
			setpriv --reuid 65534 --clear-groups "$SBIN/glusterfs" --check secret.vol
	fi
}

bad_command_lines()
{
	note "bad command lines"
	posix_volume brick "$TMP/brick" | volfile posix
	expect 255 'missing option --server=HOST or --spec-file' glusterfs
	expect 255 'missing option --server=HOST or --spec-file' glusterfs "$TMP/mnt"
	expect 1 'cannot be used together' glusterfs -f posix.vol -s localhost
	expect 255 'no\.such\.host\.invalid:6996: error: cannot fetch' \
		glusterfs --mount-timeout=1 -s no.such.host.invalid "$TMP/mnt"
	expect 255 'no transport "pigeon"' glusterfs -t pigeon -s localhost "$TMP/mnt"
	expect 1 'more than one volume file' glusterfs -f posix.vol --volfile posix.vol
	expect 1 'more than one MOUNT-POINT' glusterfs -f posix.vol "$TMP/mnt" "$TMP/other"
	expect 1 'unrecognized option' glusterfs --no-such-option
	expect 1 'requires an argument' glusterfs -f
	expect 1 'unknown log level "LOUD"' glusterfs -f posix.vol -L LOUD
	expect 1 '"soon" is not a number of seconds' glusterfs -f posix.vol -a soon "$TMP/mnt"
	expect 1 '"-1" is not a number of seconds' \
		glusterfs -f posix.vol --entry-timeout=-1 "$TMP/mnt"
	expect 1 '"perhaps" is neither' glusterfs -f posix.vol -d perhaps "$TMP/mnt"
	expect 1 'is not a port' glusterfs -s localhost -P 99999
	expect 1 'nothing to do' glusterfs -f posix.vol
	expect 255 'no volume "brisk"' glusterfs -f posix.vol -n brisk "$TMP/mnt"
	expect 255 'cannot open the log /no/such/dir/log' \
		"$SBIN/glusterfs" -f posix.vol -l /no/such/dir/log "$TMP/mnt"
	expect 1 'mount point /no/such/dir: No such file' glusterfs -f posix.vol /no/such/dir
	expect 1 'posix.vol: not a directory' glusterfs -f posix.vol posix.vol
	expect 255 'VOLUME\.KEY=VALUE' glusterfs --check posix.vol --xlator-option brick.directory
	expect 255 'no such volume' glusterfs --check posix.vol --xlator-option brik.directory=/
	expect 255 'must be a path' glusterfs --check posix.vol --xlator-option brick.directory=x
	expect 0 '' glusterfs --check posix.vol --xlator-option 'br*.directory=/tmp'
	posix_volume brick "$TMP/brick" |
		sed 's/option dir/option directroy x\n&/' | volfile unknown
	expect 0 'warning.*did you mean "directory"' glusterfs --check unknown.vol
	expect 255 'error.*did you mean "directory"' glusterfs --strict --check unknown.vol
}

help_texts()
{
	note "help"
	expect 0 '^glusterfs [0-9]' glusterfs --version
	expect 0 '^glusterfs [0-9]' glusterfsd -V
	expect 0 'spec-file' glusterfs --help
	expect 0 'MOUNT-POINT' glusterfs --usage
	expect 0 '^storage/posix ' glusterfs --help-xlator
	expect 0 'directory' glusterfs --help-xlator=storage/posix
	expect 0 'directory' glusterfs --help-xlator storage/posix
	expect 1 'no/such' glusterfs --help-xlator=no/such
	check test "$("$SBIN/glusterfs" --print-xlatordir)" = "$GF_XLATORDIR"
	check test "$(readlink "$SBIN/glusterfsd")" = glusterfs
}

start_server()
{
	free_port
	server_port=$port
	{ posix_volume brick "$TMP/brick"; server_volume "$port" brick; } | volfile server
	start_daemon server -f server.vol || die "the server does not start"
	server_pid=$pid
}

servers()
{
	note "a server is listening when the command returns"
	start_server
	check listens "$server_port"
	check alive "$server_pid"
	check test "$(cat server.pid)" = "$server_pid"

	note "pidfile"
	expect 1 "already running as PID $server_pid" glusterfsd -f server.vol -p server.pid
	check alive "$server_pid"
	echo 999999 >stale.pid
	free_port
	{ posix_volume brick "$TMP/other"; server_volume "$port" brick; } | volfile server2
	expect 0 'ignoring the stale pidfile' glusterfsd -f server2.vol -p stale.pid
	pid=$(cat stale.pid)
	at_exit "stop_pid $pid"
	check alive "$pid"
	kill "$pid"
	check wait_for 10 dead "$pid"
	check test ! -e stale.pid
	expect 1 'cannot open the pidfile' glusterfsd -f server.vol -p /no/such/dir/pid

	note "port taken, bad address"
	sed "s/ $port/ $server_port/" server2.vol >taken.vol
	expect 1 "$server_port.*(in use|taken)" glusterfsd -f taken.vol
	expect 255 "in use by pid $server_pid" glusterfsd -f server.vol
	check alive "$server_pid"
	sed 's/127.0.0.1/192.0.2.1/' server2.vol >address.vol
	expect 1 '192\.0\.2\.1' glusterfsd -f address.vol

	note "brick directory"
	sed "s|$TMP/other|$TMP/no-such-dir/brick|" server2.vol >dir.vol
	expect 255 'no-such-dir' glusterfsd -f dir.vol
	sed "s|$TMP/other|$TMP/server.vol|" server2.vol >dir.vol
	expect 255 '[Nn]ot a directory' glusterfsd -f dir.vol
	expect 255 '[Nn]ot a directory' glusterfsd -N -f dir.vol
}

# the log has a line of that kind
logged()
{
	grep -Eq -- "$2" "$TMP/$1.log"
}

signals()
{
	local dump

	note "signals to a server"
	mv server.log server.log.1
	kill -HUP "$server_pid"
	check wait_for 10 test -s server.log
	kill -USR1 "$server_pid"
	must_wait_for 10 logged server 'statedump: /'
	dump=$(sed -n 's/.*statedump: //p' server.log)
	at_exit "rm -f '$dump'"
	check grep -q '^\[brick: storage/posix\]' "$dump"
	check grep -q "^pid=$server_pid" "$dump"
	check test "$(stat -c %a "$dump")" = 600
	kill -USR2 "$server_pid"
	check wait_for 10 logged server 'operations under way: 0'
	check logged server 'command line: .*server\.vol'
	check logged server 'type storage/posix'
	check alive "$server_pid"
	kill -PIPE "$server_pid"
	check alive "$server_pid"
	kill -TERM "$server_pid"
	check wait_for 10 dead "$server_pid"
	check test ! -e server.pid
	check logged server 'ended with status 0'
	check not listens "$server_port"
	note "the end by INT"
	start_daemon server -f server.vol || die "the server does not start again"
	kill -INT "$pid"
	check wait_for 10 dead "$pid"
	check test ! -e server.pid
}

not()
{
	! "$@"
}

foreground()
{
	local job

	note "in the foreground"
	"$SBIN/glusterfs" --xlator-path="$XLATORS" -N -l "$TMP/fg.log" -p fg.pid -f server.vol &
	job=$!
	at_exit "stop_pid $job"
	check wait_for 10 listens "$server_port"
	check test "$(cat fg.pid)" = "$job"
	kill "$job"
	wait "$job"
	check test $? -eq 0
	check test ! -e fg.pid
}

crash()
{
	local fresh

	note "a crash leaves a backtrace"
	if grep -q __asan_init "$SBIN/glusterfs"; then
		echo "   (not with AddressSanitizer, which has its own)"
		return
	fi
	start_daemon crash -f server.vol || die "the server does not start"
	fresh=$pid
	kill -SEGV "$fresh"
	check wait_for 10 dead "$fresh"
	check logged crash 'crashed: SIGSEGV'
	check logged crash 'main'
	rm -f /core "/core.$fresh"
}

mounts()
{
	note "a mount answers when the command returns"
	start_server
	client_volume remote "$server_port" brick | volfile client
	start_mount client client.vol "$TMP/mnt" || die "no mount"
	check is_mounted "$TMP/mnt"
	check touch "$TMP/mnt/file"
	check test -e "$TMP/brick/file"
	check rm "$TMP/mnt/file"
	check test "$(stat -f -c %T "$TMP/mnt")" = fuseblk -o "$(stat -f -c %T "$TMP/mnt")" = fuse
	note "umount ends the process"
	umount "$TMP/mnt"
	check wait_for 10 dead "$pid"
	check test ! -e client.pid
	check logged client 'ended with status 0'
	for signal in TERM INT; do
		note "$signal unmounts"
		start_mount client client.vol "$TMP/mnt" || die "no mount"
		kill -$signal "$pid"
		check wait_for 15 dead "$pid"
		check not_mounted "$TMP/mnt"
		check test ! -e client.pid
	done
	note "-n mounts another volume, --xlator-option changes one"
	mkdir -p "$TMP/else" && touch "$TMP/else/here"
	{ posix_volume below "$TMP/brick"; afr_volume mirror below; } | volfile two-tops
	start_mount top two-tops.vol "$TMP/mnt" -n below \
		--xlator-option="below.directory=$TMP/else" || die "no mount"
	check test -e "$TMP/mnt/here"
	stop_pid "$pid"
	note "options of the command line"
	start_mount client client.vol "$TMP/mnt" -o ro,noatime,nosuid --fs-name=here:static ||
		die "no mount"
	check grep -Eq "^here:static $TMP/mnt fuse.glusterfs ro,nosuid[a-z,]*noatime" \
		/proc/self/mounts
	expect error 'Read-only' touch "$TMP/mnt/x"
	kill "$pid"
	check wait_for 15 dead "$pid"
}

# SIGUSR2 makes the client's log say so
tells()
{
	kill -USR2 "$pid" && logged client "$1"
}

# What an application waits for can be read in the log.
hanging_calls()
{
	local job dump root='00000000-0000-0000-0000-000000000001'

	note "what is under way, when a brick does not answer"
	start_mount client client.vol "$TMP/mnt" || die "no mount"
	kill -STOP "$server_pid"
	at_exit "kill -CONT $server_pid 2>/dev/null"
	touch "$TMP/mnt/hangs" &
	job=$!
	check wait_for 10 tells \
		"(stat|lookup) for uid 0, gid 0, pid $job, [0-9.]+ s, in remote < fuse: (inode|parent)=$root"
	check logged client 'operations under way: [1-9]'
	kill -USR1 "$pid"
	must_wait_for 10 logged client 'statedump: /'
	dump=$(sed -n 's/.*statedump: //p' client.log)
	at_exit "rm -f '$dump'"
	check grep -q '^\[calls under way\]' "$dump"
	grep -Eq "^call\.[0-9]+=(stat|lookup) for uid 0, gid 0, pid $job, " "$dump" ||
		fail "the statedump does not have it: $(grep ^call "$dump")"
	kill -CONT "$server_pid"
	check wait "$job"
	: >client.log
	check wait_for 10 tells 'operations under way: 0'
	check test -e "$TMP/brick/hangs"
	stop_pid "$pid"
}

failing_mounts()
{
	note "mounts that cannot be fail with the reason, and leave no mount"
	stop_pid "$server_pid"
	expect 1 "remote: .*127\.0\.0\.1.*[Cc]onnection refused" \
		glusterfs --mount-timeout=1 -f client.vol "$TMP/mnt"
	check not_mounted "$TMP/mnt"
	client_volume remote "$server_port" brick no.such.host.invalid | volfile nohost
	expect 1 'remote: .*no\.such\.host\.invalid' \
		glusterfs --mount-timeout=1 -f nohost.vol "$TMP/mnt"
	check not_mounted "$TMP/mnt"
	start_server
	client_volume remote "$server_port" brock | volfile wrong
	SECONDS=0
	expect 1 'remote: .*brock' glusterfs --mount-timeout=60 -f wrong.vol "$TMP/mnt"
	check test "$SECONDS" -lt 30
	check not_mounted "$TMP/mnt"
	stop_pid "$server_pid"
	sed -i 's/allow \*/allow 192.0.2.1/' server.vol
	start_daemon server -f server.vol || die "the server does not start"
	server_pid=$pid
	client_volume remote "$server_port" brick | volfile client
	SECONDS=0
	expect 1 'remote: .*(rejected|auth|allow)' \
		glusterfs --mount-timeout=60 -f client.vol "$TMP/mnt"
	check test "$SECONDS" -lt 30
	check not_mounted "$TMP/mnt"
	stop_pid "$server_pid"
}

half_a_mirror()
{
	local half half_pid other mount_pid

	note "a mirror that has begun mounts with a warning when one brick is away"
	free_port
	{ posix_volume brick "$TMP/half"; server_volume "$port" brick; } | volfile half
	start_daemon half -f half.vol || die "no first server"
	half=$port half_pid=$pid
	free_port
	other=$port
	{ posix_volume brick "$TMP/other-half"; server_volume "$other" brick; } | volfile other
	start_daemon other -f other.vol || die "no second server"
	{
		client_volume remote1 "$half" brick
		client_volume remote2 "$other" brick
		afr_volume mirror remote1 remote2
	} | volfile mirror
	at_exit "! is_mounted '$TMP/mnt' || umount -l '$TMP/mnt'"
	stop_pid "$pid"
	rm -f mirror.pid
	expect 1 'a new replica set begins when all its subvolumes are there: remote2: .*refused' \
		glusterfs -f mirror.vol -p mirror.pid "$TMP/mnt"
	check not_mounted "$TMP/mnt"
	start_daemon other -f other.vol || die "no second server"
	expect 0 '' glusterfs -f mirror.vol -p mirror.pid "$TMP/mnt"
	check is_mounted "$TMP/mnt"
	mount_pid=$(cat mirror.pid)
	umount "$TMP/mnt"
	check wait_for 15 dead "$mount_pid"
	stop_pid "$pid"
	rm -f mirror.pid
	expect 0 'warning: 1 of 2 bricks' glusterfs -f mirror.vol -p mirror.pid "$TMP/mnt"
	pid=$(cat mirror.pid)
	at_exit "stop_pid $pid"
	grep -Eq 'remote2: .*refused' <<<"$out" || fail "the reason is missing: $out"
	check is_mounted "$TMP/mnt"
	check ls "$TMP/mnt"
	kill "$pid"
	check wait_for 15 dead "$pid"
	check not_mounted "$TMP/mnt"
	stop_pid "$half_pid"
}

fetched()
{
	note "-s fetches the volume file"
	start_server
	stop_pid "$server_pid"
	client_volume remote "$server_port" brick | volfile given
	sed -i "s|  subvolumes|  option client-volume-filename $TMP/given.vol\n&|" server.vol
	start_daemon server -f server.vol || die "no server"
	server_pid=$pid
	at_exit "! is_mounted '$TMP/mnt' || umount -l '$TMP/mnt'"
	start_daemon fetcher -s 127.0.0.1 -P "$server_port" -t tcp/client "$TMP/mnt" ||
		die "no mount"
	check grep -q "^127.0.0.1:$server_port $TMP/mnt fuse.glusterfs" /proc/self/mounts
	check touch "$TMP/mnt/fetched"
	check test -e brick/fetched
	stop_pid "$pid"
	printf 'volume x\ntype some/thing\nsubvolumes nobody\nend-volume\n' >given.vol
	expect 255 "subvolume 'nobody'" glusterfs -s 127.0.0.1 -P "$server_port" "$TMP/mnt"
	grep -q 'some/thing' <<<"$out" || fail "not all is told of a fetched file: $out"
	echo 'volume oops' >given.vol
	expect 255 "127.0.0.1:$server_port:.*end-volume" \
		glusterfs -s 127.0.0.1 -P "$server_port" "$TMP/mnt"
	rm given.vol
	expect 255 'cannot fetch' glusterfs -s 127.0.0.1 -P "$server_port" "$TMP/mnt"
	check not_mounted "$TMP/mnt"
	stop_pid "$server_pid"
	expect 255 'cannot fetch .*refused' glusterfs -s 127.0.0.1 -P "$server_port" "$TMP/mnt"
}

# The helper, with the programs of the installation below inst/.
mount_helper()
{
	note "mount.glusterfs"
	# mount(8) drops LD_LIBRARY_PATH
	sed "s|^glusterfs=.*|export LD_LIBRARY_PATH=$LIB; glusterfs=$SBIN/glusterfs|" \
		"$GF_SRCDIR/daemons/mount.glusterfs.in" >helper
	chmod +x helper
	start_server
	client_volume remote "$server_port" brick | volfile client
	expect 1 usage ./helper
	expect 1 usage ./helper one
	expect 1 'needs a value' ./helper client.vol mnt -o log-level
	expect 32 'no volume file' ./helper ./nothing.vol mnt
	expect 32 'not a directory' ./helper client.vol nowhere
	expect 32 'cannot fetch .*refused' ./helper 127.0.0.1:1 mnt -o "log-file=$TMP/helper.log"
	expect 32 'unknown log level' ./helper client.vol mnt -o log-level=LOUD
	expect 0 '--mount-options=ro,noatime .*/mnt$' \
		./helper client.vol mnt -f -v -o rw,_netdev,nofail,x-systemd.automount,ro,noatime
	at_exit "! is_mounted '$TMP/mnt' || umount -l '$TMP/mnt'"
	expect 0 '' ./helper client.vol mnt -o \
		"ro,noatime,_netdev,nofail,log-level=DEBUG,log-file=$TMP/helper.log" \
		-o "pid-file=$TMP/helper.pid,xlator-path=$XLATORS"
	check grep -Eq " $TMP/mnt fuse.glusterfs ro[a-z,]*noatime" /proc/self/mounts
	pid=$(cat helper.pid)
	at_exit "stop_pid $pid"
	expect 32 'already' ./helper client.vol mnt
	umount "$TMP/mnt"
	check wait_for 10 dead "$pid"
	stop_pid "$server_pid"
}

# mount(8) and fstab(5) find the helper in /sbin; a mount namespace of our own puts it there.
fstab()
{
	local ours

	note "mount -t glusterfs, and a line in fstab"
	if [ ! -e /sbin/mount.glusterfs ] || ! unshare -m true 2>/dev/null; then
		echo "   (left out: there is no /sbin/mount.glusterfs to put ours over)"
		return
	fi
	start_server
	client_volume remote "$server_port" brick | volfile client
	ours=log-file=$TMP/fstab.log,pid-file=$TMP/fstab.pid,xlator-path=$XLATORS
	echo "$TMP/client.vol $TMP/mnt glusterfs noatime,_netdev,nofail,$ours 0 0" >fstab
	cat >in-namespace <<-END
		set -e
		mount --bind $TMP/helper /sbin/mount.glusterfs
		mount -a -T $TMP/fstab
		mount -a -T $TMP/fstab
		test \$(grep -c ' $TMP/mnt fuse.glusterfs' /proc/self/mounts) -eq 1
		touch $TMP/mnt/by-fstab
		umount $TMP/mnt
		mount -t glusterfs -r -o $ours client.vol $TMP/mnt
		! touch $TMP/mnt/read-only
		grep -q '^$TMP/client.vol $TMP/mnt fuse.glusterfs ro' /proc/self/mounts
		umount $TMP/mnt
	END
	expect 0 '' unshare -m sh -x in-namespace
	check test -e brick/by-fstab
	check wait_for 10 test ! -e fstab.pid
	stop_pid "$server_pid"
}

interrupted()
{
	local job

	note "a start that is interrupted leaves nothing"
	free_port
	client_volume remote "$port" brick | volfile nobody
	rm -f interrupted.pid
	# monitor mode: in a plain background job INT is ignored
	set -m
	"$SBIN/glusterfs" --xlator-path="$XLATORS" -l interrupted.log -p interrupted.pid \
		--mount-timeout=600 -f nobody.vol "$TMP/mnt" 2>/dev/null &
	job=$!
	set +m
	check wait_for 10 is_mounted "$TMP/mnt"
	pid=$(cat interrupted.pid)
	at_exit "stop_pid $pid"
	check test "$pid" != "$job"
	kill -INT "$job"
	wait "$job"
	check test $? -eq 130
	check not_mounted "$TMP/mnt"
	check dead "$pid"
	check test ! -e interrupted.pid
}

bad_volume_files
all_at_once
bad_files
bad_command_lines
help_texts
servers
signals
foreground
crash
if [ "$(id -u)" -eq 0 ] && [ -c /dev/fuse ] && [ -e "$XLATORS/mount/fuse.so" ]; then
	mounts
	hanging_calls
	failing_mounts
	half_a_mirror
	fetched
	mount_helper
	fstab
	interrupted
else
	note "no mounts here: their part is left out"
fi
finish
