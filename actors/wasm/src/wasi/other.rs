//! Functions that are about no file: arguments, environment, clocks, waiting, randomness; and those that nobody gets.

#![expect(clippy::too_many_arguments, reason = "the standard decides what its functions take")]

use super::{
    State,
    abi::{Errno, Failure},
    guest::Guest,
    table::Opened,
};
use crate::engine::Stop;
use rustix::time::{ClockId, clock_getres, clock_gettime};
use std::time::Duration;

/// Filled with randomness at once, in bytes.
const RANDOM_BYTES: usize = 64 * 1024;

/// Most things that a program waits for at once: its open files and some clocks.
const MAX_SUBSCRIPTIONS: u32 = 128;

const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: usize = 32;

pub(super) fn args_sizes_get(
    state: &mut State,
    guest: &Guest<'_>,
    count: u32,
    bytes: u32,
) -> Result<(), Failure> {
    sizes(&state.arguments, guest, count, bytes)
}

pub(super) fn args_get(state: &mut State, guest: &Guest<'_>, to: u32, texts: u32) -> Result<(), Failure> {
    copy(&state.arguments, guest, to, texts)
}

pub(super) fn environ_sizes_get(
    state: &mut State,
    guest: &Guest<'_>,
    count: u32,
    bytes: u32,
) -> Result<(), Failure> {
    sizes(&state.environment, guest, count, bytes)
}

pub(super) fn environ_get(state: &mut State, guest: &Guest<'_>, to: u32, texts: u32) -> Result<(), Failure> {
    copy(&state.environment, guest, to, texts)
}

fn sizes(texts: &[Vec<u8>], guest: &Guest<'_>, count: u32, bytes: u32) -> Result<(), Failure> {
    let total: usize = texts.iter().map(Vec::len).sum();
    guest.write_u32(count, u32::try_from(texts.len()).map_err(|_| Errno::Overflow)?)?;
    guest.write_u32(bytes, u32::try_from(total).map_err(|_| Errno::Overflow)?)
}

fn copy(texts: &[Vec<u8>], guest: &Guest<'_>, mut to: u32, mut at: u32) -> Result<(), Failure> {
    for text in texts {
        guest.write_u32(to, at)?;
        guest.write(at, text)?;
        to = to.checked_add(4).ok_or(Errno::Fault)?;
        at = u32::try_from(text.len()).ok().and_then(|bytes| at.checked_add(bytes)).ok_or(Errno::Fault)?;
    }
    Ok(())
}

fn clock(number: u32) -> Result<ClockId, Failure> {
    match number {
        0 => Ok(ClockId::Realtime),
        1 => Ok(ClockId::Monotonic),
        2 => Ok(ClockId::ProcessCPUTime),
        3 => Ok(ClockId::ThreadCPUTime),
        _ => Err(Errno::Invalid.into()),
    }
}

/// What a clock shows, in nanoseconds. The steady one begins with the run: how long the machine is up is none of a program's business.
fn now(state: &State, number: u32) -> Result<u64, Failure> {
    let clock = clock(number)?;
    if matches!(clock, ClockId::Monotonic) {
        return u64::try_from(state.since.elapsed().as_nanos()).map_err(|_| Errno::Overflow.into());
    }
    nanoseconds(clock_gettime(clock))
}

fn nanoseconds(time: rustix::time::Timespec) -> Result<u64, Failure> {
    let seconds = u64::try_from(time.tv_sec).map_err(|_| Errno::Overflow)?;
    let rest = u64::try_from(time.tv_nsec).map_err(|_| Errno::Overflow)?;
    seconds.checked_mul(1_000_000_000).and_then(|all| all.checked_add(rest)).ok_or(Errno::Overflow.into())
}

pub(super) fn clock_time_get(
    state: &mut State,
    guest: &Guest<'_>,
    number: u32,
    _: u64,
    to: u32,
) -> Result<(), Failure> {
    guest.write_u64(to, now(state, number)?)
}

pub(super) fn clock_res_get(_: &mut State, guest: &Guest<'_>, number: u32, to: u32) -> Result<(), Failure> {
    guest.write_u64(to, nanoseconds(clock_getres(clock(number)?))?)
}

pub(super) fn random_get(_: &mut State, guest: &Guest<'_>, to: u32, bytes: u32) -> Result<(), Failure> {
    guest.check(to, bytes)?;
    let mut buffer = vec![0; RANDOM_BYTES.min(bytes as usize)];
    let mut done = 0;
    while done < bytes {
        let wanted = RANDOM_BYTES.min((bytes - done) as usize);
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        getrandom::fill(piece).map_err(|_| Errno::Io)?;
        guest.write(to + done, piece)?;
        done += u32::try_from(wanted).unwrap_or(0);
    }
    Ok(())
}

pub(super) fn sched_yield(_: &mut State, _: &Guest<'_>) -> Result<(), Failure> {
    std::thread::yield_now();
    Ok(())
}

pub(super) fn proc_raise(_: &mut State, _: &Guest<'_>, signal: u32) -> Result<(), Failure> {
    // As a shell tells an end by a signal.
    Err(Failure::Stop(Stop::Exit(128_u32.saturating_add(signal))))
}

pub(super) fn sock_accept(state: &mut State, _: &Guest<'_>, fd: u32, _: u32, _: u32) -> Result<(), Failure> {
    no_socket(state, fd)
}

pub(super) fn sock_recv(
    state: &mut State,
    _: &Guest<'_>,
    fd: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Result<(), Failure> {
    no_socket(state, fd)
}

pub(super) fn sock_send(
    state: &mut State,
    _: &Guest<'_>,
    fd: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Result<(), Failure> {
    no_socket(state, fd)
}

pub(super) fn sock_shutdown(state: &mut State, _: &Guest<'_>, fd: u32, _: u32) -> Result<(), Failure> {
    no_socket(state, fd)
}

fn no_socket(state: &State, fd: u32) -> Result<(), Failure> {
    state.table.get(fd)?;
    Err(Errno::NotSocket.into())
}

/// What a program waits for.
struct Subscription {
    mark: u64,
    kind: u8,
    what: Awaited,
}

enum Awaited {
    /// This long from now.
    Time(Duration),
    /// Until something can be read; by number.
    Reading(u32),
    /// Until something can be written, which is always.
    Writing(u32),
}

impl Subscription {
    fn read(state: &State, raw: &[u8; SUBSCRIPTION_BYTES as usize]) -> Result<Self, Failure> {
        let number = |at: usize| {
            raw.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
        };
        let (mark, kind) = (number(0), raw[8]);
        let low = u32::try_from(number(16) & 0xffff_ffff).unwrap_or(0);
        let what = match kind {
            0 => {
                let mut time = number(24);
                if number(40) & 1 == 1 {
                    time = time.saturating_sub(now(state, low)?);
                } else {
                    clock(low)?;
                }
                Awaited::Time(Duration::from_nanos(time))
            }
            1 => Awaited::Reading(low),
            2 => Awaited::Writing(low),
            _ => return Err(Errno::Invalid.into()),
        };
        Ok(Self { mark, kind, what })
    }

    fn wants_input(&self, state: &State) -> bool {
        matches!(self.what, Awaited::Reading(fd) if matches!(state.table.get(fd), Ok(Opened::Input)))
    }

    fn event(&self, errno: Errno, bytes: u64) -> [u8; EVENT_BYTES] {
        let mut event = [0; EVENT_BYTES];
        event[..8].copy_from_slice(&self.mark.to_le_bytes());
        event[8..10].copy_from_slice(&(errno as u16).to_le_bytes());
        event[10] = self.kind;
        event[16..24].copy_from_slice(&bytes.to_le_bytes());
        event
    }
}

pub(super) fn poll_oneoff(
    state: &mut State,
    guest: &Guest<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    happened: u32,
) -> Result<(), Failure> {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Invalid.into());
    }
    guest.check(happened, 4)?;
    let mut awaited = Vec::new();
    for index in 0..count {
        let mut raw = [0; SUBSCRIPTION_BYTES as usize];
        guest.read(subscriptions.checked_add(index * SUBSCRIPTION_BYTES).ok_or(Errno::Fault)?, &mut raw)?;
        awaited.push(Subscription::read(state, &raw)?);
    }
    let shortest = awaited.iter().filter_map(|one| match one.what {
        Awaited::Time(time) => Some(time),
        Awaited::Reading(_) | Awaited::Writing(_) => None,
    });
    let shortest = shortest.min();
    // Whoever polls without any patience, or always has something else that is ready, would otherwise never hear of it.
    if awaited.iter().any(|one| one.wants_input(state)) {
        state.take_arrived_input()?;
    }
    let mut ready = ready_at_once(state, &awaited);
    if ready.is_empty() {
        let wants_input = awaited.iter().any(|one| matches!(one.what, Awaited::Reading(_)));
        let arrived = if wants_input {
            state.channel.wait(shortest).map_err(|_| Failure::Stop(Stop::Gone))?
        } else {
            std::thread::sleep(shortest.unwrap_or_default());
            false
        };
        if arrived {
            state.await_input()?;
            ready = ready_at_once(state, &awaited);
        } else {
            let over =
                |one: &&Subscription| matches!(one.what, Awaited::Time(time) if Some(time) <= shortest);
            ready = awaited.iter().filter(over).map(|one| one.event(Errno::Success, 0)).collect();
        }
    }
    let mut at = events;
    for event in &ready {
        guest.write(at, event)?;
        at = at.checked_add(EVENT_BYTES as u32).ok_or(Errno::Fault)?;
    }
    guest.write_u32(happened, u32::try_from(ready.len()).unwrap_or(0))
}

/// Whatever needs no waiting.
fn ready_at_once(state: &State, awaited: &[Subscription]) -> Vec<[u8; EVENT_BYTES]> {
    let ready = awaited.iter().filter_map(|one| match one.what {
        Awaited::Time(time) => time.is_zero().then(|| one.event(Errno::Success, 0)),
        Awaited::Writing(fd) | Awaited::Reading(fd) => match (state.table.get(fd), &one.what) {
            (Err(_), _) => Some(one.event(Errno::BadFd, 0)),
            (Ok(Opened::Input), Awaited::Reading(_)) => {
                let some = !state.input.is_empty() || state.input_ended;
                some.then(|| one.event(Errno::Success, state.input.len() as u64))
            }
            (Ok(_), _) => Some(one.event(Errno::Success, 0)),
        },
    });
    ready.collect()
}
