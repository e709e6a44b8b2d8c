/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * --check FILE: is it right? --explain FILE: a graph as a drawing, for the person who wrote the
 * volume file: what is below what, which operations stop where, what holds without having been
 * written, which failures it survives.
 *
 * Nothing runs: the graph is loaded and checked, no init is called. What a failure does is computed
 * by trying: bricks are declared dead, and each volume works as long as no more of its subvolumes
 * fail than it tolerates (xlator_type.tolerates). This says nothing about a volume that
 * tolerates a failure for some files only.
 */
#include "config.h"
#include "daemon.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

enum { WIDTH = 100, PREFIX_MAX = 512, LABEL_WIDTH = 9, SETS_SHOWN = 8, TRIES_MAX = 200000 };

struct glyphs {
	const char *tee, *corner, *bar, *blank;
};
static const struct glyphs utf8 = { "├─ ", "└─ ", "│  ", "   " };
static const struct glyphs ascii = { "|- ", "`- ", "|  ", "   " };

struct drawing {
	const struct graph *graph;
	const struct glyphs *glyphs;
	bool *seen;			/* by index: drawn already */
};

/* ---- text ----------------------------------------------------------------------------------- */

/* Columns of a text in UTF-8. */
static size_t columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* "prefix label  words, wrapped": words are separated by blanks. */
static void print_words(const char *prefix, const char *label, const char *text)
{
	size_t indent = columns(prefix) + LABEL_WIDTH + 1, at = indent;

	printf("%s%-*s ", prefix, LABEL_WIDTH, label);
	for (bool first = true; *text; first = false) {
		size_t n = strcspn(text, " ");

		if (!first && at + 1 + n > WIDTH) {
			printf("\n%s%*s", prefix, LABEL_WIDTH + 1, "");
			at = indent;
		} else if (!first) {
			putchar(' ');
			at++;
		}
		printf("%.*s", (int)n, text);
		at += n;
		text += n + (text[n] == ' ');
	}
	putchar('\n');
}

/* The names of the operations that xl handles (or does not), separated by blanks; how many. */
static int name_operations(const struct xlator *xl, bool handled, char *out, size_t size)
{
	size_t len = 0;
	int n = 0;

	out[0] = '\0';
	for (int op = 0; op < FOP_COUNT; op++) {
		if (xlator_handles(xl->type, op) != handled)
			continue;
		if (len < size)
			len += snprintf(out + len, size - len, "%s%s", n ? " " : "", fop_names[op]);
		n++;
	}
	return n;
}

/* ---- one volume ----------------------------------------------------------------------------- */

static void print_operations(const struct xlator *xl, const char *prefix)
{
	char handled[1024], others[1024], text[2400];
	int n = name_operations(xl, true, handled, sizeof(handled));

	name_operations(xl, false, others, sizeof(others));
	if (n == FOP_COUNT)
		print_words(prefix, "handles", "every operation");
	else if (xlator_is_entrance(xl))
		print_words(prefix, "handles", "nothing from above: calls begin here");
	else if (n == 0)
		print_words(prefix, "handles", "no operation");
	else if (n > FOP_COUNT / 2) {
		snprintf(text, sizeof(text), "every operation but %s", others);
		print_words(prefix, "handles", text);
	} else
		print_words(prefix, "handles", handled);
	if (n == FOP_COUNT || xlator_is_entrance(xl))
		return;
	if (!xl->nr_children) {
		snprintf(text, sizeof(text), "nothing below: an error for %s", others);
		print_words(prefix, "others", text);
		return;
	}
	snprintf(text, sizeof(text), "straight to %s, at no cost%s%s", xl->children[0]->name,
		 n > FOP_COUNT / 2 ? "" : ": ",
		 n > FOP_COUNT / 2 ? "" : n ? others : "all of them");
	print_words(prefix, "others", text);
}

static bool option_given(const struct xlator *xl, const struct option *row)
{
	const struct vf_volume *v = xl->volume;

	for (size_t i = 0; v && i < v->nr_options; i++)
		if (option_find(xl->type->options, v->options[i].key.text) == row)
			return true;
	return false;
}

static void print_options(const struct xlator *xl, const char *prefix)
{
	const struct vf_volume *v = xl->volume;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	for (size_t i = 0; v && i < v->nr_options; i++)
		fprintf(f, "%s%s=%s", i ? ", " : "", v->options[i].key.text,
			v->options[i].value.text);
	fputc('\n', f);
	for (const struct option *o = xl->type->options; o && o->key; o++)
		if (o->def && o->kind != OPT_ALIAS_ && o->kind != OPT_PATTERN_ &&
		    o->kind != OPT_OBSOLETE_ && !option_given(xl, o))
			fprintf(f, " %s=%s", o->key, o->def);
	if (!fclose(f)) {
		char *implicit = strchr(text, '\n');

		*implicit++ = '\0';
		if (*text)
			print_words(prefix, "options", text);
		if (*implicit)
			print_words(prefix, "implicit", implicit + 1);
	}
	free(text);
}

static uint32_t tolerated(const struct xlator *xl)
{
	return xl->type->tolerates ? xl->type->tolerates(xl) : 0;
}

/* head: what stands before the name; prefix: what stands before the lines below it. */
static void draw(struct drawing *d, const struct xlator *xl, const char *head, const char *prefix)
{
	const struct glyphs *g = d->glyphs;
	char inner[PREFIX_MAX], next[PREFIX_MAX];

	printf("%s%s  (%s)", head, xl->name, xl->type_name);
	if (d->seen[xl->index]) {
		puts("  see above");
		return;
	}
	d->seen[xl->index] = true;
	if (xl->type->help)
		printf("  %s", xl->type->help);
	putchar('\n');
	snprintf(inner, sizeof(inner), "%s%s", prefix, xl->nr_children ? g->bar : g->blank);
	print_operations(xl, inner);
	print_options(xl, inner);
	if (tolerated(xl)) {
		char text[96];

		snprintf(text, sizeof(text), "%u of its %d subvolumes may fail", tolerated(xl),
			 xl->nr_children);
		print_words(inner, "survives", text);
	}
	if (xl->nr_children)
		printf("%s\n", inner);
	for (int i = 0; i < xl->nr_children; i++) {
		bool last = i == xl->nr_children - 1;

		snprintf(inner, sizeof(inner), "%s%s", prefix, last ? g->corner : g->tee);
		snprintf(next, sizeof(next), "%s%s", prefix, last ? g->blank : g->bar);
		draw(d, xl->children[i], inner, next);
	}
}

/* ---- failures ------------------------------------------------------------------------------- */

struct failures {
	const struct xlator *top;
	const struct xlator **bricks;
	size_t nr;
	bool *dead;		/* by index of the volume */
	size_t tries;
};

static void collect_bricks(struct failures *f, const struct xlator *xl)
{
	for (size_t i = 0; i < f->nr; i++)
		if (f->bricks[i] == xl)
			return;
	if (!xl->nr_children)
		f->bricks[f->nr++] = xl;
	for (int i = 0; i < xl->nr_children; i++)
		collect_bricks(f, xl->children[i]);
}

static bool works(const struct failures *f, const struct xlator *xl)
{
	uint32_t failed = 0;

	if (!xl->nr_children)
		return !f->dead[xl->index];
	for (int i = 0; i < xl->nr_children; i++)
		failed += !works(f, xl->children[i]);
	return failed <= tolerated(xl) && failed < (uint32_t)xl->nr_children;
}

static void print_set(const struct failures *f)
{
	bool first = true;

	for (size_t i = 0; i < f->nr; i++) {
		if (!f->dead[f->bricks[i]->index])
			continue;
		printf("%s%s", first ? "      " : " + ", f->bricks[i]->name);
		first = false;
	}
	putchar('\n');
}

/* Kills `size` more bricks from number `from` on in all ways; counts the sets that stop the top,
 * prints the first. */
static size_t try_sets(struct failures *f, size_t from, size_t size, size_t found, bool print)
{
	if (f->tries++ > TRIES_MAX)
		return found;
	if (size == 0) {
		if (works(f, f->top))
			return found;
		if (print && found < SETS_SHOWN)
			print_set(f);
		return found + 1;
	}
	for (size_t i = from; i + size <= f->nr; i++) {
		f->dead[f->bricks[i]->index] = true;
		found = try_sets(f, i + 1, size - 1, found, print);
		f->dead[f->bricks[i]->index] = false;
	}
	return found;
}

static void explain_failures(const struct graph *g, const struct xlator *top)
{
	struct failures f = { .top = top };
	size_t size, found = 0;

	f.bricks = calloc(g->nr_xlators, sizeof(*f.bricks));
	f.dead = calloc(g->nr_xlators, sizeof(*f.dead));
	if (f.bricks && f.dead)
		collect_bricks(&f, top);
	for (size = 1; size <= f.nr && !found; size++)
		found = try_sets(&f, 0, size, 0, false);
	size--;		/* so many must fail */
	if (f.tries > TRIES_MAX) {
		printf("  %s stands on %zu bricks: too many to try all\n", top->name, f.nr);
	} else if (f.nr == 1 && f.bricks[0] == top) {
		printf("  %s is a brick itself: nothing stands in for it\n", top->name);
	} else if (found) {
		if (size == 1)
			printf("  %s stops as soon as one of these fails:\n", top->name);
		else
			printf("  %s goes on while any %zu of its %zu bricks %s away; "
			       "it stops without:\n",
			       top->name, size - 1, f.nr, size == 2 ? "is" : "are");
		try_sets(&f, 0, size, 0, true);
		if (found > SETS_SHOWN)
			printf("      ... and %zu more\n", found - SETS_SHOWN);
	}
	free(f.bricks);
	free(f.dead);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void explain_graph(const struct graph *g)
{
	bool entrance = graph_has_entrance(g);
	struct drawing d = { .graph = g };

	setlocale(LC_CTYPE, "");
	d.glyphs = strcmp(nl_langinfo(CODESET), "UTF-8") ? &ascii : &utf8;
	d.seen = calloc(g->nr_xlators, sizeof(*d.seen));
	if (!d.seen)
		return;
	printf("%s: %u volume%s\n\n", g->file->source.file, (unsigned)g->nr_xlators,
	       g->nr_xlators == 1 ? "" : "s");
	draw(&d, g->top, "  ", "  ");
	for (uint32_t i = g->nr_xlators; i-- > 0; ) {
		if (g->xlators[i]->nr_parents || d.seen[i])
			continue;
		printf("\n  started too, but not below %s:\n\n", g->top->name);
		draw(&d, g->xlators[i], "  ", "  ");
	}
	puts("\nImplicit");
	if (entrance)
		puts("  calls begin where a volume serves others; no mount point is needed");
	else
		printf("  with a MOUNT-POINT, mount/fuse is put on top of %s\n", g->top->name);
	puts("  what may block runs in a small pool of workers, unless a volume above has its own");
	puts("\nFailures");
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		for (int k = 0; xlator_is_entrance(g->xlators[i]) && k < g->xlators[i]->nr_children;
		     k++)
			explain_failures(g, g->xlators[i]->children[k]);
	if (!entrance)
		explain_failures(g, g->top);
	free(d.seen);
}

/* Loads a graph, tells what is wrong with it, shows it if it is right. The exit status. */
static int look(const struct settings *s, void (*show)(const struct graph *g))
{
	struct diag *diag = diag_new();
	struct loop *loop = loop_new();
	struct graph *g = loop ? load_graph(s, loop, diag) : NULL;
	int status = g ? EXIT_OK : EXIT_VOLFILE;

	diag_print(diag, stderr);
	if (g)
		show(g);
	graph_free(g);
	loop_free(loop);
	diag_free(diag);
	return status;
}

int explain(const struct settings *s)
{
	return look(s, explain_graph);
}

static void praise_graph(const struct graph *g)
{
	printf("%s: %u volume%s, no errors\n", g->file->source.file, (unsigned)g->nr_xlators,
	       g->nr_xlators == 1 ? "" : "s");
}

int check(const struct settings *s)
{
	return look(s, praise_graph);
}
