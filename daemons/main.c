/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * glusterfs and glusterfsd: the command line. It is that of 1.3, with today's spellings of the same
 * options beside them; which name the binary was called by only chooses the default log file.
 */
#include "config.h"

/* getopt's struct option comes with argp.h; that of option.h has nothing to do with it */
#define option getopt_option
#include <argp.h>
#undef option

#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_DIR LOCALSTATEDIR "/log/glusterfs"
#define STATEDUMP_DIR LOCALSTATEDIR "/run/glusterfs"

enum { PORT = 6996, MOUNT_TIMEOUT_S = 10, MOUNT_TIMEOUT_MAX_S = 3600 };

enum key {
	KEY_DEBUG = 0x100, KEY_CHECK, KEY_EXPLAIN, KEY_HELP_XLATOR, KEY_STRICT, KEY_XLATOR_PATH,
	KEY_XLATOR_OPTION, KEY_MOUNT_TIMEOUT, KEY_FS_NAME, KEY_READ_ONLY, KEY_LRU_LIMIT,
	KEY_VOLFILE_ID, KEY_PRINT_LOGDIR, KEY_PRINT_DUMPDIR, KEY_PRINT_XLATORDIR,
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "Basic options:" },
	{ "spec-file", 'f', "FILE", 0, "The volume file" },
	{ "volfile", 0, NULL, OPTION_ALIAS, NULL },
	{ "server", 's', "HOST", 0, "Fetch the volume file from this server" },
	{ "volfile-server", 0, NULL, OPTION_ALIAS, NULL },
	{ "log-file", 'l', "FILE", 0,
	  "Where to log; - is standard error [default: " LOG_DIR
	  "/NAME.log, where NAME is what this program was called by]" },
	{ "log-level", 'L', "LEVEL", 0,
	  "NONE, CRITICAL, ERROR, WARNING, NOTICE (or INFO), DEBUG or TRACE [default: WARNING]" },
	{ "no-daemon", 'N', NULL, 0, "Run in the foreground" },
	{ "debug", KEY_DEBUG, NULL, 0, "The same as --no-daemon --log-level=DEBUG --log-file=-" },
	{ "pidfile", 'p', "FILE", 0,
	  "Write the process id to FILE; refuse to start when its process lives" },
	{ "pid-file", 0, NULL, OPTION_ALIAS, NULL },

	{ NULL, 0, NULL, 0, "Looking at volume files and translators:" },
	{ "check", KEY_CHECK, "FILE", 0, "Check a volume file, tell all errors, start nothing" },
	{ "explain", KEY_EXPLAIN, "FILE", 0,
	  "Draw the graph of a volume file: which operations stop where, what is implicit, which "
	  "failures it survives" },
	{ "help-xlator", KEY_HELP_XLATOR, "TYPE", OPTION_ARG_OPTIONAL,
	  "The options of a translator; without TYPE: the installed translators" },
	{ "strict", KEY_STRICT, NULL, 0,
	  "Options that a translator does not know are errors, not warnings" },
	{ "xlator-path", KEY_XLATOR_PATH, "DIR", 0,
	  "Look for translators in DIR first; may be repeated" },
	{ "xlator-option", KEY_XLATOR_OPTION, "VOLUME.KEY=VALUE", 0,
	  "Override an option of the volume file; VOLUME may be a pattern, or fuse for the mount; "
	  "may be repeated" },
	{ "volume-name", 'n', "NAME", 0,
	  "The volume to mount [default: the last one of the file]" },
	{ "print-logdir", KEY_PRINT_LOGDIR, NULL, 0, "Print the directory of logs" },
	{ "print-statedumpdir", KEY_PRINT_DUMPDIR, NULL, 0, "Print the directory of statedumps" },
	{ "print-xlatordir", KEY_PRINT_XLATORDIR, NULL, 0, "Print the directory of translators" },

	{ NULL, 0, NULL, 0, "Mount options:" },
	{ "direct-io-mode", 'd', "ENABLE|DISABLE", 0,
	  "Whether open files bypass the kernel's page cache" },
	{ "entry-timeout", 'e', "SECONDS", 0, "How long the kernel keeps names [default: 1]" },
	{ "attr-timeout", 'a', "SECONDS", 0, "How long the kernel keeps attributes [default: 1]" },
	{ "attribute-timeout", 0, NULL, OPTION_ALIAS, NULL },
	{ "mount-options", 'o', "LIST", 0,
	  "Options for the kernel, separated by commas: ro, nodev, noatime, ..." },
	{ "read-only", KEY_READ_ONLY, NULL, 0, "The same as -o ro" },
	{ "mount-timeout", KEY_MOUNT_TIMEOUT, "SECONDS", 0,
	  "How long to wait for the first brick [default: 10]" },
	{ "fs-name", KEY_FS_NAME, "NAME", 0,
	  "What df shows as the source [default: the volume file]" },
	{ "lru-limit", KEY_LRU_LIMIT, "N", 0, "How many objects that nobody uses are remembered" },

	{ NULL, 0, NULL, 0, "With --server:" },
	{ "port", 'P', "PORT", 0, "Its port [default: 6996]" },
	{ "volfile-server-port", 0, NULL, OPTION_ALIAS, NULL },
	{ "transport", 't', "NAME", 0,
	  "tcp, or unix (then HOST is the path of a socket) [default: tcp]" },
	{ "volfile-server-transport", 0, NULL, OPTION_ALIAS, NULL },
	{ "volfile-id", KEY_VOLFILE_ID, "KEY", 0,
	  "Accepted for today's mount scripts; a server has one client volume file" },

	{ NULL, 0, NULL, 0, "Help:", -1 },
	{ 0 }
};

static const char doc[] =
	"\nRuns the volumes of a volume file. With MOUNT-POINT the top volume is mounted there; "
	"without it, the file has a volume that serves others (protocol/server).\v"
	"The command returns when the mount answers, or the server listens; before that, errors "
	"come to the terminal and the exit status is not 0: 1 for a command line that cannot be, "
	"a pidfile that is in use or a start that failed, 255 for a volume file or log file that "
	"cannot be used.\n\n"
	"Signals: TERM and INT unmount and end; HUP reopens the log; USR1 writes a statedump to "
	STATEDUMP_DIR "; USR2 writes the volume file and what is under way to the log.";

static void print_version(FILE *out, struct argp_state *state)
{
	(void)state;
	fprintf(out, "glusterfs %s\nLicense LGPL-3.0-or-later. "
		"There is no warranty, to the extent permitted by law.\n", PACKAGE_VERSION);
}

/* ---- values --------------------------------------------------------------------------------- */

static char *absolute(struct argp_state *state, const char *path)
{
	char *p = path_absolute(path);

	if (!p)
		argp_failure(state, EXIT_USAGE, errno, "%s", path);
	return p;
}

static void check_seconds(struct argp_state *state, const char *what, const char *arg)
{
	uint64_t ms;

	if (parse_time_ms(arg, &ms))
		argp_error(state, "%s: \"%s\" is not a number of seconds", what, arg);
}

static void set_log_level(struct argp_state *state, const char *arg)
{
	if (log_level_parse(arg, &log_threshold))
		argp_error(state, "unknown log level \"%s\": NONE, CRITICAL, ERROR, WARNING, "
			   "NOTICE, INFO, DEBUG or TRACE", arg);
}

static void set_direct_io(struct argp_state *state, struct settings *s, const char *arg)
{
	bool on;

	if (parse_bool(arg, &on) && strcasecmp(arg, "auto"))
		argp_error(state, "--direct-io-mode: \"%s\" is neither ENABLE nor DISABLE", arg);
	s->direct_io = arg;
}

static void set_mount_timeout(struct argp_state *state, struct settings *s, const char *arg)
{
	uint64_t ms;

	if (parse_time_ms(arg, &ms) || ms > MOUNT_TIMEOUT_MAX_S * 1000)
		argp_error(state, "--mount-timeout: \"%s\" is not a number of seconds up to %d",
			   arg, MOUNT_TIMEOUT_MAX_S);
	else
		s->mount_timeout_ms = (uint32_t)ms;
}

static void set_lru_limit(struct argp_state *state, struct settings *s, const char *arg)
{
	uint64_t n;

	if (parse_u64(arg, &n) || n == 0 || n > UINT32_MAX)
		argp_error(state, "--lru-limit: \"%s\" is not a number from 1", arg);
	else
		s->lru_limit = (uint32_t)n;
}

static void set_port(struct argp_state *state, struct settings *s, const char *arg)
{
	uint64_t n;

	if (parse_u64(arg, &n) || n == 0 || n > 65535)
		argp_error(state, "--port: \"%s\" is not a port: 1 to 65535", arg);
	else
		s->port = (uint16_t)n;
}

static void add_mount_options(struct argp_state *state, struct settings *s, const char *arg)
{
	char *both;

	if (!s->mount_options) {
		s->mount_options = arg;
	} else if (asprintf(&both, "%s,%s", s->mount_options, arg) >= 0) {
		s->mount_options = both;	/* lives as long as the process, like argv */
	} else {
		argp_failure(state, EXIT_USAGE, ENOMEM, "-o");
	}
}

static void add_xlator_path(struct argp_state *state, struct settings *s, const char *arg)
{
	if (s->nr_xlator_path >= XLATOR_PATH_MAX)
		argp_error(state, "--xlator-path: at most %d are possible", XLATOR_PATH_MAX);
	else
		s->xlator_path[s->nr_xlator_path++] = absolute(state, arg);
}

static void add_xlator_option(struct argp_state *state, struct settings *s, const char *arg)
{
	char *copy = strdup(arg);

	if (s->nr_xlator_options >= XLATOR_OPTIONS_MAX)
		argp_error(state, "--xlator-option: at most %d are possible", XLATOR_OPTIONS_MAX);
	else if (!copy)
		argp_failure(state, EXIT_USAGE, ENOMEM, "--xlator-option");
	else
		s->xlator_options[s->nr_xlator_options++] = copy;
}

static void set_mode(struct argp_state *state, struct settings *s, enum mode mode)
{
	if (s->mode != MODE_RUN)
		argp_error(state, "only one of --check, --explain and --help-xlator is possible");
	s->mode = mode;
}

static void set_volfile(struct argp_state *state, struct settings *s, const char *arg)
{
	if (s->volfile)
		argp_error(state, "more than one volume file: %s and %s", s->volfile, arg);
	if (!strcmp(arg, "-"))
		arg = "/dev/stdin";
	s->volfile = s->mode == MODE_RUN ? absolute(state, arg) : arg;
}

static void set_argument(struct argp_state *state, struct settings *s, const char *arg)
{
	if (s->mode == MODE_HELP_XLATOR && !s->help_type)
		s->help_type = arg;
	else if (s->mount_point)
		argp_error(state, "more than one MOUNT-POINT: %s and %s", s->mount_point, arg);
	else
		s->mount_point = absolute(state, arg);
}

/* ---- the parser ----------------------------------------------------------------------------- */

static error_t parse_mount_option(int key, char *arg, struct argp_state *state)
{
	struct settings *s = state->input;

	switch (key) {
	case 'd':
		set_direct_io(state, s, arg);
		break;
	case 'e':
		check_seconds(state, "--entry-timeout", arg);
		s->entry_timeout = arg;
		break;
	case 'a':
		check_seconds(state, "--attr-timeout", arg);
		s->attr_timeout = arg;
		break;
	case 'o':
		add_mount_options(state, s, arg);
		break;
	case KEY_READ_ONLY:
		add_mount_options(state, s, "ro");
		break;
	case KEY_MOUNT_TIMEOUT:
		set_mount_timeout(state, s, arg);
		break;
	case KEY_FS_NAME:
		s->fs_name = arg;
		break;
	case KEY_LRU_LIMIT:
		set_lru_limit(state, s, arg);
		break;
	case 'P':
		set_port(state, s, arg);
		break;
	case 't':
		s->transport = arg;
		break;
	case KEY_VOLFILE_ID:
		break;		/* servers of 1.3 have one client volume file */
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse_inspection_option(int key, char *arg, struct argp_state *state)
{
	struct settings *s = state->input;

	switch (key) {
	case KEY_CHECK:
	case KEY_EXPLAIN:
		set_mode(state, s, key == KEY_CHECK ? MODE_CHECK : MODE_EXPLAIN);
		set_volfile(state, s, arg);
		break;
	case KEY_HELP_XLATOR:
		set_mode(state, s, MODE_HELP_XLATOR);
		s->help_type = arg;
		break;
	case KEY_STRICT:
		s->strict = true;
		break;
	case KEY_XLATOR_PATH:
		add_xlator_path(state, s, arg);
		break;
	case KEY_XLATOR_OPTION:
		add_xlator_option(state, s, arg);
		break;
	case KEY_PRINT_LOGDIR:
		puts(LOG_DIR);
		exit(EXIT_OK);
	case KEY_PRINT_DUMPDIR:
		puts(STATEDUMP_DIR);
		exit(EXIT_OK);
	case KEY_PRINT_XLATORDIR:
		puts(XLATORDIR);
		exit(EXIT_OK);
	default:
		return parse_mount_option(key, arg, state);
	}
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *s = state->input;

	switch (key) {
	case 'f':
		set_volfile(state, s, arg);
		break;
	case 's':
		s->server = arg;
		break;
	case 'n':
		s->volume_name = arg;
		break;
	case 'l':
		s->log_file = absolute(state, strcmp(arg, "/dev/stderr") ? arg : "-");
		break;
	case 'L':
		set_log_level(state, arg);
		break;
	case 'N':
		s->foreground = true;
		break;
	case KEY_DEBUG:
		s->foreground = true;
		s->log_file = "-";
		log_threshold = LOG_DEBUG_;
		break;
	case 'p':
		s->pidfile = absolute(state, arg);
		break;
	case ARGP_KEY_ARG:
		set_argument(state, s, arg);
		break;
	default:
		return parse_inspection_option(key, arg, state);
	}
	return 0;
}

/* ---- main ----------------------------------------------------------------------------------- */

/* What 1.3 says too, with its exit statuses. 0: go on. */
static int check_settings(struct settings *s)
{
	const char *me = program_invocation_short_name;

	if (s->volfile && s->server) {
		fprintf(stderr, "%s: --server and --spec-file cannot be used together\n", me);
		return EXIT_USAGE;
	}
	if (s->server) {
		char *shown;

		if (asprintf(&shown, "%s:%u", s->server, s->port) < 0)
			return EXIT_VOLFILE;
		s->volfile = shown;
	}
	if (!s->volfile && s->mode != MODE_HELP_XLATOR) {
		fprintf(stderr, "%s: missing option --server=HOST or --spec-file=FILE "
			"(the volume file); --help says more\n", me);
		return EXIT_VOLFILE;
	}
	return 0;
}

static int open_log(struct settings *s)
{
	char *path = NULL;
	int err;

	if (!s->log_file) {
		if (asprintf(&path, LOG_DIR "/%s.log", program_invocation_short_name) < 0)
			return EXIT_VOLFILE;
		s->log_file = path;
	}
	log_is_stderr = !strcmp(s->log_file, "-");
	err = log_open(s->log_file);
	if (!err)
		return 0;
	fprintf(stderr, "%s: cannot open the log %s: %s "
		"(--log-file=FILE is another place, - is standard error)\n",
		program_invocation_short_name, s->log_file, strerror(-err));
	return EXIT_VOLFILE;
}

/* So that no file of ours becomes standard error by accident. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	static struct settings s = {
		.mount_timeout_ms = MOUNT_TIMEOUT_S * 1000, .port = PORT, .transport = "tcp",
	};
	const struct argp argp = {
		.options = options, .parser = parse_option, .args_doc = "[MOUNT-POINT]", .doc = doc
	};
	int status;

	open_standard_descriptors();
	argp_err_exit_status = EXIT_USAGE;
	argp_program_version_hook = print_version;
	s.argv = argv;
	s.argc = argc;
	if (argp_parse(&argp, argc, argv, 0, NULL, &s))
		return EXIT_USAGE;
	status = check_settings(&s);
	if (status)
		return status;
	if (s.mode == MODE_CHECK)
		return check(&s);
	if (s.mode == MODE_EXPLAIN)
		return explain(&s);
	if (s.mode == MODE_HELP_XLATOR)
		return help_xlator(&s);
	status = open_log(&s);
	return status ? status : run(&s);
}
