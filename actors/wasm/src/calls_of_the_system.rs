//! Which calls of the system a runner may still make once it has locked itself in.
//!
//! Three filters, of which the strictest answer counts. The first lets through what the engine and the job need, some of it only with certain arguments,
//! and refuses all else with an error. The second kills the process for what only an attacker asks for: so an attempt ends there, and is seen. The third
//! tells the C library that `clone3` does not exist, whose arguments a filter cannot see; it then uses `clone`, whose arguments can be seen.
//!
//! Not here: paths and folders, which a filter cannot see either (landlock, and `openat2` with `RESOLVE_BENEATH`).

use crate::sandbox::Cell;
use pc2_protocols::wasm::wire::Access;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Needed by every job: memory, time, threads that are there, the socket.
const ALWAYS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_pread64,
    libc::SYS_ppoll,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_restart_syscall,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// On x86 only: older forms of calls above.
#[cfg(target_arch = "x86_64")]
const OF_THE_PROCESSOR: &[i64] = &[libc::SYS_poll, libc::SYS_arch_prctl];
#[cfg(not(target_arch = "x86_64"))]
const OF_THE_PROCESSOR: &[i64] = &[];

/// With a folder to read. Whatever opens goes through `openat2`.
const READING: &[i64] = &[libc::SYS_openat2, libc::SYS_getdents64, libc::SYS_readlinkat];

/// With a folder to write.
const WRITING: &[i64] = &[
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_symlinkat,
];

/// Nobody but an attacker asks for these.
const DEADLY: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_memfd_create,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
];

/// Puts the filters up, for all threads that there are.
pub(crate) fn restrict(cell: &Cell<'_>) -> Result<(), seccompiler::Error> {
    let no_clone3 = BTreeMap::from([(libc::SYS_clone3, vec![])]);
    let deadly = DEADLY.iter().map(|call| (*call, vec![])).collect();
    // The one that refuses most comes last: it would refuse the others.
    apply(no_clone3, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()))?;
    apply(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?;
    apply(allowed(cell)?, SeccompAction::Errno(libc::EPERM.unsigned_abs()), SeccompAction::Allow)
}

fn apply(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<(), seccompiler::Error> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, matched, target)?.try_into()?;
    seccompiler::apply_filter_all_threads(&program)
}

fn allowed(cell: &Cell<'_>) -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = ALWAYS.iter().chain(OF_THE_PROCESSOR).map(|call| (*call, vec![])).collect();
    // The other filters decide.
    rules.extend(DEADLY.iter().chain([&libc::SYS_clone3]).map(|call| (*call, vec![])));
    // A process may end itself with a signal, and nobody else.
    let own = i64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, own.unsigned_abs())?]);
    // Memory of its own only, and none that grows by itself: of other memory `RLIMIT_DATA` counts nothing.
    let kinds = (libc::MAP_TYPE | libc::MAP_GROWSDOWN).unsigned_abs();
    let own_memory = SeccompCmpOp::MaskedEq(u64::from(kinds));
    rules.insert(libc::SYS_mmap, vec![when(3, own_memory, u64::from(libc::MAP_PRIVATE.unsigned_abs()))?]);
    // Names of threads.
    let set_name = libc::PR_SET_NAME.unsigned_abs();
    rules.insert(libc::SYS_prctl, vec![when(0, SeccompCmpOp::Eq, u64::from(set_name))?]);
    match cell {
        Cell::Compiling => {
            let thread = libc::CLONE_THREAD.unsigned_abs();
            let threads = SeccompCmpOp::MaskedEq(u64::from(thread));
            rules.insert(libc::SYS_clone, vec![when(0, threads, u64::from(thread))?]);
            rules.insert(libc::SYS_pwrite64, vec![]);
        }
        Cell::Calling { .. } | Cell::Program { folder: None, .. } => {}
        Cell::Program { folder: Some((_, access)), .. } => {
            rules.extend(READING.iter().map(|call| (*call, vec![])));
            if *access == Access::ReadWrite {
                rules.extend(WRITING.iter().map(|call| (*call, vec![])));
                // Of an open file only, never by path: that landlock would not see.
                rules.insert(libc::SYS_utimensat, vec![when(1, SeccompCmpOp::Eq, 0)?]);
            }
            // Whether what is written goes to the end.
            let set_flags = u64::from(libc::F_SETFL.unsigned_abs());
            rules.insert(libc::SYS_fcntl, vec![when(1, SeccompCmpOp::Eq, set_flags)?]);
        }
    }
    Ok(rules)
}

fn when(argument: u8, compare: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, compare, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}
