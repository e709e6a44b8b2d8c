#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# The run of faults.sh that is part of `make check`.
exec bash "${GF_SRCDIR:-$(dirname "$0")/../..}/tests/faults/faults.sh" --seed 1 --bricks 2 --witness no --writers 2 kill client twice
