/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* test_protocol.h - the tests of test_protocol_bad.c, run by test_protocol.c. */
#ifndef GLUSTERFS_TEST_PROTOCOL_H
#define GLUSTERFS_TEST_PROTOCOL_H

#include <check.h>

extern const TTest *const test_protocol_bad[];
extern const size_t test_protocol_bad_nr;

#endif
