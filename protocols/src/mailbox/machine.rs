//! Placeholder until the mailbox machine is merged: answers nothing.

use super::{In, Out, keys::MailboxKeys, rows::Snapshot};
use crate::{
    crypto::sign::Signer,
    machine::{Machine, Status},
    time::{Mono, Now},
};
use rand_chacha::ChaCha20Rng;

/// The mailbox machine. See the [module](super) for what goes in and out.
#[derive(Debug)]
pub struct Mailbox {
    share_bytes: u64,
}

impl Mailbox {
    /// Starts from what is stored.
    #[must_use]
    pub fn new(
        _keys: MailboxKeys,
        _signer: Signer,
        share_bytes: u64,
        _snapshot: Snapshot,
        _generation: u32,
        _rng: ChaCha20Rng,
        _now: Now,
    ) -> Self {
        Self { share_bytes }
    }
}

impl Machine for Mailbox {
    type In = In;
    type Out = Out;

    fn handle(&mut self, _now: Now, input: In, out: &mut Vec<Out>) {
        match input {
            In::Level { share_bytes, .. } => self.share_bytes = share_bytes,
            In::Call { call, command } => {
                let view = super::MailboxView { share_bytes: self.share_bytes, ..Default::default() };
                let result = match command {
                    super::Command::Show => Ok(super::Reply::Shown(Box::new(view))),
                    super::Command::Fetch => Err(super::CommandError::Alone),
                };
                out.push(Out::Reply { call, result });
            }
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        None
    }

    fn status(&self) -> Status {
        Status::default()
    }
}
