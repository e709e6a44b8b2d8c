# tests/apps/ - real applications: make check TESTS=tests/apps/apps.sh
TESTS += tests/apps/apps.sh
EXTRA_DIST += tests/apps/apps.sh tests/apps/work.sh tests/apps/README tests/places.sh
