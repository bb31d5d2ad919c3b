//! Who this node is: the machine that knows the owner's name and answers `whoami`.
//!
//! In: questions and changes of the profile. Out: writes, answers, the profile for other machines.
//! Survives restart: the profile row. After a start the name is announced once, so that the others need not ask.
//!
//! Not here: the keys. They are a [`crate::crypto::sign::Signer`], handed out once at start.

use crate::{
    id::NodeId,
    kinds, limits,
    machine::{CallId, Machine, Status, Tick},
    time::{Mono, Now, UnixMillis},
};
use serde::{Deserialize, Serialize};

kinds! {
    /// What can happen to the identity machine.
    #[derive(Debug)]
    pub enum In {
        /// Its alarm went off.
        Tick,
        /// A person or script asks for something.
        Call {
            /// Who waits for the answer.
            call: CallId,
            /// What is asked.
            command: Command,
        },
    }
}

impl From<Tick> for In {
    fn from(_: Tick) -> Self {
        Self::Tick
    }
}

kinds! {
    /// What a person or script can ask for.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Command {
        /// Who is this?
        WhoAmI,
        /// Set how the owner calls themselves: contacts and those who are asked see it. An empty name removes it.
        SetName {
            /// As typed; [`plain_name`] says what is accepted.
            name: String,
        },
    }
}

/// The profile of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRow {
    /// Whose.
    pub account: NodeId,
    /// How they call themselves; empty until set.
    pub name: String,
    /// When the identity was first used in this data directory.
    pub since: UnixMillis,
}

/// Why a [`Command`] was not carried out. Worded for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Longer than a name may be.
    #[error("a name may be {} bytes at most", limits::MAX_NAME_BYTES)]
    NameTooLong,
    /// Holds a character that is not shown but acts on what is shown around it.
    #[error(
        "a name may not hold line breaks, control characters or marks that turn the direction of writing"
    )]
    NameNotPlain,
}

/// A name as it is kept: without spaces around it, short enough, and nothing in it that could move a cursor, break a line or
/// turn around what stands beside it on a screen.
///
/// # Errors
/// [`CommandError::NameTooLong`], [`CommandError::NameNotPlain`].
pub fn plain_name(typed: &str) -> Result<&str, CommandError> {
    let name = typed.trim();
    if name.len() > limits::MAX_NAME_BYTES {
        return Err(CommandError::NameTooLong);
    }
    // Bidirectional embeddings, overrides and isolates (Unicode Standard Annex 9) and the line and paragraph separators.
    let acts = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if name.contains(acts) {
        return Err(CommandError::NameNotPlain);
    }
    Ok(name)
}

/// What the identity machine wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Out {
    /// Write; once it is durable, perform `then`.
    Persist {
        /// The row.
        profile: ProfileRow,
        /// What follows.
        then: Vec<Out>,
    },
    /// Answer a caller: the profile as it is now.
    Reply {
        /// Who waits.
        call: CallId,
        /// The answer.
        result: Result<ProfileRow, CommandError>,
    },
    /// Other machines use this name from now on, and everybody who looks is told.
    Announce {
        /// The profile.
        profile: ProfileRow,
    },
}

/// The machine. Starts from its one row.
#[derive(Debug)]
pub struct Identity {
    profile: ProfileRow,
    announced: bool,
}

impl Identity {
    /// Starts from the stored profile.
    #[must_use]
    pub const fn new(profile: ProfileRow) -> Self {
        Self { profile, announced: false }
    }

    fn set_name(&mut self, call: CallId, name: &str, out: &mut Vec<Out>) {
        name.clone_into(&mut self.profile.name);
        let profile = self.profile.clone();
        let announce = Out::Announce { profile: profile.clone() };
        let reply = Out::Reply { call, result: Ok(profile.clone()) };
        out.push(Out::Persist { profile, then: vec![announce, reply] });
    }
}

impl Machine for Identity {
    type In = In;
    type Out = Out;

    fn handle(&mut self, _now: Now, input: In, out: &mut Vec<Out>) {
        match input {
            In::Tick => {
                if !self.announced {
                    self.announced = true;
                    out.push(Out::Announce { profile: self.profile.clone() });
                }
            }
            In::Call { call, command: Command::WhoAmI } => {
                out.push(Out::Reply { call, result: Ok(self.profile.clone()) });
            }
            In::Call { call, command: Command::SetName { name } } => match plain_name(&name) {
                Ok(name) => self.set_name(call, name, out),
                Err(error) => out.push(Out::Reply { call, result: Err(error) }),
            },
        }
    }

    /// At once after a start, so that the others learn the name; then never.
    fn next_deadline(&self) -> Option<Mono> {
        (!self.announced).then_some(Mono(0))
    }

    fn status(&self) -> Status {
        Status::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallId = CallId(7);

    fn profile(name: &str) -> ProfileRow {
        ProfileRow { account: NodeId::from_bytes([1; 32]), name: name.into(), since: UnixMillis(5) }
    }

    fn step(machine: &mut Identity, input: In) -> Vec<Out> {
        let mut out = Vec::new();
        machine.handle(Now::default(), input, &mut out);
        out
    }

    fn set_name(machine: &mut Identity, name: &str) -> Vec<Out> {
        step(machine, In::Call { call: CALL, command: Command::SetName { name: name.into() } })
    }

    fn refused(error: CommandError) -> Vec<Out> {
        vec![Out::Reply { call: CALL, result: Err(error) }]
    }

    #[test]
    fn the_profile_is_told_to_whoever_asks() {
        let mut machine = Identity::new(profile("Alice"));
        let out = step(&mut machine, In::Call { call: CALL, command: Command::WhoAmI });
        assert_eq!(out, [Out::Reply { call: CALL, result: Ok(profile("Alice")) }]);
    }

    #[test]
    fn a_name_is_announced_and_answered_only_once_it_is_durable() {
        let mut machine = Identity::new(profile(""));
        let out = set_name(&mut machine, "  Alice \n");
        let then = vec![
            Out::Announce { profile: profile("Alice") },
            Out::Reply { call: CALL, result: Ok(profile("Alice")) },
        ];
        assert_eq!(out, [Out::Persist { profile: profile("Alice"), then }]);
    }

    #[test]
    fn the_same_name_again_is_answered_only_once_it_is_durable() {
        // The first write of it may still be on its way.
        let mut machine = Identity::new(profile(""));
        let first = set_name(&mut machine, "Alice");
        assert_eq!(set_name(&mut machine, "Alice"), first);
    }

    #[test]
    fn a_name_can_be_removed() {
        let mut machine = Identity::new(profile("Alice"));
        assert!(
            matches!(&set_name(&mut machine, " ")[..], [Out::Persist { profile, .. }] if profile.name.is_empty())
        );
    }

    #[test]
    fn a_name_may_be_as_long_as_the_limit_and_no_longer() {
        let mut machine = Identity::new(profile("Alice"));
        let longest = "\u{e9}".repeat(limits::MAX_NAME_BYTES / 2);
        assert!(matches!(set_name(&mut machine, &longest)[..], [Out::Persist { .. }]));
        let longer = format!("{longest}e");
        assert_eq!(set_name(&mut machine, &longer), refused(CommandError::NameTooLong));
        let out = step(&mut machine, In::Call { call: CALL, command: Command::WhoAmI });
        assert_eq!(out, [Out::Reply { call: CALL, result: Ok(profile(&longest)) }]);
    }

    #[test]
    fn a_name_that_acts_on_the_screen_is_refused() {
        let mut machine = Identity::new(profile("Alice"));
        for name in
            ["Al\nice", "\u{1b}[2JAlice", "Al\u{202e}eci", "Al\u{2066}ice", "Al\u{2029}ice", "Al\0ice"]
        {
            assert_eq!(set_name(&mut machine, name), refused(CommandError::NameNotPlain), "{name:?}");
        }
        // A joiner inside a family of emoji is part of the picture.
        assert!(plain_name("Alice \u{1f469}\u{200d}\u{1f467} \u{627}\u{644}").is_ok());
    }

    #[test]
    fn the_name_is_announced_once_after_a_start() {
        let mut machine = Identity::new(profile("Alice"));
        assert_eq!(machine.next_deadline(), Some(Mono(0)));
        assert_eq!(step(&mut machine, In::Tick), [Out::Announce { profile: profile("Alice") }]);
        assert_eq!(step(&mut machine, In::Tick), []);
        assert_eq!(machine.next_deadline(), None);
    }
}
