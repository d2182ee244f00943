"""The aims for ARM, and what the model says of each."""

# What is modelled, the core, schemes of which the best counts, and the least number of operations a cycle.
LOOPS = [
    ("f32", "cortex-a72", ("f32",), 7.9),
    ("f32", "neoverse-n1", ("f32",), 14.5),
    ("int8 by plain NEON, one scale for a row", "cortex-a72", ("int8_channel",), 15.0),
    ("int8 by plain NEON, one for 128", "cortex-a72", ("int8",), 15.0),
    ("int8 by `sdot`, one scale for a row", "neoverse-n1", ("int8_channel",), 60.0),
    ("int8 by `sdot`, one for 128", "neoverse-n1", ("int8",), 60.0),
    ("groups of 32 by `sdot`", "neoverse-n1", ("int8_32", "int4", "q8_0"), 50.0),
    ("int8 by `smmla`, one scale for a row", "neoverse-n2", ("int8_channel",), 110.0),
]
# The product of f32 on two cores of a TDA4VM, GFLOP/s.
PRODUCT = ("tda4vm", "f32", (512, 512, 512), 25.0)


def of_loops(loops):
    """For each aim its title, core, wanted rate, and the best kernel with its rate."""
    for title, core, schemes, wanted in LOOPS:
        rates = [
            (loop["operations_per_cycle"][core], loop["kernel"])
            for loop in loops
            if loop["scheme"] in schemes and core in loop["operations_per_cycle"]
        ]
        rate, kernel = max(rates)
        yield title, core, wanted, kernel, rate


def of_product(boards):
    """Board, size and wanted rate of the product, and the rate."""
    name, scheme, size, wanted = PRODUCT
    products = boards[name]["products"]
    found = next(entry for entry in products if entry["scheme"] == scheme and (entry["m"], entry["n"], entry["k"]) == size)
    return boards[name]["title"], size, wanted, found["gflops"]
