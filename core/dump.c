/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * dump.c - the text of a statedump.
 *
 * Control characters in sections, keys and values are written as \xHH, so that what a dump says
 * about a hostile name cannot look like another line of it.  Lines are cut at LINE_MAX_BYTES.
 */
#include "dump.h"

#include <stdarg.h>

enum { LINE_MAX_BYTES = 8192 };

static void dump_text(FILE *out, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
}

void dump_section(struct dump *d, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fputs("\n[", d->out);
	dump_text(d->out, line);
	fputs("]\n", d->out);
}

void dump_value(struct dump *d, const char *key, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	dump_text(d->out, key);
	fputc('=', d->out);
	dump_text(d->out, line);
	fputc('\n', d->out);
}
