/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Gives every file of a directory to a fuzz target, without libFuzzer: so what the fuzzer
 * once found stays found in `make check`.
 *
 *	corpus-NAME [FILE...]
 *
 * Without files: all of $srcdir/CORPUS, of which there must be some. CORPUS is given by the
 * makefile.
 */
#include "config.h"

#include "fuzz.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void run_file(const char *path)
{
	uint8_t *data = NULL;
	size_t len = 0, room = 0, n;
	FILE *in = fopen(path, "r");

	if (!in)
		err(EXIT_FAILURE, "%s", path);
	do {
		room += 65536;
		data = realloc(data, room);
		if (!data)
			err(EXIT_FAILURE, "%s", path);
		n = fread(data + len, 1, room - len, in);
		len += n;
	} while (n > 0 && len == room);
	if (ferror(in))
		err(EXIT_FAILURE, "%s", path);
	fclose(in);
	fprintf(stderr, "%s\n", path);	/* the last one is the one that crashed */
	data = realloc(data, len > 0 ? len : 1);	/* so that ASan sees its end */
	if (!data)
		err(EXIT_FAILURE, "%s", path);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
}

static void run_directory(const char *dir)
{
	struct dirent **files;
	int nr = scandir(dir, &files, NULL, alphasort), nr_run = 0;
	char *path;

	if (nr < 0)
		err(EXIT_FAILURE, "%s", dir);
	for (int i = 0; i < nr; i++) {
		if (files[i]->d_name[0] != '.') {
			if (asprintf(&path, "%s/%s", dir, files[i]->d_name) < 0)
				err(EXIT_FAILURE, "%s", dir);
			run_file(path);
			free(path);
			nr_run++;
		}
		free(files[i]);
	}
	free(files);
	if (nr_run == 0)
		errx(EXIT_FAILURE, "%s: no files", dir);
	printf("%s: %d files\n", dir, nr_run);
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	char *dir;

	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc > 1)
		return EXIT_SUCCESS;
	if (asprintf(&dir, "%s/%s", srcdir ? srcdir : ".", CORPUS) < 0)
		err(EXIT_FAILURE, "asprintf");
	run_directory(dir);
	free(dir);
	return EXIT_SUCCESS;
}
