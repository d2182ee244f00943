"""One suite with one number of threads: entering, comparing, timing in turns."""

import contextlib
import statistics
import sys
import time

import sample
import workloads
from contestants import Failed, enter

# Threads of the contestant before may still spin for a moment.
PAUSE = 0.1


class WrongResult(Exception):
    """A contestant computes something else than the others: nothing that it takes means anything."""


class Contest:
    """Contestants of one suite, and what they have done so far."""

    def __init__(self, setting, names, programs):
        self.setting, self.skipped, self.entered = setting, {}, []
        wanted = {name for test in setting.suite.tests for name in test.contestants}
        for name in (name for name in names if name in wanted):
            try:
                self.entered.append(enter(name, programs, setting))
            except Failed as error:
                self._skip(name, error)
        self.turns = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for contestant in self.entered:
            with contextlib.suppress(OSError):
                contestant.close()

    def compare(self):
        """The largest difference of each contestant's sample from the first one's."""
        model, reference, differences = self.setting.suite.model, None, {}
        for contestant, dtype in self._samples():
            name = contestant.name if dtype == "f32" else f"{contestant.name} in {dtype}"
            numbers = contestant.sample(dtype)
            if numbers is None:
                continue
            if reference is None:
                reference = (name, numbers)
                continue
            difference = sample.largest_difference(numbers, reference[1])
            if not difference <= sample.tolerance(model, dtype):
                raise WrongResult(
                    f"{model}: {name} and {reference[0]} differ by {difference:.2g}, wanted at most {sample.tolerance(model, dtype):.2g}"
                )
            differences[name] = difference
        return {"reference": reference and reference[0], "largest_difference": differences}

    def _samples(self):
        """Everyone with each dtype of their tests, those in f32 first, CKE after the others."""
        tests = self.setting.suite.tests
        pairs = dict.fromkeys((one, test.dtype) for test in tests for one in self.entered if one.name in test.contestants)
        return sorted(pairs, key=lambda pair: (pair[1] != "f32", pair[0].name == workloads.CKE))

    def measure(self, rounds, seconds):
        """A rehearsal that does not count, then the rounds: every test, every contestant in turn.

        Sentences need no rehearsal, since the choice of the batch size was one, nor does what comes behind thousands of tokens.
        """
        suite, threads = self.setting.suite, self.setting.threads
        for number in range(rounds + 1):
            print(f"{suite.name}, threads: {threads}, round {number}/{rounds}", file=sys.stderr, flush=True)
            for test in [test for test in suite.tests if number or not (test.kind == "sentences" or test.depth)]:
                for contestant in [entered for entered in self.entered if entered.name in test.contestants]:
                    self._take_turn(contestant, test, seconds if number else 0.0, counts=number > 0)

    def _take_turn(self, contestant, test, seconds, counts):
        if contestant.name in self.skipped:
            return
        time.sleep(PAUSE)
        try:
            turn = contestant.turn(test, seconds)
        except Failed as error:
            if contestant.name == workloads.CKE:
                raise
            self._skip(contestant.name, error)
            return
        if counts:
            self.turns.setdefault((test.name, contestant.name), []).append(turn)

    def _skip(self, name, error):
        print(f"{name} is left out of {self.setting.suite.name}: {error}", file=sys.stderr)
        self.skipped[name] = str(error)

    def results(self):
        """A record for each test."""
        return [self._record(test) for test in self.setting.suite.tests]

    def _record(self, test):
        suite = self.setting.suite
        turns = {name: turns for (of, name), turns in self.turns.items() if of == test.name}
        machine = [turn.machine for turn in turns.get(workloads.CKE, [])]
        limits = [rate for rate in (limiting_rate(one, test.units) for one in machine) if rate]
        limit = max(limits, default=None)
        settings = {entered.name: entered.settings for entered in self.entered}
        entries = [entry(name, test.units, turns[name], limit, settings[name]) for name in workloads.ALL if name in turns]
        return {
            "suite": suite.name,
            "title": suite.title,
            "test": test.name,
            "label": test.label,
            "dtype": test.dtype,
            "unit": suite.unit,
            "threads": self.setting.threads,
            "machine": machine,
            "limits": limits,
            "limit": limit,
            "entries": entries,
            "skipped": {name: why for name, why in self.skipped.items() if name in test.contestants},
        }


def limiting_rate(machine, units):
    """Units a second that the arithmetic or the reading of the weights allows, the slower of both; None where none is known."""
    seconds = []
    if "gflop" in machine:
        seconds.append(machine["gflop"] / machine["peak_gflops"])
    if "weights_gb" in machine:
        seconds.append(machine["weights_gb"] / machine["bandwidth_gb_per_s"])
    return units / max(seconds) if seconds else None


def entry(name, units, turns, limit, settings):
    """The rates of one contestant: of each round its fastest run."""
    rates = [units / min(turn.seconds) for turn in turns]
    best, median = max(rates), statistics.median(rates)
    return {
        "contestant": name,
        "rounds": rates,
        "best": best,
        "median": median,
        "spread": (best - min(rates)) / median,
        "share_of_limit": best / limit if limit else None,
        "settings": settings,
    }
