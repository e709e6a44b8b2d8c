/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What a fuzz target defines: libFuzzer calls it, and run-corpus.c. */
#ifndef GLUSTERFS_FUZZ_H
#define GLUSTERFS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Aborts when something is wrong; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
