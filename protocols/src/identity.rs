//! Who this node is: the machine that knows the owner's name and answers `whoami`.
//!
//! In: questions and changes of the profile. Out: writes, answers, the profile for other machines.
//! The keys are not here: they are a [`crate::crypto::sign::Signer`], handed out once at start.

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
        /// Set how the owner calls themselves: contacts and those who are asked see it.
        SetName {
            /// At most [`limits::MAX_NAME_BYTES`].
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
}

/// What the identity machine wants done.
#[derive(Debug)]
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
            In::Call { call, command: Command::SetName { name } } => {
                let name = name.trim();
                if name.len() > limits::MAX_NAME_BYTES {
                    out.push(Out::Reply { call, result: Err(CommandError::NameTooLong) });
                    return;
                }
                name.clone_into(&mut self.profile.name);
                let profile = self.profile.clone();
                out.push(Out::Persist {
                    profile: profile.clone(),
                    then: vec![
                        Out::Announce { profile: profile.clone() },
                        Out::Reply { call, result: Ok(profile) },
                    ],
                });
            }
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
