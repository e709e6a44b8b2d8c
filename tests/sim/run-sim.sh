#!/bin/sh
# Some seeds of the simulation: undisturbed, and with a connection cut on the way.
tests/sim/cluster --seed 1 --count 15 && tests/sim/cluster --seed 1000 --count 15 --cut
