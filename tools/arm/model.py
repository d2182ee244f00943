"""Operations a cycle of the kernels' inner loops by llvm-mca: model.py LLVM-MCA ASSEMBLY

The assembly is that of cke-kernels for 64-bit ARM with v0 names. Of each kernel the loop is taken that has most multiplications, and no
loop inside. What surrounds it, and the way of operands to the first cache level, is not in the figures.
"""

import re
import subprocess
import sys

# llvm-mca's name, what it is a model of. Its Cortex-A72 is the Cortex-A57.
CORES = {"cortex-a72": "A72 (as A57)", "neoverse-n1": "N1, A76", "cortex-a55": "A55"}
ITERATIONS = 100
# Real libraries reach this share of such figures with whole products.
SHARE_OF_LIBRARIES = "72–80%"

# Multiplications with the operations of each: a multiply-add of two numbers is two.
OPERATIONS = [
    (re.compile(r"\tfmla\tv\d+\.4s"), 8),
    (re.compile(r"\tfmla\tv\d+\.2d"), 4),
    (re.compile(r"\tsdot\t"), 32),
    (re.compile(r"\ts(mull|mlal)2?\tv\d+\.8h"), 16),
]

# Name of a kernel, and what its function's name has in it.
KERNELS = [
    *(
        (f"neon_{element}_{rows}x{vectors * lanes}", rf"5OuterI?{letter}Kj{rows:x}_Kj{vectors:x}_")
        for element, letter, lanes in [("f32", "f", 4), ("f64", "d", 2)]
        for rows, vectors in [(8, 3), (12, 2), (6, 4), (4, 6), (2, 8), (1, 16)]
    ),
    ("neon_int8_6x16", r"4int84tile7aarch644neonKj6_"),
    ("neon_dotprod_int8_6x16", r"4int84tile7aarch6412neon_dotprodKj6_"),
    *(
        (f"{name}_{scheme}_4x16", rf"7grouped4tile7aarch64{len(name)}{name}\S*{len(kind)}{kind}Kj4_")
        for name in ["neon", "neon_dotprod"]
        for scheme, kind in [("int4", "Q4_0"), ("q8_0", "Q8_0"), ("q4_k", "Q4_K"), ("q6_k", "Q6_K")]
    ),
]


def functions(path):
    """The lines of each function by its name."""
    found, lines = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file.read().split("\n"):
            if match := re.match(r"(_R\S+):", line):
                lines = found.setdefault(match[1], [])
            elif line.startswith(".Lfunc_end"):
                lines = None
            elif lines is not None:
                lines.append(line)
    return found


def operations(lines):
    return sum(ops for line in lines for pattern, ops in OPERATIONS if pattern.search(line))


def innermost_loops(lines):
    """Instructions of the loops that have no branch inside, without the branch at their end."""
    labels = {line[:-1]: index for index, line in enumerate(lines) if re.match(r"\.LBB\S+:$", line)}
    for index, line in enumerate(lines):
        branch = re.match(r"\t(?:b\.\w+|cbn?z|tbn?z|b)\t.*?(\.LBB\S+)$", line)
        if branch and labels.get(branch[1], index) < index:
            body = [line for line in lines[labels[branch[1]] + 1 : index] if re.match(r"\t[a-z]", line)]
            if not any(re.match(r"\t(b|b\.\w+|cbn?z|tbn?z|bl|blr|ret)\t", line) for line in body):
                yield [re.sub(r"//.*", "", line) for line in body]


def cycles(mca, core, loop):
    """Cycles of one run through the loop."""
    command = [mca, "-mtriple=aarch64", "-mattr=+dotprod", f"-mcpu={core}", f"-iterations={ITERATIONS}"]
    output = subprocess.run(command, input="\n".join(loop), capture_output=True, text=True, check=True).stdout
    return int(re.search(r"Total Cycles:\s+(\d+)", output)[1]) / ITERATIONS


def main():
    mca, assembly = sys.argv[1:]
    found = functions(assembly)
    print("Modelled, not measured: operations a cycle of inner loops, operands in the first cache level, by llvm-mca.")
    print(f"Real libraries reach {SHARE_OF_LIBRARIES} of such figures with whole products.\n")
    print("| kernel | instructions | operations |" + "".join(f" {core} |" for core in CORES.values()))
    print("|---|---:|---:|" + "---:|" * len(CORES))
    missing = []
    for name, pattern in KERNELS:
        names = [function for function in found if re.search(pattern, function)]
        loops = [loop for function in names for loop in innermost_loops(found[function]) if operations(loop)]
        if not loops:
            missing.append(name)
            continue
        # Of equals the shortest: the others prefetch or copy beside.
        loop = max(loops, key=lambda loop: (operations(loop), -len(loop)))
        rates = "".join(f" {operations(loop) / cycles(mca, core, loop):.1f} |" for core in CORES)
        print(f"| {name} | {len(loop) + 1} | {operations(loop)} |{rates}")
    if missing:
        sys.exit(f"model: no loop of {', '.join(missing)} found")


if __name__ == "__main__":
    main()
