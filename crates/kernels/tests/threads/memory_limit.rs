//! Threads in a limited address space: a pool that works or a clean error, whatever the new thread finds missing.

use super::run_and_check;
use cke_kernels::Error;
use cke_kernels::threads::ThreadPool;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// KiB of address space that the child gets beyond what it has.
const ROOM: &str = "CKE_TEST_ADDRESS_SPACE";

const REFUSED: i32 = 3;

#[test]
fn child_in_a_limited_address_space() {
    let Some(room) = std::env::var(ROOM).ok().and_then(|kibibytes| kibibytes.parse::<u64>().ok()) else { return };
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: u64 = statm.split(' ').next().and_then(|word| word.parse().ok()).expect("the first word is the size");
    let bytes = pages * 4096 + room * 1024;
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: limits for this process alone, which is about to end, and hangs no longer than that.
    unsafe {
        libc::alarm(20);
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &limit), 0);
    }
    let code = match ThreadPool::new(3) {
        Ok(pool) => {
            run_and_check(&pool, 20);
            0
        }
        Err(Error::Thread { .. }) => REFUSED,
        Err(_) => 4,
    };
    std::process::exit(code);
}

fn pool_with_room(kibibytes: u64) -> ExitStatus {
    cke_testkit::program::this_program()
        .args(["--exact", "memory_limit::child_in_a_limited_address_space", "--nocapture", "--test-threads=1"])
        .env(ROOM, kibibytes.to_string())
        .output()
        .expect("the test starts again")
        .status
}

#[test]
fn pool_in_any_address_space_works_or_is_refused() {
    // Around one stack of 2 MiB, around two, and enough.
    let sizes = (2000..2400).step_by(8).chain((4400..4600).step_by(8)).chain([10 << 10, 300 << 10]);
    let (mut refused, mut made) = (0, 0);
    for kibibytes in sizes {
        let status = pool_with_room(kibibytes);
        match status.code() {
            Some(0) => made += 1,
            Some(REFUSED) => refused += 1,
            _ => panic!("{kibibytes} KiB: {status}, signal {:?}", status.signal()),
        }
    }
    assert!(refused > 0 && made > 0, "{refused} refused, {made} made");
}
