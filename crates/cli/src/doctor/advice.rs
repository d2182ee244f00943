//! What keeps this machine from its speed, and what to do about it.

use super::UsedThreads;
use cke_perf::host::Host;

/// Memory below which even small models may not fit.
const LITTLE_MEMORY: u64 = 1 << 30;

/// One sentence or two for each thing that is missing; none if all is well. `threads` is what commands use, `cke_isa` the value of that
/// variable.
pub(super) fn advice(
    machine: &Host,
    threads: &UsedThreads,
    cke_isa: Option<&str>,
    is_release_build: bool,
) -> Vec<String> {
    let found = [
        build(is_release_build),
        capped_isa(machine),
        narrow_isa(machine),
        amx(machine, cke_isa),
        single_cpu(machine),
        affinity(machine),
        quota(machine),
        few_threads(machine, threads),
        huge_pages(machine),
        memory(machine),
    ];
    found.into_iter().flatten().collect()
}

fn build(is_release: bool) -> Option<String> {
    let advice = "This is a debug build, which is slow: build with --release.";
    (!is_release).then(|| advice.to_owned())
}

fn capped_isa(machine: &Host) -> Option<String> {
    let Host { isa_used, isa_detected, .. } = machine;
    (isa_used != isa_detected)
        .then(|| format!("CKE_ISA={isa_used} leaves {isa_detected} unused: unset it for full speed."))
}

fn narrow_isa(machine: &Host) -> Option<String> {
    match (machine.architecture, machine.isa_detected) {
        ("x86_64", "scalar") => Some(
            "This CPU reports no AVX2 and no AVX-512, so scalar kernels run, which are many times slower. On a virtual \
             machine, let the host pass its CPU through (in QEMU and libvirt: CPU model \"host\")."
                .to_owned(),
        ),
        ("x86_64", "avx2") => Some(
            "This CPU reports AVX2 but no AVX-512 (F, VL, BW and DQ), as many CPUs do. If it should have AVX-512, check \
             the settings of the firmware or the hypervisor."
                .to_owned(),
        ),
        ("x86_64", _) | (_, "neon") => None,
        (architecture, _) => {
            Some(format!("There are no vector kernels for {architecture} yet: scalar kernels run, which are slow."))
        }
    }
}

fn amx(machine: &Host, cke_isa: Option<&str>) -> Option<String> {
    const FORBIDDEN: &str = "Linux does not let this process use it (that takes kernel 5.16 or later, and a container whose seccomp profile \
                             allows arch_prctl)";
    let has_amx = |names: &[&str]| names.iter().any(|name| name.starts_with("amx_"));
    if has_amx(&machine.features) {
        return None;
    }
    match (cke_isa, has_amx(&machine.unused_features)) {
        (Some("amx"), has_amx) => {
            let why = if has_amx { FORBIDDEN } else { "this CPU has none, or the system hides it" };
            Some(format!("CKE_ISA=amx has no effect: {why}. {} is in use.", machine.isa_used))
        }
        (Some("avx512"), true) => Some("CKE_ISA=avx512 leaves AMX unused: unset it for full speed.".to_owned()),
        (None | Some(""), true) => Some(format!("This CPU has AMX, but {FORBIDDEN}.")),
        _ => None,
    }
}

fn single_cpu(machine: &Host) -> Option<String> {
    let advice = "This machine has a single CPU, so work cannot be spread over threads. If it is a virtual machine, give it more CPUs.";
    (machine.online_cpus? == 1).then(|| advice.to_owned())
}

fn few_threads(machine: &Host, threads: &UsedThreads) -> Option<String> {
    let (variable, count, usable) = (threads.variable?, threads.count, machine.usable_threads);
    (count < usable)
        .then(|| format!("{variable} leaves {} of {usable} threads unused: unset it for full speed.", usable - count))
}

fn affinity(machine: &Host) -> Option<String> {
    let (allowed, online) = (machine.allowed_cpus?, machine.online_cpus?);
    (allowed < online).then(|| {
        format!(
            "This process may run on {allowed} of {online} CPUs: its affinity (taskset, cpuset) excludes the others."
        )
    })
}

fn quota(machine: &Host) -> Option<String> {
    let (quota, allowed) = (machine.cpu_quota?, machine.allowed_cpus?);
    (quota < allowed as f64).then(|| {
        format!(
            "The control group allows {quota:.2} CPUs' worth of time on {allowed} CPUs: with more threads than that, the \
             kernel pauses them. Raise the limit (in Docker: --cpus) or use fewer threads."
        )
    })
}

fn huge_pages(machine: &Host) -> Option<String> {
    (machine.huge_pages.as_deref()? == "never").then(|| {
        "Transparent huge pages are off, which slows down large weights. To let programs request them: \
         echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
            .to_owned()
    })
}

fn memory(machine: &Host) -> Option<String> {
    let available = machine.memory_available_bytes?;
    (available < LITTLE_MEMORY).then(|| {
        let available = cke_perf::report::format_bytes(available);
        format!("Only {available} of memory is available; `cke inspect MODEL` shows how much a model takes.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine on which nothing is missing.
    fn machine() -> Host {
        Host {
            architecture: "x86_64",
            cpu: None,
            isa_detected: "avx512",
            isa_used: "avx512",
            features: vec!["avx2", "fma", "avx512"],
            unused_features: Vec::new(),
            core_family: "Zen 5",
            l1d_bytes: 48 << 10,
            l2_bytes: 1 << 20,
            l3_bytes: 32 << 20,
            last_level_cache_bytes: None,
            online_cpus: Some(8),
            allowed_cpus: Some(8),
            cpu_quota: None,
            usable_threads: 8,
            frequency_mhz: None,
            memory_total_bytes: Some(16 << 30),
            memory_available_bytes: Some(8 << 30),
            huge_pages: Some("madvise".to_owned()),
            os: None,
            kernel: None,
        }
    }

    /// What commands use if a variable says so.
    fn threads(limit: Option<usize>) -> UsedThreads {
        UsedThreads { count: limit.unwrap_or(8), variable: limit.map(|_| "OMP_NUM_THREADS"), is_given: false }
    }

    fn only_advice(machine: &Host) -> String {
        let lines = advice(machine, &threads(None), None, true);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().expect("one line")
    }

    #[test]
    fn advice_good_machine_is_none() {
        assert!(advice(&machine(), &threads(Some(8)), None, true).is_empty());
        let unknown =
            Host { online_cpus: None, allowed_cpus: None, memory_available_bytes: None, huge_pages: None, ..machine() };
        assert!(advice(&unknown, &threads(None), None, true).is_empty());
    }

    #[test]
    fn advice_each_lack_has_its_own_line() {
        let cases = [
            (Host { isa_used: "avx2", ..machine() }, "CKE_ISA=avx2"),
            (Host { isa_used: "scalar", isa_detected: "scalar", ..machine() }, "no AVX2 and no AVX-512"),
            (Host { isa_used: "avx2", isa_detected: "avx2", ..machine() }, "no AVX-512 (F"),
            (Host { unused_features: vec!["amx_int8", "amx_bf16"], ..machine() }, "This CPU has AMX, but Linux"),
            (
                Host { architecture: "riscv64", isa_used: "scalar", isa_detected: "scalar", ..machine() },
                "no vector kernels for riscv64",
            ),
            (Host { allowed_cpus: Some(1), ..machine() }, "1 of 8 CPUs"),
            (Host { online_cpus: Some(1), allowed_cpus: Some(1), usable_threads: 1, ..machine() }, "a single CPU"),
            (Host { cpu_quota: Some(1.5), ..machine() }, "1.50 CPUs' worth"),
            (Host { huge_pages: Some("never".to_owned()), ..machine() }, "echo madvise"),
            (Host { memory_available_bytes: Some(1 << 20), ..machine() }, "Only 1 MiB"),
        ];
        for (machine, expected) in cases {
            let found = only_advice(&machine);
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn advice_amx_that_was_asked_for_in_vain_is_named() {
        let asked = |machine: &Host| advice(machine, &threads(None), Some("amx"), true);
        let none = asked(&machine());
        assert_eq!(none, ["CKE_ISA=amx has no effect: this CPU has none, or the system hides it. avx512 is in use."]);
        let unused = Host { unused_features: vec!["amx_int8"], ..machine() };
        let forbidden = asked(&unused);
        assert!(forbidden.len() == 1 && forbidden[0].contains("Linux does not let this process"), "{forbidden:?}");
        let capped = advice(&unused, &threads(None), Some("avx512"), true);
        assert_eq!(capped, ["CKE_ISA=avx512 leaves AMX unused: unset it for full speed."]);
        let used = Host { features: vec!["avx512", "amx_int8"], unused_features: vec!["amx_bf16"], ..machine() };
        assert!(asked(&used).is_empty() && advice(&used, &threads(None), None, true).is_empty());
    }

    #[test]
    fn advice_debug_build_is_named() {
        assert!(advice(&machine(), &threads(None), None, false)[0].contains("--release"));
    }

    #[test]
    fn advice_fewer_threads_than_usable_are_named() {
        let lines = advice(&machine(), &threads(Some(2)), None, true);
        assert_eq!(lines, ["OMP_NUM_THREADS leaves 6 of 8 threads unused: unset it for full speed."]);
    }
}
