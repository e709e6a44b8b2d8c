/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Volume files from and to files, and looking into a tree. See volfile.h.
 */
#include "config.h"

#include "volfile-parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4)))
static void tell_file(struct diag *d, const char *path, const char *fmt, ...)
{
	const struct diag_source src = { .file = path };
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_add(d, DIAG_ERROR, &src, (struct vf_pos){ 0, 0 }, 0, "%s", text);
}

/*
 * Reads all of fd, but not more than one byte over the limit, and not on after a NUL byte:
 * then it is clear that it is no volume file. Returns the length, *ret_text is the caller's
 * to free; or -errno.
 */
static ssize_t read_all(int fd, char **ret_text)
{
	size_t size = 64 * 1024, len = 0;
	char *text = malloc(size), *more;
	ssize_t n = -ENOMEM;

	while (text) {
		n = read(fd, text + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			n = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len > VF_MAX_FILE || memchr(text + len - n, '\0', (size_t)n)) {
			n = 0;
			break;
		}
		if (len < size)
			continue;
		size = size * 2 > VF_MAX_FILE ? VF_MAX_FILE + 1 : size * 2;
		more = realloc(text, size);
		if (!more) {
			n = -ENOMEM;
			break;
		}
		text = more;
	}
	if (n < 0) {
		free(text);
		return n;
	}
	*ret_text = text;
	return (ssize_t)len;
}

static struct volfile *read_file(const char *path, struct diag *d, bool doubtful)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct volfile *vf = NULL;
	struct stat st;
	char *text = NULL;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0) {
		tell_file(d, path, "cannot be opened: %s", strerror(errno));
	} else if (S_ISDIR(st.st_mode)) {
		tell_file(d, path, "is a directory, not a volume file");
	} else if (S_ISREG(st.st_mode) && st.st_size > VF_MAX_FILE) {
		tell_file(d, path, "too large for a volume file: %lld bytes, %d MiB is the most",
			  (long long)st.st_size, VF_MAX_FILE >> 20);
	} else {
		len = read_all(fd, &text);
		if (len < 0)
			tell_file(d, path, "cannot be read: %s", strerror((int)-len));
		else
			vf = vf_parse(path, text, (size_t)len, d, doubtful);
	}
	free(text);
	if (fd >= 0)
		close(fd);
	return vf;
}

struct volfile *volfile_read(const char *path, struct diag *d)
{
	return read_file(path, d, false);
}

struct volfile *volfile_read_doubtful(const char *path, struct diag *d)
{
	return read_file(path, d, true);
}

static bool needs_quotes(const char *s)
{
	static const char *const keywords[] = {
		"volume", "end-volume", "type", "option", "subvolumes", "subvolumeS",
	};

	if (s[0] == '\0' || s[0] == '#')
		return true;
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (strcmp(s, keywords[i]) == 0)
			return true;
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f || *s == '"' || *s == '\\')
			return true;
	return false;
}

static void print_word(const struct vf_word *word, FILE *out)
{
	const char *s = word->text;

	if (!needs_quotes(s)) {
		fputs(s, out);
		return;
	}
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputc('"', out);
}

static void print_volume(const struct vf_volume *vol, FILE *out)
{
	fputs("volume ", out);
	print_word(&vol->name, out);
	fputs("\n  type ", out);
	print_word(&vol->type, out);
	for (size_t i = 0; i < vol->nr_options; i++) {
		fputs("\n  option ", out);
		print_word(&vol->options[i].key, out);
		fputc(' ', out);
		print_word(&vol->options[i].value, out);
	}
	if (vol->nr_subvolumes > 0)
		fputs("\n  subvolumes", out);
	for (size_t i = 0; i < vol->nr_subvolumes; i++) {
		fputc(' ', out);
		print_word(&vol->subvolumes[i], out);
	}
	fputs("\nend-volume\n", out);
}

int volfile_print(const struct volfile *vf, FILE *out)
{
	errno = 0;
	for (size_t i = 0; i < vf->nr_volumes; i++) {
		if (i > 0)
			fputc('\n', out);
		print_volume(&vf->volumes[i], out);
	}
	if (fflush(out) != 0 || ferror(out))
		return errno > 0 ? -errno : -EIO;
	return 0;
}

const struct vf_volume *volfile_find(const struct volfile *vf, const char *name)
{
	for (size_t i = vf->nr_volumes; i-- > 0;)
		if (strcmp(vf->volumes[i].name.text, name) == 0)
			return &vf->volumes[i];
	return NULL;
}

const struct vf_volume *volfile_top(const struct volfile *vf)
{
	return vf->nr_volumes > 0 ? &vf->volumes[vf->nr_volumes - 1] : NULL;
}

const struct vf_option *volfile_option(const struct vf_volume *vol, const char *key)
{
	for (size_t i = vol->nr_options; i-- > 0;)
		if (strcmp(vol->options[i].key.text, key) == 0)
			return &vol->options[i];
	return NULL;
}
