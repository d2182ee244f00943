"""Tests of the model: python3 tools/arm/model/tests.py"""

import unittest

import assembly
import blocking
import caches
import cores
import instructions
import kernels
import rates
import tables


class Caches(unittest.TestCase):
    def access(self, cache, piece, size=1, writes=False):
        traffic = [0, 0, 0]
        cache.access(piece, size, writes, traffic)
        return traffic

    def test_what_was_read_is_there(self):
        cache = caches.Cache(4)
        self.assertEqual(self.access(cache, "a", 3), [3, 0, 0])
        self.assertEqual(self.access(cache, "a", 3), [0, 0, 0])

    def test_the_least_recently_used_leaves(self):
        cache = caches.Cache(2)
        for piece in "aba":
            self.access(cache, piece)
        self.access(cache, "c")
        self.assertEqual(self.access(cache, "a"), [0, 0, 0])
        self.assertEqual(self.access(cache, "b"), [1, 0, 0])

    def test_cycles_larger_than_the_cache_never_hit(self):
        cache = caches.Cache(3)
        traffic = [0]
        for _ in range(5):
            for piece in range(4):
                cache.access(piece, 1, False, traffic)
        self.assertEqual(traffic, [20])

    def test_each_level_asks_the_one_below(self):
        first = caches.Cache(1, caches.Cache(4))
        for piece in "ab":
            self.assertEqual(self.access(first, piece), [1, 1, 0])
        self.assertEqual(self.access(first, "a"), [1, 0, 0])

    def test_what_was_written_is_written_back_once(self):
        first = caches.Cache(1, caches.Cache(8))
        self.assertEqual(self.access(first, "a", writes=True), [1, 1, 0])
        self.assertEqual(self.access(first, "b"), [2, 1, 0])
        self.assertEqual(self.access(first, "c"), [1, 1, 0])

    def test_cores_share_a_second_level_if_the_board_has_one(self):
        for name, shared in (("tda4vm", True), ("pi5", False)):
            first, other = caches.of_board(cores.BOARDS[name], 2)
            self.assertEqual(first.below is other.below, shared)


class Blocking(unittest.TestCase):
    """Against the unit tests of `gemm/blocking.rs`."""

    def test_parts_are_even_and_within_the_limit(self):
        for arguments, wanted in (((768, 1000, 1), 768), ((3072, 1000, 1), 768), ((100, 64, 6), 54), ((0, 64, 6), 6), ((5, 0, 6), 6)):
            self.assertEqual(blocking.even_part(*arguments), wanted)

    def test_blocks_are_shared_out_evenly(self):
        for panels, wanted in ((64, 4), (48, 4), (16, 2), (13, 2), (3, 1), (1048, 88)):
            self.assertEqual(blocking.equal_blocks(panels, 12, 2), wanted)

    def test_streams_cover_the_panels_once(self):
        for threads in range(1, 6):
            for panels in range(200):
                covered = [panel for run in blocking.streams(panels, threads) for panel in run]
                self.assertEqual(covered, list(range(panels)))

    def test_every_scheme_has_a_kernel_on_every_board(self):
        for board in cores.BOARDS.values():
            for scheme in {kernel.scheme for kernel in kernels.AARCH64}:
                for rows in (1, 5, 128):
                    kernel = blocking.choose_kernel(kernels.AARCH64, board.core, scheme, rows, 768, 768)
                    self.assertEqual(kernel.scheme, scheme)

    def test_the_kernel_is_that_of_the_library(self):
        # As `cke bench gemm --packed` names it on a Zen 4.
        kernel = blocking.choose_kernel(kernels.X86_64, cores.ZEN4, "f32", 512, 512, 512)
        self.assertEqual(kernel.name, "avx512_f32_4x96")
        kernel = blocking.choose_kernel(kernels.X86_64, cores.ZEN4_AVX2, "f32", 512, 512, 512)
        self.assertEqual(kernel.name, "avx2_f32_6x16")


FUNCTION = """
\tmov\tx9, xzr
.LBB0_1:
\tldr\tq0, [x1]
\tmov\tx8, xzr
.LBB0_2:
\tsdot\tv1.4s, v2.16b, v3.4b[0]
\tadd\tx8, x8, #4
\tcmp\tx8, #32
\tb.ne\t.LBB0_2
\tscvtf\tv1.4s, v1.4s
\tfmla\tv4.4s, v1.4s, v5.4s
\tsubs\tx2, x2, #1
\tb.ne\t.LBB0_1
\tret
""".split("\n")


class Loops(unittest.TestCase):
    def test_loops_lie_inside_of_each_other(self):
        (outer,) = assembly.loops(FUNCTION)
        (inner,) = outer.inner()
        self.assertEqual([line.split("\t")[1] for line in inner.body], ["sdot", "add", "cmp"])
        self.assertEqual(len(list(outer.instructions())), 8)

    def test_trips_are_counted(self):
        (outer,) = assembly.loops(FUNCTION)
        (inner,) = outer.inner()
        self.assertEqual(instructions.counted_trips(inner.body), 8)
        self.assertIsNone(instructions.counted_trips(["\tsubs\tx2, x2, #1"]))

    def test_a_group_is_written_out_with_its_scaling(self):
        kernel = next(kernel for kernel in kernels.AARCH64 if kernel.name == "neon_dotprod_q8_0_4x16")
        code = rates.Code(instructions.AARCH64, {kernel.function_of(4, 1): FUNCTION}, "unused")
        steady = code.steady(kernel, 4, 1)
        self.assertEqual(steady.operations, 8 * 32)
        self.assertEqual(len(steady.instructions), 8 * 3 + 5)
        with self.assertRaises(rates.NoLoop):
            code.steady(kernel, 3, 1)

    def test_functions_of_pairs_of_rows_serve_several_heights(self):
        kernel = next(kernel for kernel in kernels.AARCH64 if kernel.name == "neon_i8mm_int8_12x16")
        self.assertIn("neon_dotprod::<128, false, 4>", kernel.function_of(4, 1))
        self.assertEqual(kernel.function_of(7, 1), kernel.function_of(8, 1))
        self.assertIn("i8mm::neon_i8mm::<128, false, 4>", kernel.function_of(8, 1))
        self.assertEqual([kernel.computed_rows(rows) for rows in (1, 4, 5, 12)], [1, 4, 6, 12])


class Counts(unittest.TestCase):
    def test_a_product_is_reached_if_no_library_takes_fewer_instructions(self):
        counts = {"cke": 48, "openblas": 32, "llama.cpp": 96}
        entries = {library: {"format": "f32", "instructions": number} for library, number in counts.items()}
        product = {"board": "board", "m": 4, "n": 4, "k": 2, "counts": entries}
        text = tables.of_counts({"emulator": "none", "products": [product]})
        self.assertIn("| f32 4×4×2, board | 24.00 | 16.00 | 48.00 | **not reached** |", text)
        del entries["openblas"]
        text = tables.of_counts({"emulator": "none", "products": [product]})
        self.assertIn("| f32 4×4×2, board | 24.00 |  | 48.00 | reached |", text)


if __name__ == "__main__":
    unittest.main()
