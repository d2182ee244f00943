"""Splits the model.safetensors beside this file into the bytes at even and at odd places, which build.rs puts together again, and
removes it.

Usage: python3 crates/demo-model/split.py
"""

import sys
from pathlib import Path

crate = Path(__file__).parent
model = crate / "model.safetensors"
data = model.read_bytes()
if len(data) % 2:
    sys.exit(f"{model}: wanted an even number of bytes, found {len(data)}")
(crate / "weights" / "even.bin").write_bytes(data[0::2])
(crate / "weights" / "odd.bin").write_bytes(data[1::2])
model.unlink()
