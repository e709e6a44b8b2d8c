/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* afr-member.h - what afr-member.c and afr-check.c share. */
#ifndef AFR_MEMBER_H
#define AFR_MEMBER_H

#include <stdio.h>

#include "afr.h"

#define AFR_MARK "trusted.glusterfs.afr.out."
#define AFR_OTHERS "others"
enum { AFR_MARK_NAME = sizeof AFR_MARK + 32 };

static inline void afr_mark_name(char out[AFR_MARK_NAME], const char *id)
{
	snprintf(out, AFR_MARK_NAME, AFR_MARK "%s", id);
}

/* Tells the parents what they do not know yet: up, down, failed. */
void afr_tell(struct afr *afr);
/* Changes that waited go on, when no check and no mark is under way. */
void afr_wake(struct afr *afr);
void afr_set_reason(struct afr *afr, int child, const char *reason);
/* It is no member from now on and stays out.  Writes no mark. */
void afr_put_out(struct afr *afr, int child, const char *why);
/* A child came up: reads the marks, then takes it in or not. */
void afr_check_begin(struct afr *afr, int child);

#endif
