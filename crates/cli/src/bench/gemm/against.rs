//! The libraries to compare with.

use crate::error::CliError;
use crate::named_library::{self, NamedLibrary};
use crate::output::note;
use cke_kernels::Cpu;
use cke_kernels::cpu::Isa;
use cke_kernels::gemm::grouped::{FormatVisitor, GroupFormat};
use cke_kernels::gemm::{Form, Supported, candidates};
use cke_kernels::scheme::{Bf16, F16, F32, Grouped, Int8, Int8PerChannel, Scheme};
use cke_perf::peers::{Dtype, Entrant, Launcher, Subject, find, probe, refuses_libraries};
use std::str::FromStr;

/// The libraries to compare with.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::bench) struct PeerArgs {
    /// Library to compare with, CBLAS or oneDNN; auto takes those in the usual places
    ///
    /// The usual places: LD_LIBRARY_PATH, MKLROOT, CONDA_PREFIX, the packages of the Python in PATH (NumPy and SciPy bring OpenBLAS), what the
    /// loader knows (ldconfig -p), and the directories in which such libraries are installed below /usr and /opt.
    #[arg(short, long, value_name = "NAME=LIB|auto", num_args = 1.., action = clap::ArgAction::Append)]
    against: Vec<Peer>,
}

/// What `--against` names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Peer {
    /// Every library in the usual places.
    Auto,
    /// This one.
    Library(NamedLibrary),
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Peer, String> {
        if let Some(reason) = refuses_libraries() {
            return Err(reason.to_owned());
        }
        if text == "auto" {
            return Ok(Peer::Auto);
        }
        text.parse().map(Peer::Library).map_err(|wanted| format!("{wanted} or auto"))
    }
}

impl PeerArgs {
    /// The libraries that are named, then those that are found; of the latter none whose name is taken.
    ///
    /// # Errors
    /// If two have the same name.
    pub(in crate::bench) fn libraries(
        &self,
        own: &[Entrant],
        dtype: Dtype,
        launcher: &Launcher,
    ) -> Result<Vec<Entrant>, CliError> {
        let named =
            self.against.iter().filter_map(|peer| if let Peer::Library(named) = peer { Some(named) } else { None });
        let mut entrants = named_library::entrants(own.to_vec(), named)?.split_off(own.len());
        if self.against.contains(&Peer::Auto) {
            let mut found = find(launcher).entrants(dtype);
            found.retain(|entrant| has_products(entrant, dtype, launcher));
            if found.is_empty() {
                note("no matrix library found in the usual places: name one as --against NAME=LIB");
            }
            let is_new = |entrant: &Entrant| entrants.iter().all(|other| other.name != entrant.name);
            let new: Vec<Entrant> = found.into_iter().filter(is_new).collect();
            entrants.extend(new);
        }
        Ok(entrants)
    }
}

/// Our own product.
pub(super) fn own(is_packed: bool) -> Entrant {
    if is_packed { Entrant::new("cke-packed", Subject::Plan) } else { Entrant::new("cke", Subject::Gemm) }
}

/// Whether a library that was found has products of this format. Its name may promise those of weights where it was built without.
fn has_products(Entrant { name, subject }: &Entrant, dtype: Dtype, launcher: &Launcher) -> bool {
    match subject {
        Subject::Library(path) if dtype.is_of_weights() => {
            probe(launcher, path, dtype).inspect_err(|error| note(&format!("{name} is left out: {error}"))).is_ok()
        }
        _ => true,
    }
}

/// A kernel that dispatch chooses from.
struct Candidate {
    name: &'static str,
    /// Whether it reads rows of A in a format of its own.
    prepares_rows: bool,
}

/// Our kernels for packed B that dispatch chooses from.
pub(super) fn kernels(cpu: &Cpu, dtype: Dtype) -> Vec<Entrant> {
    let names = candidates_of(cpu, dtype).into_iter().map(|kernel| kernel.name);
    names.map(|name| Entrant::new(name, Subject::Kernel(name.to_owned()))).collect()
}

/// Our product with rows prepared ahead too, if kernels of this format read rows of their own.
pub(super) fn prepared(cpu: &Cpu, dtype: Dtype) -> Option<Entrant> {
    let prepares_rows = dtype.is_of_weights() && candidates_of(cpu, dtype).iter().any(|kernel| kernel.prepares_rows);
    prepares_rows.then(|| Entrant::new("cke-prepared", Subject::Prepared))
}

fn candidates_of(cpu: &Cpu, dtype: Dtype) -> Vec<Candidate> {
    match dtype {
        Dtype::F32 | Dtype::F64 => candidates_of_scheme::<F32>(cpu, Form::Outer),
        Dtype::Bf16 => candidates_of_scheme::<Bf16>(cpu, Form::Blocks),
        Dtype::F16 => candidates_of_scheme::<F16>(cpu, Form::Blocks),
        Dtype::Int8 => candidates_of_scheme::<Int8>(cpu, Form::Blocks),
        Dtype::Int8PerChannel => candidates_of_scheme::<Int8PerChannel>(cpu, Form::Blocks),
        Dtype::Grouped(format) => format.visit(CandidatesOfFormat(cpu)),
    }
}

/// [`candidates_of`] weights in groups.
struct CandidatesOfFormat<'a>(&'a Cpu);

impl FormatVisitor for CandidatesOfFormat<'_> {
    type Output = Vec<Candidate>;

    fn visit<F: GroupFormat>(self) -> Vec<Candidate> {
        candidates_of_scheme::<Grouped<F>>(self.0, Form::Blocks)
    }
}

fn candidates_of_scheme<S: Scheme>(cpu: &Cpu, form: Form) -> Vec<Candidate> {
    let candidate = |kernel: Supported<S>| {
        let record = kernel.record();
        Candidate { name: record.name(), prepares_rows: !record.row_format().is_in_place }
    };
    candidates(cpu, form).map(candidate).collect()
}

/// What holds the known libraries to AVX2.
const HELD_TO_AVX2: [(&str, &str); 4] = [
    ("OPENBLAS_CORETYPE", "Haswell"),
    ("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
    // AOCL-BLAS aborts on `haswell`, which it has no kernels for.
    ("BLIS_ARCH_TYPE", "zen3"),
    ("ONEDNN_MAX_CPU_ISA", "AVX2"),
];

/// The variables that hold libraries to the instruction set that our own kernels use, if `CKE_ISA` keeps them below the machine's.
pub(super) fn library_variables(cpu: &Cpu) -> &'static [(&'static str, &'static str)] {
    if cpu.isa() == Isa::Avx2 && cpu.detected_isa() > Isa::Avx2 { &HELD_TO_AVX2 } else { &[] }
}

/// Says whether libraries are held to our instruction set.
pub(super) fn note_instruction_sets(cpu: &Cpu) {
    if cpu.isa() == cpu.detected_isa() {
        return;
    }
    let held: Vec<String> = library_variables(cpu).iter().map(|(name, value)| format!("{name}={value}")).collect();
    match held.as_slice() {
        [] => note(&format!("CKE_ISA={}: libraries ignore it", cpu.isa().name())),
        held => note(&format!("CKE_ISA={}: libraries run with {}", cpu.isa().name(), held.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_is_a_name_with_a_path_or_auto() {
        assert_eq!("auto".parse(), Ok(Peer::Auto));
        let library = Peer::Library(NamedLibrary { name: "mkl".to_owned(), path: "/opt/a=b.so".into() });
        assert_eq!("mkl=/opt/a=b.so".parse(), Ok(library));
        for text in ["", "mkl", "=x", "mkl="] {
            assert!(text.parse::<Peer>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn libraries_are_held_to_avx2_only_below_the_machine() {
        let cpu = Cpu::host().expect("CKE_ISA is valid");
        let of = |isa| library_variables(&cpu.capped(isa));
        let is_below = cpu.detected_isa() > Isa::Avx2 && cpu.isa() >= Isa::Avx2;
        assert_eq!(!of(Isa::Avx2).is_empty(), is_below);
        assert!(of(Isa::Scalar).is_empty());
    }

    #[test]
    fn libraries_of_one_name_are_refused() {
        let launcher = Launcher::new("no-such-program", [""; 0]);
        let peer = |name: &str| Peer::Library(NamedLibrary { name: name.to_owned(), path: "/x.so".into() });
        let of = |peers: &[Peer]| PeerArgs { against: peers.to_vec() }.libraries(&[own(false)], Dtype::F32, &launcher);
        assert_eq!(of(&[peer("a"), peer("b")]).expect("two names").len(), 2);
        assert!(of(&[peer("a"), peer("a")]).is_err());
        assert!(of(&[peer("cke")]).is_err());
    }
}
