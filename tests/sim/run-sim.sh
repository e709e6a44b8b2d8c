#!/bin/sh
# Some seeds of the simulation: undisturbed, and with a connection cut on the way.
tests/sim/cluster --seed 1 --count 15 && tests/sim/cluster --seed 1000 --count 15 --cut &&
	tests/sim/cluster --seed 2000 --count 10 --mirror cluster/replicate &&
	tests/sim/cluster --seed 3000 --count 10 --cut --mirror cluster/replicate
