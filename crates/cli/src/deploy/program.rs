//! The program that is copied: from an archive, a file, or this program itself.

use super::board::Architecture;
use crate::error::CliError;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A program for a machine.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) bytes: Vec<u8>,
    /// Where it was found.
    pub(super) source: String,
}

impl Program {
    /// The program for an architecture: that of the file if one is named, else of `target/dist`, else this one.
    ///
    /// # Errors
    /// If there is none, or it is for another architecture.
    pub(super) fn find(named: Option<&Path>, architecture: Architecture) -> Result<Program, CliError> {
        let built = built_archive(architecture);
        let program = match named {
            Some(file) => Program::of_file(file)?,
            None if built.is_file() => Program::of_file(&built)?,
            None => Program::itself(architecture).ok_or_else(|| nothing_found(&built, architecture))?,
        };
        let found = architecture_of(&program.bytes);
        if found != Some(architecture) {
            let found = found.map_or("a program of neither", Architecture::name);
            let wanted = architecture.name();
            return Err(CliError::Failed(format!("{}: wanted a program for {wanted}, found {found}", program.source)));
        }
        Ok(program)
    }

    fn of_file(file: &Path) -> Result<Program, CliError> {
        let source = file.display().to_string();
        let input = |source_error| CliError::Input { input: source.clone(), source: source_error };
        let bytes = fs::read(file).map_err(input)?;
        let bytes = if bytes.starts_with(&[0x1f, 0x8b]) { unpack(file)? } else { bytes };
        if !bytes.starts_with(ELF) {
            let wanted = "an archive of tools/dist/build.sh or a program for Linux".to_owned();
            return Err(CliError::Content { input: source, wanted, found: "another file".to_owned() });
        }
        Ok(Program { bytes, source })
    }

    /// This program, if it needs no libraries.
    fn itself(architecture: Architecture) -> Option<Program> {
        let fits = cfg!(all(target_os = "linux", target_feature = "crt-static"))
            && std::env::consts::ARCH == architecture.name();
        let bytes = fs::read(std::env::current_exe().ok().filter(|_| fits)?).ok()?;
        Some(Program { bytes, source: "this program".to_owned() })
    }
}

fn built_archive(architecture: Architecture) -> PathBuf {
    let name = format!("cke-{}-{}-linux.tar.gz", env!("CARGO_PKG_VERSION"), architecture.name());
    Path::new("target/dist").join(name)
}

fn nothing_found(built: &Path, architecture: Architecture) -> CliError {
    let (built, architecture) = (built.display(), architecture.name());
    CliError::Failed(format!(
        "wanted a static cke for {architecture}, found none: name its archive with --archive, or make {built} by \
         `bash tools/dist/build.sh {architecture}`"
    ))
}

/// The program in an archive, by the system's tar.
fn unpack(archive: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |why: String| CliError::Failed(format!("{}: {why}", archive.display()));
    let tar = |flag: &str, entry: Option<&str>| -> Result<Output, CliError> {
        let output = Command::new("tar").arg(flag).arg(archive).args(entry).output();
        let output = output
            .map_err(|error| failed(format!("wanted the program tar to unpack it, found none that starts: {error}")))?;
        match output.status.success() {
            true => Ok(output),
            false => Err(failed(format!("tar: {}", String::from_utf8_lossy(&output.stderr).trim()))),
        }
    };
    let names = tar("-tzf", None)?.stdout;
    let names = String::from_utf8_lossy(&names);
    let entry = names.lines().find(|name| name.ends_with("/bin/cke") && !name.starts_with('-'));
    let entry = entry.ok_or_else(|| failed("wanted bin/cke in the archive, found none".to_owned()))?;
    Ok(tar("-xzOf", Some(entry))?.stdout)
}

/// What programs of Linux begin with.
const ELF: &[u8] = b"\x7fELF";

/// What a program of 64 bits, lowest byte first, was made for.
fn architecture_of(program: &[u8]) -> Option<Architecture> {
    let is_64_bit_little_endian = program.starts_with(ELF) && program.get(4..6) == Some(&[2, 1]);
    let machine = program.get(18..20).filter(|_| is_64_bit_little_endian)?;
    match u16::from_le_bytes([machine[0], machine[1]]) {
        62 => Some(Architecture::X86_64),
        183 => Some(Architecture::Aarch64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(machine: u16) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..4].copy_from_slice(ELF);
        header[4..6].copy_from_slice(&[2, 1]);
        header[18..20].copy_from_slice(&machine.to_le_bytes());
        header
    }

    #[test]
    fn programs_say_what_they_were_made_for() {
        assert_eq!(architecture_of(&header(62)), Some(Architecture::X86_64));
        assert_eq!(architecture_of(&header(183)), Some(Architecture::Aarch64));
        assert_eq!(architecture_of(&header(40)), None);
        assert_eq!(architecture_of(&header(62)[..19]), None);
        assert_eq!(architecture_of(b""), None);
    }
}
