//! Matrix products of this project and of peer libraries, timed in turns and checked.
//!
//! | module | subject |
//! |---|---|
//! | [`product`] | what is computed: sizes, transposes |
//! | [`dtype`] | the numbers that it is computed in |
//! | [`weights`] | from where packed weights are read |
//! | [`stored`] | how operands lie in memory: leading dimensions |
//! | [`draw`](mod@draw) | random products, class by class |
//! | [`library`] | how a peer library is described and called |
//! | [`find`](mod@find) | the libraries that are installed in the usual places |
//! | [`contest`] | rounds in turns, each contestant in a process of its own, the machine's peak beside them |
//! | [`result`] | rates, verdicts, shares of the peak |
//! | [`accuracy`] | errors of long sums, ours and the libraries', on the same numbers |
//! | [`worker`] | the contestant's process |
//!
//! Libraries are loaded into child processes only: two of them in one process disturb each other (threads, symbols, memory),
//! and one that crashes must not take the measurement with it. A [`Launcher`] says how to start a child; the child has to
//! end up in [`worker::serve_process`].
//!
//! ```no_run
//! use cke_perf::peers::{Contest, Dtype, Entrant, Launcher, Settings, Subject, find};
//!
//! let launcher = Launcher::new(std::env::current_exe()?, ["bench", "gemm-worker"]);
//! let mut entrants = vec![Entrant::new("cke", Subject::Gemm)];
//! entrants.extend(find(&launcher).libraries.iter().map(Entrant::from));
//! let mut contest = Contest::start(&launcher, &entrants, Settings { dtype: Dtype::F32, threads: 1, ..Settings::default() })?;
//! let result = contest.measure("128x3072x768nt".parse()?)?;
//! for entry in &result.entries {
//!     let share = entry.rate.map(|rate| rate.best / result.peak_gflops);
//!     eprintln!("{}: {share:?} of the peak, {:?}", entry.name, entry.verdict);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod accuracy;
mod attention;
mod check;
pub mod contest;
mod contestant;
mod counting;
pub mod draw;
pub mod dtype;
pub mod find;
mod foreign;
mod gemv;
pub mod library;
mod matmul;
mod native;
mod onednn;
mod operands;
mod packed;
pub mod product;
mod protocol;
mod reference;
pub mod result;
mod roofs;
mod sample;
mod session;
pub mod stored;
mod turn;
pub mod weights;
pub mod worker;

pub use accuracy::{Extent, Study, SumErrors, Sums};
pub use contest::{Contest, Entrant, Settings};
pub use contestant::{Launcher, PeerError};
pub use counting::add_counts;
pub use draw::{Class, draw};
pub use dtype::Dtype;
pub use find::{Refused, Survey, find, probe};
pub use library::{Interface, Library, Subject, refuses_libraries};
pub use product::{Product, ProductError};
pub use reference::Errors;
pub use result::{Entry, Rate, ShapeResult, Verdict};
pub use roofs::Roofs;
pub use sample::Data;
pub use stored::{Leading, Stored};
pub use weights::Weights;
