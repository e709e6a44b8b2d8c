# tests/model/ - the models of the replication, by Spin: make check TESTS=tests/model/run.sh
TESTS += tests/model/run.sh
EXTRA_DIST += tests/model/run.sh tests/model/runs tests/model/README
EXTRA_DIST += tests/model/afr.pml tests/model/afr2.pml
EXTRA_DIST += tests/model/afr3.pml
EXTRA_DIST += tests/model/register.pml
