//! One product in low precision in six steps: each is checked against whole numbers and against f64, then all are timed in turns beside
//! the machine's peak for bytes.

mod operands;
mod oracle;
mod quantized;
mod step1_naive;
mod step2_quads;
mod step3_instruction;
mod step4_groups;
mod step5_spread;
mod step6_int4;
mod tiles;
mod unit;

use crate::failure::Failure;
use crate::race::in_turns;
use cke_kernels::Cpu;
use cke_perf::arithmetic::Arithmetic;
use cke_perf::clock;
use cke_perf::report::{Align, Column, Table};
use cke_testkit::Data;
use operands::{Columns, Operands};
use oracle::Oracle;
use step1_naive::Naive;
use step2_quads::Quads;
use step3_instruction::Instruction;
use step4_groups::GROUPS;
use step5_spread::SPREAD;
use step6_int4::Int4;
use unit::Unit;

/// The number of the last step.
const LAST: u8 = 6;

/// How much larger one input of each row is than the others.
const LARGE: f32 = 64.0;

/// A way to compute a product.
trait LowPrecision {
    /// C ← A·B, with A quantised on the way.
    fn multiply(&mut self, a: &[f32], c: &mut [f32]);

    /// What was multiplied last.
    fn operands(&self) -> &Operands<'_>;
}

struct Step<'a> {
    number: u8,
    name: &'static str,
    why: &'static str,
    way: Box<dyn LowPrecision + 'a>,
}

/// All steps with all that they multiply.
pub(crate) fn run(cpu: &Cpu, n: usize, only: &[u8]) -> Result<(), Failure> {
    if let Some(&found) = only.iter().find(|&&number| number > LAST) {
        return Err(Failure::NoSuchStep { found, last: LAST });
    }
    let matrices = Matrices::new(n);
    let columns = Columns { cpu, n, values: &matrices.columns };
    let mut steps = steps(Unit::of(cpu), &columns, only);
    let outcome = race(&matrices, &mut steps)?;
    println!("{}, {}, {n}×{n}×{n}, {}, one thread\n", cpu.brand(), cpu.isa(), outcome.peak_in_words());
    print!("{}", outcome.table(n, &steps).to_markdown());
    Ok(())
}

/// The steps of these numbers; every step where there are none.
fn steps<'a>(unit: Unit, columns: &Columns<'a>, only: &[u8]) -> Vec<Step<'a>> {
    let eight_bits = |rounding| Instruction::new(unit, columns, rounding);
    let mut steps = vec![
        Step::new(1, "int8, naive", "a scale for each row and column, sums in 32 bits", Naive::new(columns)),
        Step::new(2, "quads, plain Rust", "columns lie as an instruction for bytes wants them", Quads::new(columns)),
        Step::new(
            3,
            "quads, `vpdpbusd`",
            "64 products an instruction, in tiles of 8×48",
            eight_bits(step1_naive::WHOLE),
        ),
        Step::new(4, "groups of 128", "a large input takes precision from its group alone", eight_bits(GROUPS)),
        Step::new(5, "groups, spread", "a large input becomes 16 of a quarter", eight_bits(SPREAD)),
        Step::new(6, "int4 in groups of 32", "half the bytes of weights", Int4::new(unit, columns)),
    ];
    steps.retain(|step| only.is_empty() || only.contains(&step.number));
    steps
}

impl<'a> Step<'a> {
    fn new(number: u8, name: &'static str, why: &'static str, way: impl LowPrecision + 'a) -> Self {
        Step { number, name, why, way: Box::new(way) }
    }
}

/// Normal numbers, as weights and inputs of models mostly are.
struct Matrices {
    n: usize,
    /// The rows of A.
    rows: Vec<f32>,
    /// The same, in which one input of each row is large.
    with_large: Vec<f32>,
    columns: Vec<f32>,
}

impl Matrices {
    fn new(n: usize) -> Matrices {
        let [rows, columns] = [1, 2].map(|seed| Data::new(seed).normal(n * n, 0.0, 1.0));
        let mut with_large = rows.clone();
        with_large.chunks_exact_mut(n).for_each(|row| row[n / 3] *= LARGE);
        Matrices { n, rows, with_large, columns }
    }
}

/// The best of all rounds.
struct Outcome {
    /// Seconds of each step.
    seconds: Vec<f64>,
    /// Relative errors of each step: of normal rows, and of rows with a large input.
    errors: Vec<[f64; 2]>,
    /// 10⁹ operations per second and the instruction, if the CPU multiplies bytes in vectors.
    peak: Option<(f64, &'static str)>,
}

fn race(matrices: &Matrices, steps: &mut [Step<'_>]) -> Result<Outcome, Failure> {
    let Matrices { n, rows, with_large, columns } = matrices;
    let mut c = vec![f32::NAN; n * n];
    let oracles = [with_large, rows].map(|rows| (rows, Oracle::new(rows, columns, *n)));
    let (mut seconds, mut errors) = (Vec::new(), Vec::new());
    for step in &mut *steps {
        let mut checked = [0.0; 2];
        let mut last = 0.0;
        for ((rows, oracle), error) in oracles.iter().zip(&mut checked) {
            c.fill(f32::NAN);
            last = clock::time(|| step.way.multiply(rows, &mut c));
            let wrong = |source| Failure::Wrong { product: step.name.to_owned(), source };
            *error = oracle.check(&c, step.way.operands()).map_err(wrong)?;
        }
        seconds.push(last);
        errors.push(checked);
    }
    let mut peak: Option<(f64, &'static str)> = None;
    let measure_peak = || {
        // A CPU without such an instruction has no peak to compare with.
        if let Ok(found) = Arithmetic::Int8.measure_peak(1) {
            peak = Some((found.gflops.max(peak.map_or(0.0, |(gops, _)| gops)), found.instruction));
        }
        Ok(())
    };
    let multiply = |step: &mut Step<'_>| Ok(clock::time(|| step.way.multiply(rows, &mut c)));
    in_turns(steps, &mut seconds, measure_peak, multiply)?;
    Ok(Outcome { seconds, errors, peak })
}

impl Outcome {
    fn peak_in_words(&self) -> String {
        match self.peak {
            Some((gops, instruction)) => format!("peak of `{instruction}` {gops:.0} GOP/s"),
            None => "no vector instruction for bytes".to_owned(),
        }
    }

    fn table(&self, n: usize, steps: &[Step<'_>]) -> Table {
        let head = [
            ("step", Align::Right),
            ("", Align::Left),
            ("ms", Align::Right),
            ("GOP/s", Align::Right),
            ("of peak", Align::Right),
            ("error", Align::Right),
            ("with a large input", Align::Right),
            ("because", Align::Left),
        ];
        let mut table = Table::new(head.map(|(title, align)| Column::new(title, align)).into());
        for ((step, seconds), [with_large, normal]) in steps.iter().zip(&self.seconds).zip(&self.errors) {
            let gops = 2.0 * (n as f64).powi(3) / seconds / 1e9;
            table.push(vec![
                step.number.to_string(),
                step.name.to_owned(),
                format!("{:.2}", 1e3 * seconds),
                if gops < 10.0 { format!("{gops:.2}") } else { format!("{gops:.0}") },
                self.peak.map(|(peak, _)| format!("{:.1}%", 100.0 * gops / peak)).unwrap_or_default(),
                format!("{:.2}%", 100.0 * normal),
                format!("{:.2}%", 100.0 * with_large),
                step.why.to_owned(),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cke_kernels::Isa;

    const SIZES: [usize; 9] = [1, 2, 15, 16, 33, 64, 127, 128, 150];

    /// All steps with a unit, and what each gives for rows with a large input.
    fn results(cpu: &Cpu, unit: Unit, matrices: &Matrices) -> Vec<Vec<f32>> {
        let Matrices { n, with_large, columns, .. } = matrices;
        let oracle = Oracle::new(with_large, columns, *n);
        let columns = Columns { cpu, n: *n, values: columns };
        let result = |mut step: Step<'_>| {
            let mut c = vec![f32::NAN; n * n];
            step.way.multiply(with_large, &mut c);
            let checked = oracle.check(&c, step.way.operands());
            assert!(checked.is_ok(), "step {}, {}, {unit:?}, n = {n}: {checked:?}", step.number, cpu.isa());
            c
        };
        steps(unit, &columns, &[]).into_iter().map(result).collect()
    }

    #[test]
    fn every_step_odd_sizes_matches_the_oracle_on_every_isa() {
        for n in SIZES {
            let matrices = Matrices::new(n);
            for isa in Isa::ALL {
                let cpu = Cpu::host().unwrap().capped(isa);
                results(&cpu, Unit::of(&cpu), &matrices);
            }
        }
    }

    #[test]
    fn instruction_and_plain_rust_give_the_same_bits() {
        let cpu = Cpu::host().unwrap();
        let matrices = Matrices::new(150);
        assert_eq!(results(cpu, Unit::of(cpu), &matrices), results(cpu, Unit::PLAIN, &matrices));
    }

    #[test]
    fn a_wrong_element_is_found() {
        let cpu = Cpu::host().unwrap();
        let n = 150;
        let matrices = Matrices::new(n);
        let oracle = Oracle::new(&matrices.rows, &matrices.columns, n);
        let columns = Columns { cpu, n, values: &matrices.columns };
        for mut step in steps(Unit::of(cpu), &columns, &[]) {
            let mut c = vec![f32::NAN; n * n];
            step.way.multiply(&matrices.rows, &mut c);
            // One step of one number, times the smallest number: what a wrong correction or a lost product would change at least.
            let Operands { rows, columns, .. } = step.way.operands();
            c[7 * n + 3] += rows.scales_of(7)[0] * columns.scales_of(3)[0];
            assert_eq!(oracle.check(&c, step.way.operands()).unwrap_err().index, 7 * n + 3, "step {}", step.number);
        }
    }

    #[test]
    fn a_large_input_costs_the_least_where_groups_are_spread() {
        let cpu = Cpu::host().unwrap();
        let n = 256;
        let matrices = Matrices::new(n);
        let oracle = Oracle::new(&matrices.with_large, &matrices.columns, n);
        let columns = Columns { cpu, n, values: &matrices.columns };
        let errors = steps(Unit::of(cpu), &columns, &[3, 4, 5]).into_iter().map(|mut step| {
            let mut c = vec![f32::NAN; n * n];
            step.way.multiply(&matrices.with_large, &mut c);
            oracle.check(&c, step.way.operands()).unwrap()
        });
        let errors: Vec<f64> = errors.collect();
        assert!(errors[0] > 1.2 * errors[1] && errors[1] > 2.0 * errors[2], "{errors:?}");
    }

    #[test]
    fn spread_twice_is_nothing() {
        let mut group: [f32; 128] = std::array::from_fn(|p| ((7 * p) % 17) as f32 - 8.0);
        let before = group;
        step5_spread::spread(&mut group);
        assert_ne!(group, before);
        step5_spread::spread(&mut group);
        assert_eq!(group, before);
    }

    #[test]
    fn a_step_that_there_is_not_is_an_error() {
        let failure = run(Cpu::host().unwrap(), 16, &[7]).unwrap_err();
        assert_eq!(failure.to_string(), "wanted steps 1 to 6 in low precision, found 7");
    }
}
