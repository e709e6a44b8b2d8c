/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * cluster/afr over a long life at random; AFR_SEED=n replays one of them.
 *
 * Changes, each with a number, over three bricks that lose connections, come back and fail, answers
 * in any order; now and then the client is made anew.  A brick remembers the changes that it was
 * given.  What was acknowledged must be on every member, after every new start too.
 */
#include "config.h"

#include "afr_rig.h"

enum { NUMBERS = 512, PENDING = 8 };
static uint8_t on_brick[3][NUMBERS];
static bool acknowledged[NUMBERS];

static void remember(struct script *s, struct frame *f)
{
	if (f->op == FOP_mknod)
		on_brick[s->brick - script_brick][((const struct mknod_args *)f->args)->rdev] = 1;
}

static uint64_t members(void)
{
	return ((struct afr *)graph_find(r.g, "m")->priv)->members;
}

static uint64_t dice;

static uint32_t roll(uint32_t n)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(dice >> 33) % n;
}

struct running {
	struct answer a;
	uint32_t number;
	bool busy;
};
static struct running running[PENDING];
static uint32_t next_number;

static void collect(uint64_t seed)
{
	for (int i = 0; i < PENDING; i++) {
		struct running *p = &running[i];

		if (!p->busy || !p->a.done)
			continue;
		acknowledged[p->number] = p->a.ret >= 0;
		answer_drop(&p->a);
		p->busy = false;
	}
	for (int i = 0; i < 3; i++)
		for (uint32_t n = 0; (members() & 1u << i) && n < next_number; n++)
			ck_assert_msg(!acknowledged[n] || on_brick[i][n],
				      "seed %llu: b%d is a member and has not got %u",
				      (unsigned long long)seed, i, n);
}

static void random_change(void)
{
	for (int i = 0; i < PENDING; i++) {
		struct running *p = &running[i];

		if (p->busy || next_number >= NUMBERS)
			continue;
		p->number = next_number++;
		p->busy = true;
		struct inode *inode = object((uint8_t)i);
		rig_call(&r, &p->a, FOP_mknod,
			 &(struct mknod_args){ .parent = inode_root(r.g->inodes),
					       .name = "n",
					       .inode = inode,
					       .mode = S_IFREG,
					       .rdev = p->number });
		inode_unref(inode);
		return;
	}
}

static void random_step(void)
{
	struct script *s = b[roll(3)];
	enum fop_id op = (enum fop_id[]){ FOP_mknod, FOP_setxattr, FOP_getxattr }[roll(3)];

	switch (roll(12)) {
	case 0:
		if (s->up)
			script_lose(s);
		break;
	case 1: case 2:
		if (!s->up)
			script_return(s);
		break;
	case 3: case 4: case 5:
		random_change();
		break;
	case 6:
		s->hold[op] = !s->hold[op];
		break;
	case 7:
		s->ret[op] = roll(8) ? 0 : -EIO;
		break;
	case 8:
		let_time_pass(roll(1500));
		break;
	default:
		if (s->held)
			script_release(s, s->held->f->op, roll(20) ? s->ret[s->held->f->op] : -EIO);
	}
}

static void calm(void)
{
	for (int i = 0; i < 3; i++) {
		memset(b[i]->hold, 0, sizeof b[i]->hold);
		memset(b[i]->ret, 0, sizeof b[i]->ret);
	}
	for (int rounds = 0; rounds < 5; rounds++)
		for (int i = 0; i < 3; i++)
			script_release_all(b[i], 0);
	let_time_pass(3000);
}

static void random_life(uint64_t seed, int starts)
{
	dice = seed * 77777 + 1;
	bricks_new();
	memset(on_brick, 0, sizeof on_brick);
	memset(acknowledged, 0, sizeof acknowledged);
	next_number = 0;
	for (int s = 0; s < starts; s++) {
		rig_children_up = roll(2);
		up3();
		for (int i = 0; i < 3; i++)
			b[i]->effect = remember;
		/* A client that begins without one of them is the stated limit of this form: all
		 * are there once. */
		for (int i = 0; i < 3 && !rig_children_up; i++)
			script_return(b[i]);
		collect(seed);
		ck_assert_msg(members(), "seed %llu: nobody is left",
			      (unsigned long long)seed);
		int steps = (int)roll(150);
		for (int i = 0; i < steps; i++) {
			random_step();
			collect(seed);
		}
		calm();
		collect(seed);
		for (int i = 0; i < PENDING; i++)
			ck_assert_msg(!running[i].busy, "seed %llu: never answered",
				      (unsigned long long)seed);
		rig_down(&r);
	}
}

START_TEST(random_failures)
{
	const char *from = getenv("AFR_SEED");
	uint64_t first = from ? strtoull(from, NULL, 0) : 1, nr = from ? 1 : 100;

	for (uint64_t seed = first; seed < first + nr; seed++)
		random_life(seed, 4);
}
END_TEST

UNIT_MAIN("afr-random", random_failures)
