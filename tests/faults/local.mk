# tests/faults/ - real processes that are killed, stopped, cut off: a short run with `make check`;
#
#	make check-faults [SEED=1] [HOURS=1]		one seed after the other
#	make faults FAULTS="--seed 7 --bricks 3 kill twice"	one run
check_PROGRAMS += tests/faults/writers
tests_faults_writers_SOURCES = tests/faults/writers.c tests/faults/writers.h tests/faults/model.c tests/faults/own.c \
	tests/faults/shared.c
# (short.sh joins TESTS when it passes every time)
EXTRA_DIST += tests/faults/faults.sh tests/faults/short.sh tests/faults/many.sh tests/faults/README

.PHONY: faults check-faults
faults check-faults: inst/stamp $(check_PROGRAMS)
faults:
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/faults/faults.sh $(FAULTS)
check-faults:
	$(AM_TESTS_ENVIRONMENT) bash $(srcdir)/tests/faults/many.sh "$(SEED)" "$(HOURS)"
