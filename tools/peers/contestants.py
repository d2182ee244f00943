"""Contestants as the contest sees them: `sample()` for the check, `turn(test, seconds)` for the timing."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import sample
import workloads

WORKER = Path(__file__).with_name("worker.py")
MISTRAL_RS = Path(__file__).with_name("mistralrs_worker.py")
PACKAGES = {
    workloads.PYTORCH: ("torch", "transformers"),
    workloads.ONNXRUNTIME: ("onnxruntime",),
    workloads.OPENVINO: ("openvino",),
}
MOST_REPETITIONS = 20


class Failed(Exception):
    """A contestant cannot take part, or no longer."""


@dataclass
class Turn:
    """What one turn gave: the seconds of each run, and for CKE what the machine can do."""

    seconds: list
    machine: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What all contestants of a suite have in common."""

    suite: workloads.Suite
    models: Path
    threads: int

    @property
    def directory(self):
        """The model as transformers wrote it."""
        return self.models / self.suite.model

    def start(self, command, **options):
        """Starts a process with this number of threads; one stays on the last CPU, as interrupts mostly go to the first."""
        threads = str(self.threads)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "CKE_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads) | {"HF_HUB_OFFLINE": "1"}
        last = {max(os.sched_getaffinity(0))}
        pin = (lambda: os.sched_setaffinity(0, last)) if self.threads == 1 else None
        return subprocess.Popen(command, env=environment, preexec_fn=pin, text=True, **options)

    def output(self, command):
        """Standard output and standard error of a command."""
        process = self.start(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate()
        if process.returncode != 0:
            raise Failed(f"{Path(command[0]).name} ended with status {process.returncode}: {last_line(errors)}")
        return output, errors


def last_line(text):
    """The last line that is not empty."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message")


def repetitions(seconds, expected):
    """As many runs as begin within `seconds` when each takes `expected`."""
    return min(max(math.ceil(seconds / expected), 1), MOST_REPETITIONS) if expected else 1


class Framework:
    """A framework in a process that lives as long as its suite."""

    def __init__(self, name, setting):
        missing = [package for package in PACKAGES[name] if importlib.util.find_spec(package) is None]
        if missing:
            raise Failed(f"not installed: {', '.join(missing)}")
        self.name = name
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        command = [sys.executable, WORKER, name, setting.suite.name, setting.models, str(setting.threads)]
        self.process = setting.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        hello = self._answer()
        self.version, self.settings = hello["version"], hello["settings"]

    def sample(self, dtype):
        return self._ask({"sample": dtype})["sample"]

    def turn(self, test, seconds):
        return Turn(self._ask({"run": test.name, "seconds": seconds})["seconds"])

    def close(self):
        """Ends the process: it reads the end of its input."""
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()

    def _ask(self, request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # The missing answer tells why.
        return self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.process.wait()
        self.errors.seek(0)
        raise Failed(f"its process ended with status {self.process.returncode}: {last_line(self.errors.read())}")


class Llama:
    """`llama-bench` of llama.cpp or of ik_llama.cpp, started for each turn; its own first run does not count."""

    settings = {"kv_cache": "f16"}

    def __init__(self, name, program, setting):
        self.name, self.program, self.setting, self.expected = name, program, setting, {}
        self.version = ""
        if program is None:
            raise Failed(f"not installed: llama-bench of {name}")

    def sample(self, _dtype):
        return None

    def turn(self, test, seconds):
        lengths = ("-p", test.tokens, "-n", 0) if test.kind == "prompt" else ("-p", 0, "-n", test.tokens)
        if test.depth:
            # The two have different flags for it.
            is_ik = self.name == workloads.IK_LLAMA
            lengths = ("-p", 0, "-n", 0, "-gp", f"{test.depth},{test.tokens}") if is_ik else (*lengths, "-d", test.depth)
        count = repetitions(seconds, self.expected.get(test.name))
        file = self.setting.directory / test.file if test.file else self.setting.models / workloads.GPT2_GGUF[test.dtype]
        flags = ("-ngl", 0, "-t", self.setting.threads, "-r", count, "-o", "json")
        output, _ = self.setting.output([self.program, "-m", file, *lengths, *flags])
        (row,) = json.loads(output)
        self.version = row["build_commit"]
        times = [nanoseconds / 1e9 for nanoseconds in row["samples_ns"]]
        self.expected[test.name] = min(times)
        return Turn(times)

    def close(self):
        """Nothing is left running."""


class MistralRs:
    """mistral.rs, a process for each turn; its own first run does not count."""

    name = workloads.MISTRAL_RS
    settings = {"kv_cache": "f16"}

    def __init__(self, python, setting):
        self.python, self.setting, self.version = python, setting, ""
        if python is None:
            raise Failed("not installed: Python with mistralrs")

    def sample(self, _dtype):
        return None

    def turn(self, test, _seconds):
        lengths = (test.tokens, 1) if test.kind == "prompt" else (test.depth, test.tokens)
        output, _ = self.setting.output([self.python, MISTRAL_RS, self.setting.directory / test.file, *lengths, 1])
        report = json.loads(output.splitlines()[-1])
        self.version = report["version"]
        prompt_rate, generation_rate, _, generated = report["rates"][0]
        if test.kind == "generation" and generated < test.tokens:
            raise Failed(f"mistral.rs: ended after {generated} of {test.tokens} tokens")
        return Turn([test.units / (prompt_rate if test.kind == "prompt" else generation_rate)])

    def close(self):
        """Nothing is left running."""


class Cke:
    """`cke`, started for each turn; the first run of `cke bench model` does not count."""

    name = workloads.CKE
    settings = {}

    def __init__(self, program, setting):
        self.program, self.setting, self.expected = program, setting, {}
        self.version = setting.output([program, "--version"])[0].split()[-1]

    def sample(self, dtype):
        model, directory = self.setting.suite.model, self.setting.directory
        if model == "minilm":
            lines = (self.setting.models / "sentences.txt").read_text(encoding="utf-8").splitlines()
            output, _ = self.setting.output([self.program, "embed", "-m", directory, "--json", *lines[: sample.SENTENCES]])
            return [number for text in json.loads(output) for number in text["embedding"]]
        if model == "gpt2":
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump(sample.GPT2_IDS, file)
                file.flush()
                command = [self.program, "eval", "-m", directory, "--json", "--tokens-file", file.name, "--dtype", dtype]
                output, _ = self.setting.output(command)
            per_token = json.loads(output)["per_token"]
            ends = sample.BEGINNINGS if self.setting.suite.compares_last_logits else range(1, len(sample.GPT2_IDS))
            return [per_token[end - 1] for end in ends]
        return None

    def turn(self, test, seconds):
        return self._embed() if test.kind == "sentences" else self._bench(test, seconds)

    def _bench(self, test, seconds):
        lengths = ("-p", test.tokens, "-g", 0) if test.kind == "prompt" else ("-p", 0, "-g", test.tokens)
        logits = ["--all-logits"] if test.logits == "all" else []
        count = repetitions(seconds, self.expected.get(test.name))
        model = self.setting.directory / test.file
        dtype = [] if test.file else ["--dtype", test.dtype]
        lengths = (*lengths, "-b", test.batch, "-d", test.depth)
        row = self._bench_row("--model", model, *lengths, "-r", count, *logits, *dtype)
        self.expected[test.name] = test.units / row["best"]
        work = {"gflop": row["gflops"] / row["best"] * test.units}
        if row["read_gb_per_s"]:
            work["weights_gb"] = row["read_gb_per_s"] / row["best"] * test.units
        if test.file and "weights_gb" in work and not test.depth:
            # Weights that are held in wider numbers than those of the file set no limit for others.
            work["weights_gb"] = min(work["weights_gb"], model.stat().st_size / 1e9 * test.units)
        return Turn([self.expected[test.name]], {**ceilings(row), **work})

    def _embed(self):
        """From reading the sentences to printing their vectors; beside it the peak from a short run of another command."""
        row = self._bench_row("--synthetic", "minilm", "-p", 128, "-r", 2)
        file = self.setting.models / "sentences.txt"
        flags = ("-t", self.setting.threads, "--file", file)
        _, errors = self.setting.output([self.program, "embed", "-m", self.setting.directory, *flags])
        found = re.search(r"(\d+) texts? in ([\d.]+) s", errors)
        if not found or int(found[1]) != workloads.SENTENCES:
            raise Failed(f"cke embed: wanted its time for {workloads.SENTENCES} texts, found {last_line(errors)!r}")
        return Turn([float(found[2])], ceilings(row))

    def _bench_row(self, *arguments):
        command = [self.program, "bench", "model", *arguments, "-t", self.setting.threads, "-o", "json"]
        (row,) = json.loads(self.setting.output(command)[0])
        return row

    def close(self):
        """Nothing is left running."""


def ceilings(row):
    """The machine's multiply-add peak and, where it was measured, its read bandwidth."""
    known = ("peak_gflops", "bandwidth_gb_per_s")
    return {name: row[name] for name in known if row[name]}


def enter(name, programs, setting):
    """A contestant, ready for its turns."""
    if name == workloads.CKE:
        return Cke(programs[workloads.CKE], setting)
    if name in (workloads.LLAMA, workloads.IK_LLAMA):
        return Llama(name, programs.get(name), setting)
    if name == workloads.MISTRAL_RS:
        return MistralRs(programs.get(name), setting)
    return Framework(name, setting)
