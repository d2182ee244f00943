//! `cke bench gemm --random`: drawn products beside other libraries, with a guard against the noise of the measurement.

mod measure;
mod report;
mod resume;
mod table;

use super::{check_memory, finish};
use crate::error::CliError;
use crate::numbers;
use crate::output::note;
use cke_kernels::Cpu;
use cke_perf::host::Host;
use cke_perf::peers::{Class, Dtype, Entrant, Launcher, Product, Settings, draw};
use cke_perf::report::Format;
use cke_report::words::counted;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use measure::{Budget, RandomRun};
use report::Report;
use resume::{Finished, Header};
use std::path::PathBuf;

/// The flags of drawn products.
#[derive(Debug, clap::Args)]
pub(super) struct RandomArgs {
    /// Draw N random products of each class, 1 to 100000: log-uniform sizes, all transposes, leading dimensions without gaps, larger, or
    /// multiples of 4096 bytes, at most 256 MB of operands and 40 GFLOP. Products below 0.96 times the fastest library are timed again with
    /// three times as many rounds before they count. CKE takes part twice, to show the noise of the ratios
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = count(),
        conflicts_with_all = ["shapes", "packed", "kernels"],
    )]
    random: Option<usize>,
    /// Random seed: the same seed gives the same products
    #[arg(
        long,
        value_name = "SEED",
        allow_negative_numbers = true,
        default_value = "1",
        value_parser = numbers::seed,
        requires = "random",
    )]
    seed: u64,
    /// Classes: small (each 1…48), skinny (M or N 1…16, the others 64…20,000), deep (M, N 1…64, K 1,000…200,000), shallow
    /// (K 1…16, M, N 64…4,000), attention (K or N 32…128, the others 16…2,048), model (M 1…1,024, N, K 256…12,000, weights
    /// stored (N, K)), square (64…2,048, within a factor of 2)
    #[arg(
        long,
        value_name = "CLASS,…",
        value_delimiter = ',',
        default_value = ALL,
        value_parser = class(),
        hide_possible_values = true,
        requires = "random",
    )]
    class: Vec<ClassChoice>,
    /// Start no product after M minutes in all, divided among the thread counts, up to 100000
    #[arg(long, value_name = "M", allow_negative_numbers = true, value_parser = minutes, requires = "random")]
    minutes: Option<f64>,
    /// Save each finished product to FILE, and continue from there if the command is run again
    #[arg(long, value_name = "FILE", requires = "random")]
    resume: Option<PathBuf>,
}

/// The name of all classes together.
const ALL: &str = "all";

/// A class, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClassChoice {
    All,
    One(Class),
}

fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=100_000)
}

fn class() -> impl TypedValueParser<Value = ClassChoice> {
    let names = Class::ALL.map(Class::name).into_iter().chain([ALL]);
    PossibleValuesParser::new(names).map(|name| {
        let class = Class::ALL.into_iter().find(|class| class.name() == name);
        class.map_or(ClassChoice::All, ClassChoice::One)
    })
}

fn minutes(text: &str) -> Result<f64, String> {
    const MOST: f64 = 100_000.0;
    let minutes = text.parse().ok().filter(|&minutes: &f64| minutes > 0.0 && minutes <= MOST);
    minutes.ok_or_else(|| format!("wanted a number above 0 and up to {MOST}"))
}

/// What is drawn, and how long it may take.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Products of each class.
    count: usize,
    seed: u64,
    classes: Vec<Class>,
    minutes: Option<f64>,
    resume: Option<PathBuf>,
}

impl RandomArgs {
    /// What is wanted; `None` without `--random`.
    pub(super) fn wanted(self) -> Option<Wanted> {
        let is_wanted =
            |class: &Class| self.class.contains(&ClassChoice::All) || self.class.contains(&ClassChoice::One(*class));
        let classes = Class::ALL.into_iter().filter(is_wanted).collect();
        Some(Wanted { count: self.random?, seed: self.seed, classes, minutes: self.minutes, resume: self.resume })
    }
}

/// A product and the class it was drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Drawn {
    class: Class,
    product: Product,
}

impl Wanted {
    /// All products, the classes in turn: a measurement that is cut short has some of each.
    fn draw(&self, dtype: Dtype) -> Vec<Drawn> {
        let of_classes: Vec<_> =
            self.classes.iter().map(|&class| (class, draw(class, self.count, self.seed, dtype))).collect();
        let turn =
            |i: usize| of_classes.iter().map(move |(class, products)| Drawn { class: *class, product: products[i] });
        (0..self.count).flat_map(turn).collect()
    }
}

/// The contestants, and how they are timed.
#[derive(Debug)]
pub(super) struct RandomBench<'a> {
    pub(super) launcher: &'a Launcher,
    pub(super) cpu: &'a Cpu,
    pub(super) own: Entrant,
    pub(super) libraries: Vec<Entrant>,
    pub(super) settings: Settings,
}

impl RandomBench<'_> {
    /// Measures the wanted products and writes the report.
    ///
    /// # Errors
    /// If a contestant cannot take part, a product is wrong, or the file of finished products is of other settings.
    pub(super) fn run(self, wanted: Wanted, thread_counts: &[usize], format: Format) -> Result<(), CliError> {
        let RandomBench { launcher, cpu, own, libraries, settings } = self;
        let again = Entrant::new(format!("{}-again", own.name), own.subject.clone());
        if libraries.iter().any(|library| library.name == again.name) {
            return Err(CliError::Misuse(format!("--against: {} is our own product timed twice", again.name)));
        }
        let entrants: Vec<Entrant> = [own, again].into_iter().chain(libraries).collect();
        let drawn = wanted.draw(settings.dtype);
        let products: Vec<Product> = drawn.iter().map(|drawn| drawn.product).collect();
        check_memory(&products, settings.dtype, entrants.len(), 0, &Host::detect(cpu))?;

        let header = Header::new(cpu, wanted.seed, settings, &entrants);
        let mut finished = Finished::open(wanted.resume.as_deref(), &header)?;
        let budget = Budget::new(wanted.minutes, thread_counts.len());
        let session = RandomRun { launcher, entrants: &entrants, settings, drawn: &drawn, budget };
        let measured = session.measure(thread_counts, &mut finished)?;
        let report = Report::new(&header, &wanted.classes, &drawn, thread_counts, measured);
        report_missing(&report, drawn.len() * thread_counts.len(), wanted.resume.is_some());
        finish(&report.render(format)?, report.failures())
    }
}

fn report_missing(report: &Report, wanted: usize, can_resume: bool) {
    let measured = report.points.len();
    if measured < wanted {
        let hint =
            if can_resume { "run the same command again to continue" } else { "use --resume FILE to continue later" };
        note(&format!("time is up: measured {measured} of {}; {hint}", counted(wanted, "product")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_classes_take_turns() {
        let classes = vec![Class::Small, Class::Deep];
        let wanted = Wanted { count: 3, seed: 1, classes, minutes: None, resume: None };
        let drawn = wanted.draw(Dtype::F32);
        let order: Vec<Class> = drawn.iter().map(|drawn| drawn.class).collect();
        assert_eq!(order, [Class::Small, Class::Deep].repeat(3));
        let longer = Wanted { count: 5, ..wanted }.draw(Dtype::F32);
        assert_eq!(longer[..6], drawn);
    }

    #[test]
    fn minutes_are_above_zero() {
        assert_eq!(minutes("0.5"), Ok(0.5));
        for text in ["0", "-1", "nan", "inf", "100001", "x"] {
            assert!(minutes(text).is_err(), "{text}");
        }
    }
}
