"""A shard's day at an exchange, simulated from a seed: no socket, no file but its progress, no clock but its own.

The shard's real core is connected to the simulator's pure parts by lines that delay, break and fall silent. Whatever happens
is drawn from the seed, so that a day is lived again exactly. A judge of its own, which uses nothing of the shard, holds what
was published against what the exchange did; the first thing that does not fit ends the day.

`python -m tests.simulation --help` says how to live many of them.
"""
