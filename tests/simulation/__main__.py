"""Live many days, each from its seed, on all cores; non-zero where one of them failed."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from marketfeed_simulator.catalogue import EXCHANGES
from tests.simulation.figures import Figures
from tests.simulation.life import Outcome, live
from tests.simulation.plan import Plan


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    options = _options(arguments)
    plans = [Plan(*market, hours=options.hours, legs=options.legs) for market in _markets(options)]
    seeds = range(options.seed, options.seed + options.seeds)
    days = [(plan, seed) for seed in seeds for plan in plans]
    if options.log:
        logging.basicConfig(level=logging.DEBUG, format="%(name)s %(message)s")
    began_s, figures, failed = time.monotonic(), Figures(), []
    for count, outcome in enumerate(_lived(days, options.processes), 1):
        figures.add(outcome.figures)
        print(f"[{count}/{len(days)}] {_name(outcome)}: {outcome.failure or 'all held'}", flush=True)
        if outcome.failure is not None:
            failed.append(outcome)
    print(*figures.lines(), sep="\n")
    print(f"{len(days)} days of {options.hours:g} h in {time.monotonic() - began_s:.0f} s")
    for outcome in failed:
        print(f"FAILED {_name(outcome)}: {outcome.failure}\n  again: {_command(outcome)}")
    return 1 if failed else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--exchange", help="this one alone")
    parser.add_argument("--market", help="this one alone: spot, linear, inverse")
    parser.add_argument("--hours", type=float, default=24.0, help="of a day")
    parser.add_argument("--legs", type=int, default=1, choices=(1, 2), help="2: nothing but cuts of single connections")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--log", action="store_true", help="show what the shard says; needs --processes 1")
    return parser.parse_args(arguments)


def _markets(options: argparse.Namespace) -> list[tuple[str, str]]:
    return [
        (exchange, market)
        for exchange, market in sorted(EXCHANGES)
        if options.exchange in {None, exchange} and options.market in {None, market}
    ]


def _lived(days: Sequence[tuple[Plan, int]], processes: int) -> Iterator[Outcome]:
    """As they come to their ends."""
    if processes == 1:
        yield from (live(plan, seed) for plan, seed in days)
        return
    with ProcessPoolExecutor(processes) as pool:
        for done in as_completed([pool.submit(live, plan, seed) for plan, seed in days]):
            yield done.result()


def _name(outcome: Outcome) -> str:
    plan = outcome.plan
    return f"seed {outcome.seed}, {plan.exchange} {plan.market}" + (", two legs" if plan.legs == 2 else "")


def _command(outcome: Outcome) -> str:
    plan = outcome.plan
    return (
        f"python -m tests.simulation --seed {outcome.seed} --exchange {plan.exchange} --market {plan.market}"
        f" --hours {plan.hours:g} --legs {plan.legs}"
    )


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets of texts is part of a day
        again = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "PYTHONHASHSEED": "0"})
    sys.exit(main(sys.argv[1:]))
