//! An invitation as one line of text: `pc2:invite:<Base58 of CBOR>`.
//!
//! It names the inviting person, carries the secret by which they know whom they invited, and says where they were when it was
//! made, so that it works before any directory knows either side. Whoever holds it can use it once; it is meant for
//! one person, by whatever channel the two trust.
//!
//! Not here: making and consuming the secret ([`super::Command::Invite`], [`super::Command::AddContact`]), QR codes.

use crate::{
    codec,
    id::NodeId,
    limits,
    net::{Address, Peer},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What an invitation begins with.
pub const PREFIX: &str = "pc2:invite:";

/// Longest text of an invitation, in bytes. Twelve longest addresses and a longest name fit; a QR code
/// holds up to 2,953. Bounds the quadratic Base58 decoder.
pub const MAX_TEXT_BYTES: usize = 6 * 1024;

/// Longest secret, in bytes: two hashes.
const MAX_TOKEN_BYTES: usize = 64;

/// An invitation, valid in itself: every field is within its limits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// Who invites.
    did: NodeId,
    /// The secret.
    token: serde_bytes::ByteBuf,
    /// How they call themselves; may be empty.
    name: String,
    /// Where they were.
    addresses: Vec<Address>,
    /// Until when it can be used.
    expires: UnixMillis,
}

/// Why a text is no invitation, or none that can be used. Worded for the person who pasted it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// Something else was pasted.
    #[error("an invitation begins with \"{PREFIX}\"; this does not")]
    NotAnInvitation,
    /// Begins like one, but is cut, mistyped, or made by a later version.
    #[error("this invitation is damaged; copy it again from its beginning to its end, or ask for a new one")]
    Damaged,
    /// Too old.
    #[error("this invitation has expired; ask for a new one")]
    Expired,
}

impl Invitation {
    /// Puts an invitation together. More addresses than a node keeps are left out, a longer name is cut.
    #[must_use]
    pub fn new(inviter: Peer, name: &str, token: Vec<u8>, expires: UnixMillis) -> Self {
        let mut addresses = inviter.addresses;
        addresses.truncate(limits::MAX_ADDRESSES);
        let name = &name[..name.floor_char_boundary(limits::MAX_NAME_BYTES)];
        Self { did: inviter.node, token: token.into(), name: name.to_owned(), addresses, expires }
    }

    /// Who invites.
    #[must_use]
    pub const fn inviter(&self) -> NodeId {
        self.did
    }

    /// How they call themselves; may be empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The secret by which they know whom they invited.
    #[must_use]
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// Where they were when they made it. A hint.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The same invitation, if it can still be used. Their clock made it and ours reads it, so it gets the usual tolerance.
    ///
    /// # Errors
    /// [`InvitationError::Expired`].
    pub fn usable(self, now: UnixMillis) -> Result<Self, InvitationError> {
        let ended = self.expires.after(limits::CLOCK_TOLERANCE) < now;
        if ended { Err(InvitationError::Expired) } else { Ok(self) }
    }

    fn within_limits(&self) -> bool {
        (1..=MAX_TOKEN_BYTES).contains(&self.token.len())
            && self.name.len() <= limits::MAX_NAME_BYTES
            && self.addresses.len() <= limits::MAX_ADDRESSES
            && self.did.did().to_string().parse::<crate::id::Did>().is_ok()
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", bs58::encode(codec::encode(self)).into_string())
    }
}

/// The secret stays out of logs.
impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({})", self.did.short())
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    /// Reads what a person pasted; line breaks and spaces that mail programs put into long lines are ignored.
    fn from_str(text: &str) -> Result<Self, InvitationError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvitationError::Damaged);
        }
        let text: String = text.split_whitespace().collect();
        let code = text.strip_prefix(PREFIX).ok_or(InvitationError::NotAnInvitation)?;
        let bytes = bs58::decode(code).into_vec().map_err(|_| InvitationError::Damaged)?;
        let invitation: Self = codec::decode(&bytes, MAX_TEXT_BYTES).map_err(|_| InvitationError::Damaged)?;
        if invitation.within_limits() { Ok(invitation) } else { Err(InvitationError::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// RFC 8032 test 1 public key.
    const KEY: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
        0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ];
    const EXPIRES: UnixMillis = UnixMillis(1_800_000_000_000);

    fn address(text: &str) -> Address {
        Address::try_from(text.to_owned()).expect("an address")
    }

    fn invitation() -> Invitation {
        let peer =
            Peer { node: NodeId::from_bytes(KEY), addresses: vec![address("/ip4/192.0.2.1/tcp/4100")] };
        Invitation::new(peer, "Alice", vec![7; 32], EXPIRES)
    }

    #[test]
    fn an_invitation_reads_back_as_written() {
        let text = invitation().to_string();
        assert_eq!(text.parse(), Ok(invitation()));
        let (start, end) = text.split_at(40);
        assert_eq!(format!("  {start}\r\n {end}\n").parse(), Ok(invitation()));
    }

    #[test]
    fn a_damaged_invitation_is_told_from_something_else() {
        let text = invitation().to_string();
        assert_eq!("hello".parse::<Invitation>(), Err(InvitationError::NotAnInvitation));
        assert_eq!(text[..text.len() - 3].parse::<Invitation>(), Err(InvitationError::Damaged));
        assert_eq!(format!("{text}0").parse::<Invitation>(), Err(InvitationError::Damaged));
        assert_eq!(PREFIX.parse::<Invitation>(), Err(InvitationError::Damaged));
        let endless = format!("{PREFIX}{}", "z".repeat(1_000_000));
        assert_eq!(endless.parse::<Invitation>(), Err(InvitationError::Damaged));
    }

    #[test]
    fn an_invitation_over_a_limit_is_refused() {
        let over = |change: fn(&mut Invitation)| {
            let mut wrong = invitation();
            change(&mut wrong);
            wrong.to_string().parse::<Invitation>()
        };
        assert_eq!(over(|it| it.token = Vec::new().into()), Err(InvitationError::Damaged));
        assert_eq!(over(|it| it.token = vec![1; MAX_TOKEN_BYTES + 1].into()), Err(InvitationError::Damaged));
        assert_eq!(
            over(|it| it.name = "n".repeat(limits::MAX_NAME_BYTES + 1)),
            Err(InvitationError::Damaged)
        );
        assert_eq!(over(|it| it.did = NodeId::from_bytes([2; 32])), Err(InvitationError::Damaged));
        assert_eq!(
            over(|it| it.addresses = vec![address("/ip4/192.0.2.1/tcp/1"); limits::MAX_ADDRESSES + 1]),
            Err(InvitationError::Damaged)
        );
    }

    #[test]
    fn the_fullest_invitation_fits() {
        let longest = format!("/{}", "a".repeat(limits::MAX_ADDRESS_BYTES - 1));
        let peer = Peer { node: NodeId::from_bytes(KEY), addresses: vec![address(&longest); 40] };
        let fullest =
            Invitation::new(peer, &"é".repeat(limits::MAX_NAME_BYTES), vec![1; MAX_TOKEN_BYTES], EXPIRES);
        assert_eq!(fullest.to_string().parse(), Ok(fullest));
    }

    #[test]
    fn an_old_invitation_is_refused_after_the_tolerance_of_clocks() {
        let late = EXPIRES.after(limits::CLOCK_TOLERANCE);
        assert_eq!(invitation().usable(late), Ok(invitation()));
        assert_eq!(invitation().usable(late.after(Duration::from_millis(1))), Err(InvitationError::Expired));
    }

    #[test]
    fn the_secret_is_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", invitation()), "Invitation(FVen3X66)");
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text: String, bytes: Vec<u8>) {
            prop_assert!(text.parse::<Invitation>().is_err());
            let coded = format!("{PREFIX}{}", bs58::encode(&bytes).into_string());
            prop_assert!(coded.parse::<Invitation>().is_err());
        }
    }
}
