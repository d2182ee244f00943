"""What instructions do: the operations of a multiplication, what only moves control, and how often a loop runs.

A multiply-add of two numbers is two operations.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """An instruction set, as its assembly is written."""

    name: str
    # Arguments of llvm-mca.
    flags: tuple
    # Multiplications of floats, and of bytes, and their operations.
    floats: tuple
    bytes: tuple
    # Sums of products that become f32 to be scaled.
    conversion: re.Pattern
    control: re.Pattern

    def operations(self, form, lines):
        """Of all multiplications together; sums of products of bytes are scaled by floats, which do not count."""
        kinds = self.floats if form == "outer" else self.bytes
        return sum(ops for line in lines for pattern, ops in kinds if pattern.search(line))

    def straight(self, lines):
        """The instructions that a straight run through them executes, but for branches and calls."""
        return [line for line in lines if not self.control.search(line)]


AARCH64 = Machine(
    "aarch64",
    ("-mtriple=aarch64", "-mattr=+dotprod,+i8mm"),
    (
        (re.compile(r"\tfmla\tv\d+\.4s"), 8),
        (re.compile(r"\tfmla\tv\d+\.2d"), 4),
    ),
    (
        (re.compile(r"\tsmmla\t"), 64),
        (re.compile(r"\tsdot\t"), 32),
        # Of bytes, or of bytes that were widened before.
        (re.compile(r"\t(s(mull|mlal)2?|mul|mla)\tv\d+\.8h"), 16),
    ),
    # By a conversion, or without what they began with.
    re.compile(r"\t(scvtf|fadd|fsub)\tv\d+\.4s"),
    re.compile(r"\t(b|b\.\w+|cbn?z|tbn?z|bl|blr|br|ret)\t?"),
)

X86_64 = Machine(
    "x86_64",
    ("-mtriple=x86_64",),
    (
        (re.compile(r"\tvfmadd\d+ps\t.*%zmm"), 32),
        (re.compile(r"\tvfmadd\d+ps\t.*%ymm"), 16),
        (re.compile(r"\tvfmadd\d+pd\t.*%zmm"), 16),
        (re.compile(r"\tvfmadd\d+pd\t.*%ymm"), 8),
        (re.compile(r"\tvdpbf16ps\t.*%zmm"), 64),
    ),
    (
        (re.compile(r"\tvpdpbusd\t.*%zmm"), 128),
        (re.compile(r"\tvpdpbusd\t.*%ymm"), 64),
        (re.compile(r"\tvpmaddubsw\t.*%ymm"), 64),
    ),
    re.compile(r"\tvcvtdq2ps\t"),
    re.compile(r"\t(j\w+|call\w*|ret\w*)\b"),
)

# The end of a loop that counts: by comparing with a constant, or down to zero.
LIMITS = (
    re.compile(r"\tcmp\t(?P<register>[xw]\d+), #(?P<limit>\d+)"),
    re.compile(r"\tcmp[ql]\t\$(?P<limit>\d+), %(?P<register>\w+)"),
)
STEPS = (
    re.compile(r"\tadd\t(?P<register>[xw]\d+), [xw]\d+, #(?P<step>\d+)"),
    re.compile(r"\tadd[ql]\t\$(?P<step>\d+), %(?P<register>\w+)"),
    re.compile(r"\tinc[ql]\t%(?P<register>\w+)"),
)


def counted_trips(lines):
    """How often a loop runs that counts in equal steps, from less than a step on, to a constant; `None` for others."""
    lines = list(lines)
    for line in reversed(lines):
        for limit in filter(None, (pattern.search(line) for pattern in LIMITS)):
            for step in filter(None, (pattern.search(line) for line in lines for pattern in STEPS)):
                size = int(step.groupdict().get("step") or 1)
                if step["register"] == limit["register"] and int(limit["limit"]) >= size:
                    return int(limit["limit"]) // size
    return None
