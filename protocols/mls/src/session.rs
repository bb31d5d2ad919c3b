//! One session: an MLS group of this device and one of the peer's.
//!
//! Everything that arrives is bounded and judged by its clear parts (group, epoch, kind) before OpenMLS decrypts it. A call that
//! fails after OpenMLS wrote something goes back to where it began: the store is undone and the group loaded anew.

use super::{DeviceKey, Tools, credential, read_exactly};
use openmls::prelude::{
    ContentType, GroupId, LeafNodeIndex, LeafNodeParameters, Member, MlsGroup, MlsMessageIn,
    ProcessedMessage, ProcessedMessageContent, ProtocolMessage, Sender, StagedCommit,
};
use pc2_protocols::{
    id::{NodeId, SessionId},
    limits,
    messenger::session::{CryptoSession, Refreshed, SessionError, StoreChange, committer},
};
use std::{fmt, sync::Arc};

/// The epoch in which a session begins: adding the peer ended epoch 0.
pub(super) const FIRST_EPOCH: u64 = 1;

/// A running session.
pub struct MlsSession {
    id: SessionId,
    peer: NodeId,
    key: Arc<DeviceKey>,
    tools: Tools,
    group: MlsGroup,
}

impl MlsSession {
    /// Takes over a group, made, joined or loaded.
    ///
    /// # Errors
    /// [`SessionError::BadKeyMaterial`] when it is not a group of this device and one of the peer's.
    pub(super) fn new(
        id: SessionId,
        peer: NodeId,
        key: Arc<DeviceKey>,
        tools: Tools,
        group: MlsGroup,
    ) -> Result<Self, SessionError> {
        let session = Self { id, peer, key, tools, group };
        session.check()?;
        Ok(session)
    }

    /// Whether the group is what a session has to be.
    fn check(&self) -> Result<(), SessionError> {
        let own = self.group.own_leaf_index();
        let (mine, theirs): (Vec<Member>, Vec<Member>) =
            self.group.members().partition(|member| member.index == own);
        let ([mine], [theirs]) = (mine.as_slice(), theirs.as_slice()) else {
            return Err(credential::bad("not a session of two"));
        };
        if self.group.group_id().as_slice() != self.id.as_bytes() || !self.group.is_active() {
            return Err(credential::bad("not the session it should be"));
        }
        if mine.signature_key != self.key.public() {
            return Err(credential::bad("not a session of this device"));
        }
        credential::member(&theirs.credential, &theirs.signature_key, self.peer)?;
        Ok(())
    }

    fn epoch(&self) -> u64 {
        self.group.epoch().as_u64()
    }

    /// Does something with the group; if it fails, everything is as before.
    fn attempt<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        self.tools.store.begin();
        let result = step(self);
        if result.is_err() && self.tools.store.undo() {
            let id = GroupId::from_slice(self.id.as_bytes());
            let group = MlsGroup::load(&self.tools.store, &id).map_err(|error| internal(&error))?;
            self.group =
                group.ok_or_else(|| SessionError::Internal { reason: "state is gone".to_owned() })?;
        }
        result
    }

    /// Reads a message of this session, of the kind that is expected, and not of a future epoch.
    fn read(&self, bytes: &[u8], max: usize, kind: ContentType) -> Result<ProtocolMessage, SessionError> {
        if bytes.len() > max {
            return Err(unreadable("larger than it may be"));
        }
        let message = read_exactly::<MlsMessageIn>(bytes).map_err(|error| failed(&error))?;
        let message = message.try_into_protocol_message().map_err(|error| failed(&error))?;
        if !matches!(message, ProtocolMessage::PrivateMessage(_)) || message.content_type() != kind {
            return Err(unreadable("not the kind of message expected here"));
        }
        if message.group_id().as_slice() != self.id.as_bytes() {
            return Err(unreadable("of another session"));
        }
        if message.epoch() > self.group.epoch() {
            return Err(unreadable("of an epoch not reached yet"));
        }
        Ok(message)
    }

    /// Lets OpenMLS open a message, and checks that the peer made it.
    fn process(&mut self, message: ProtocolMessage) -> Result<ProcessedMessage, SessionError> {
        let processed = self.group.process_message(&self.tools, message).map_err(|error| failed(&error))?;
        match processed.sender() {
            Sender::Member(index) if *index != self.group.own_leaf_index() => Ok(processed),
            _ => Err(unreadable("not from the peer")),
        }
    }

    /// Whether a commit renews the keys of its sender and does nothing else.
    fn is_refresh(&self, commit: &StagedCommit, sender: LeafNodeIndex) -> bool {
        let member = self.group.members().find(|member| member.index == sender);
        let (Some(leaf), Some(member)) = (commit.update_path_leaf_node(), member) else { return false };
        commit.queued_proposals().next().is_none()
            && *leaf.credential() == member.credential
            && leaf.signature_key().as_slice() == member.signature_key
    }
}

impl fmt::Debug for MlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MlsSession({} with {}, epoch {})", self.id.short(), self.peer.short(), self.epoch())
    }
}

impl CryptoSession for MlsSession {
    fn id(&self) -> SessionId {
        self.id
    }

    fn encrypt(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, SessionError> {
        self.attempt(|session| {
            let message = session
                .group
                .create_message(&session.tools, &*session.key, plaintext)
                .map_err(|error| internal(&error))?;
            message.to_bytes().map_err(|error| internal(&error))
        })
    }

    fn decrypt(&mut self, sealed: &[u8]) -> Result<Vec<u8>, SessionError> {
        self.attempt(|session| {
            let message = session.read(sealed, limits::MAX_SEALED_BYTES, ContentType::Application)?;
            match session.process(message)?.into_content() {
                ProcessedMessageContent::ApplicationMessage(message) => Ok(message.into_bytes()),
                _ => Err(unreadable("not a message")),
            }
        })
    }

    fn our_turn(&self) -> bool {
        committer(self.epoch(), self.key.node(), self.peer) == self.key.node()
    }

    fn refresh(&mut self) -> Result<Refreshed, SessionError> {
        if !self.our_turn() {
            return Err(SessionError::OutOfTurn);
        }
        let epoch = self.epoch();
        self.attempt(|session| {
            let bundle = session
                .group
                .self_update(&session.tools, &*session.key, LeafNodeParameters::default())
                .map_err(|error| internal(&error))?;
            let commit = bundle.into_commit().to_bytes().map_err(|error| internal(&error))?;
            session.group.merge_pending_commit(&session.tools).map_err(|error| internal(&error))?;
            Ok(Refreshed { epoch, commit })
        })
    }

    fn apply_refresh(&mut self, epoch: u64, commit: &[u8]) -> Result<(), SessionError> {
        let current = self.epoch();
        if epoch < current {
            return Err(SessionError::AlreadyApplied { epoch });
        }
        if epoch > current || self.our_turn() {
            return Err(SessionError::OutOfTurn);
        }
        self.attempt(|session| {
            let message = session.read(commit, limits::MAX_COMMIT_BYTES, ContentType::Commit)?;
            if message.epoch() != session.group.epoch() {
                return Err(unreadable("a refresh of another epoch"));
            }
            let processed = session.process(message)?;
            let sender = processed.sender().clone();
            match (sender, processed.into_content()) {
                (Sender::Member(sender), ProcessedMessageContent::StagedCommitMessage(commit))
                    if session.is_refresh(&commit, sender) =>
                {
                    let merged = session.group.merge_staged_commit(&session.tools, *commit);
                    merged.map_err(|error| internal(&error))
                }
                _ => Err(unreadable("does more than to renew keys")),
            }
        })
    }

    fn take_changes(&mut self) -> Vec<StoreChange> {
        self.tools.store.take_changes()
    }
}

fn unreadable(reason: &str) -> SessionError {
    SessionError::Unreadable { reason: reason.to_owned() }
}

fn failed(error: &impl std::error::Error) -> SessionError {
    SessionError::Unreadable { reason: error.to_string() }
}

fn internal(error: &impl std::error::Error) -> SessionError {
    SessionError::Internal { reason: error.to_string() }
}

#[cfg(test)]
mod tests;
