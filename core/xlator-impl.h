/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* xlator-impl.h - finding translators; for core/ and daemons/. */
#ifndef GLUSTERFS_XLATOR_IMPL_H
#define GLUSTERFS_XLATOR_IMPL_H

#include "xlator.h"

/* The installed types ("category/name") and those of the path, sorted; how many. */
size_t xlator_list_types(const char *const *path, char (*out)[128], size_t max);
/* The installed type with the nearest name, or NULL.  Valid until the next call. */
const char *xlator_nearest_type(const char *type, const char *const *path);

#endif
