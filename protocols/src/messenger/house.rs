//! What is done every now and then: what is old is let go, what is lost is given up, what runs out is renewed.
//!
//! In: the first tick of a life, and one each [`limits::HOUSEKEEPING`]. Not here: when a single person or message is due ([`super::machine`],
//! [`super::timers`]).

use super::{
    Out,
    machine::{Messenger, Pending},
    rows::Change,
    session::CryptoProvider,
    step::Step,
};
use crate::{
    limits,
    net::{NetCommand, NetError, Peer},
};

impl<P: CryptoProvider> Messenger<P> {
    /// At the first tick of a life, and every now and then.
    pub(super) fn keep_house(&mut self, step: &mut Step) {
        if self.kept_connected.is_none() {
            step.write(Change::PutDevice(self.device.clone()));
            step.roster_changed = true;
            for (peer, thread) in &self.threads {
                step.touch(*peer);
                let addresses = thread.contact.as_ref().map(|contact| contact.addresses.clone());
                if let Some(addresses) = addresses.filter(|addresses| !addresses.is_empty()) {
                    step.after(Out::Net(NetCommand::Learn { peer: Peer { node: *peer, addresses } }));
                }
            }
        }
        self.housekeeping_at = step.now.mono.after(limits::HOUSEKEEPING);
        self.drop_expired_invitations(step);
        self.give_up_old(step);
        self.fail_lost_questions(step);
        self.keep_post(step);
        self.forget_postponed(step);
        // Should storage have failed to answer about them.
        step.timers_began = true;
        if let Ok(key_package) = self.provider.key_package(step.now.unix) {
            let (device, mailbox) = (self.device.device, Some(self.mailbox.intro_sealing()));
            step.after(Out::OfferKeyPackage { device, key_package, mailbox });
        }
    }

    /// A question that is open since before the last housekeeping will not be answered any more: whatever it held up goes on.
    fn fail_lost_questions(&mut self, step: &mut Step) {
        for op in std::mem::take(&mut self.asked_long_ago) {
            match self.pending.get(&op) {
                Some(Pending::Deliver { .. } | Pending::Repair { .. } | Pending::Presence { .. }) => {
                    self.answered(op, Err(NetError::TimedOut), step);
                }
                Some(Pending::LoadExpired) => {
                    self.pending.remove(&op);
                    self.forget_asked();
                }
                // These have a patience of their own, or nobody waits for them any more.
                Some(Pending::Resolve { .. } | Pending::LoadForRepair { .. } | Pending::LoadSent { .. }) => {
                    self.pending.remove(&op);
                }
                None => {}
            }
        }
        self.asked_long_ago = self.pending.keys().copied().collect();
    }
}
