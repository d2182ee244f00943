use super::*;
use tempfile::TempDir;

/// A root directory with these files.
pub(crate) fn system(files: &[(&str, &str)]) -> (TempDir, SystemFiles) {
    let root = tempfile::tempdir().expect("a temporary directory");
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a path with a directory")).expect("a new directory");
        fs::write(path, text).expect("a new file");
    }
    let files = SystemFiles::new(root.path());
    (root, files)
}

fn cpu() -> &'static Cpu {
    Cpu::host().expect("the environment names no bad ISA")
}

#[test]
fn host_of_this_machine_has_threads_and_prints() {
    let host = Host::detect(cpu());
    assert!(host.usable_threads >= 1);
    assert!(host.table().to_markdown().contains("usable threads"));
}

#[test]
fn host_without_any_file_prints_unknown() {
    let (_root, files) = system(&[]);
    let host = Host::read(cpu(), &files);
    let nothing_told = [host.os, host.kernel, host.huge_pages].iter().all(Option::is_none)
        && [host.memory_total_bytes, host.memory_available_bytes, host.last_level_cache_bytes]
            .iter()
            .all(Option::is_none)
        && [host.online_cpus, host.allowed_cpus].iter().all(Option::is_none)
        && [host.cpu_quota, host.frequency_mhz].iter().all(Option::is_none);
    assert!(nothing_told);
    assert!(Host::read(cpu(), &files).table().to_markdown().contains("unknown"));
}

#[test]
fn host_full_set_of_files_is_read() {
    let (_root, files) = system(&[
        ("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\n"),
        ("proc/self/status", "Name:\tcke\nCpus_allowed:\tff\nCpus_allowed_list:\t0-3,8\n"),
        ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\ncpu MHz\t\t: 2596.098\n"),
        ("proc/sys/kernel/ostype", "Linux\n"),
        ("proc/sys/kernel/osrelease", "6.1.0\n"),
        ("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"),
        ("sys/devices/system/cpu/online", "0-15\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ]);
    let host = Host::read(cpu(), &files);
    assert_eq!((host.memory_total_bytes, host.memory_available_bytes), (Some(16 << 20), Some(8 << 20)));
    assert_eq!((host.online_cpus, host.allowed_cpus), (Some(16), Some(5)));
    assert_eq!(host.frequency_mhz, Some(2596.098));
    assert_eq!(files.cpu_model().as_deref(), Some("Some CPU"));
    assert_eq!(host.os.as_deref(), Some("Debian GNU/Linux 12"));
    assert_eq!(host.kernel.as_deref(), Some("Linux 6.1.0"));
    assert_eq!(host.huge_pages.as_deref(), Some("madvise"));
}

#[test]
fn host_malformed_files_give_no_facts() {
    let (_root, files) = system(&[
        ("proc/meminfo", "MemTotal: many kB\nMemAvailable: 99999999999999999999 kB\n"),
        ("proc/self/status", "Cpus_allowed_list:\t3-0,x\n"),
        ("proc/cpuinfo", "cpu MHz\t: fast\n"),
        ("proc/self/cgroup", "garbage\n0:\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always\n"),
        ("sys/devices/system/cpu/cpu0/cache/index3/level", "3\n"),
    ]);
    let host = Host::read(cpu(), &files);
    assert_eq!((host.memory_total_bytes, host.memory_available_bytes), (None, None));
    assert_eq!((host.allowed_cpus, host.frequency_mhz, host.huge_pages), (None, None, None));
    assert_eq!((host.cpu_quota, host.last_level_cache_bytes), (None, None));
}

#[test]
fn frequency_of_cpufreq_comes_before_cpuinfo() {
    let (_root, files) = system(&[
        ("proc/cpuinfo", "cpu MHz\t: 2596.098\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "3700000\n"),
    ]);
    assert_eq!(files.frequency_mhz(), Some(3700.0));
}

#[test]
fn last_level_caches_two_instances_count_once_each() {
    let mut listing = Vec::new();
    for (cpu, sharers) in [(0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3")] {
        let own = cpu.to_string();
        for (index, level, sharers, size) in [(2, "2", own.as_str(), "1024K"), (3, "3", sharers, "32M")] {
            let directory = format!("sys/devices/system/cpu/cpu{cpu}/cache/index{index}");
            listing.push((format!("{directory}/level"), level.to_owned()));
            listing.push((format!("{directory}/shared_cpu_list"), sharers.to_owned()));
            listing.push((format!("{directory}/size"), size.to_owned()));
        }
    }
    let listing: Vec<(&str, &str)> = listing.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (_root, files) = system(&listing);
    assert_eq!(files.last_level_caches(), Some(64 << 20));
}

#[test]
fn cpu_list_length_counts_ranges() {
    let cases = [("0", Some(1)), ("0-3,8,10-11", Some(7)), ("", None), ("3-1", None), ("a", None)];
    for (list, expected) in cases {
        assert_eq!(cpu_list_length(list), expected, "{list:?}");
    }
    assert_eq!(cpu_list_length(&format!("0-{}", usize::MAX)), None);
}

#[test]
fn cache_size_reads_every_unit() {
    let cases = [("48K", Some(49_152)), ("32M", Some(32 << 20)), ("1G", Some(1 << 30)), ("7", Some(7)), ("K", None)];
    for (text, expected) in cases {
        assert_eq!(cache_size(text), expected, "{text:?}");
    }
    assert_eq!(cache_size("48KK"), None);
}

#[cfg(target_os = "linux")]
#[test]
fn peak_resident_is_at_least_resident() {
    let (now, peak) = (resident_bytes().expect("VmRSS"), peak_resident_bytes().expect("VmHWM"));
    assert!(now > 0 && peak > 0);
}
