//! The card: who I am and how to reach me.
//!
//! In: the payload of a `card` record. Out: a card within its limits, or why not. Fields that a later
//! version adds are passed over, so that a card can grow (relays, further devices).
//!
//! Not here: the signature (see [`super::Record`]), whether the key package is a good one (the messenger's session checks it).

use crate::{
    codec::{self, DecodeError},
    id::{DeviceId, NodeId},
    limits,
    net::Address,
};
use serde::{Deserialize, Serialize};

/// Who I am and how to reach me: the payload of a `card` record. Signed by the node with the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Whose card. Equals the record's owner.
    pub node: NodeId,
    /// The device the key package is for.
    pub device: DeviceId,
    /// Last-resort MLS key package; at most [`limits::MAX_KEY_PACKAGE_BYTES`].
    pub key_package: serde_bytes::ByteBuf,
    /// Where the node can be reached, best first; at most [`limits::MAX_ADDRESSES`].
    pub addresses: Vec<Address>,
    /// Participation level, 1 to 4.
    pub level: u8,
    /// The X25519 key that strangers seal envelopes for, 32 bytes ([`crate::mailbox`]). `None` in cards of nodes without mailboxes.
    #[serde(default)]
    pub mailbox: Option<serde_bytes::ByteBuf>,
}

/// Why a payload is no card of its owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// Not the form of a card.
    #[error("not a card: {0}")]
    Form(#[from] DecodeError),
    /// Names another node than the one that signed it.
    #[error("the card names {named}, but {owner} signed it")]
    NotTheOwner {
        /// In the card.
        named: NodeId,
        /// Of the record.
        owner: NodeId,
    },
    /// The key package is too large.
    #[error("a key package of {got} bytes exceeds {}", limits::MAX_KEY_PACKAGE_BYTES)]
    KeyPackageTooLarge {
        /// Its size.
        got: usize,
    },
    /// Too many addresses.
    #[error("{got} addresses exceed {}", limits::MAX_ADDRESSES)]
    TooManyAddresses {
        /// How many.
        got: usize,
    },
    /// No such participation level.
    #[error("participation levels go from 1 to 4, not {got}")]
    NoSuchLevel {
        /// What it says.
        got: u8,
    },
    /// Not the length of a sealing key.
    #[error("a mailbox key has 32 bytes, not {got}")]
    BadMailboxKey {
        /// Its length.
        got: usize,
    },
}

impl Card {
    /// The payload of the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads the payload of a record that `owner` signed.
    ///
    /// # Errors
    /// [`CardError`] when it is no card, not the owner's, or beyond a limit.
    pub fn decode(payload: &[u8], owner: NodeId) -> Result<Self, CardError> {
        let card: Self = codec::decode(payload, limits::MAX_PAYLOAD_BYTES)?;
        if card.node != owner {
            return Err(CardError::NotTheOwner { named: card.node, owner });
        }
        card.check()?;
        Ok(card)
    }

    /// Whether it keeps to the limits.
    ///
    /// # Errors
    /// [`CardError`] naming the limit it exceeds.
    pub fn check(&self) -> Result<(), CardError> {
        if self.key_package.len() > limits::MAX_KEY_PACKAGE_BYTES {
            return Err(CardError::KeyPackageTooLarge { got: self.key_package.len() });
        }
        if self.addresses.len() > limits::MAX_ADDRESSES {
            return Err(CardError::TooManyAddresses { got: self.addresses.len() });
        }
        if !(1..=4).contains(&self.level) {
            return Err(CardError::NoSuchLevel { got: self.level });
        }
        match &self.mailbox {
            Some(key) if key.len() != 32 => Err(CardError::BadMailboxKey { got: key.len() }),
            Some(_) | None => Ok(()),
        }
    }

    /// The key that strangers seal envelopes for, if there is one.
    #[must_use]
    pub fn mailbox_key(&self) -> Option<[u8; 32]> {
        self.mailbox.as_ref().and_then(|key| key.as_slice().try_into().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWNER: NodeId = NodeId::from_bytes([1; 32]);

    fn address(n: usize) -> Address {
        Address::try_from(format!("/ip4/10.0.0.{n}/tcp/4001")).expect("an address")
    }

    fn card() -> Card {
        Card {
            node: OWNER,
            device: DeviceId::from_bytes([2; 16]),
            key_package: vec![3; 40].into(),
            addresses: vec![address(1)],
            level: 2,
            mailbox: Some(vec![4; 32].into()),
        }
    }

    #[test]
    fn a_card_reads_back_as_written() {
        assert_eq!(Card::decode(&card().encode(), OWNER), Ok(card()));
    }

    #[test]
    fn a_card_of_somebody_else_is_refused() {
        let other = NodeId::from_bytes([9; 32]);
        assert_eq!(
            Card::decode(&card().encode(), other),
            Err(CardError::NotTheOwner { named: OWNER, owner: other })
        );
    }

    #[test]
    fn a_card_beyond_its_limits_is_refused() {
        let mut fat = card();
        fat.key_package = vec![0; limits::MAX_KEY_PACKAGE_BYTES + 1].into();
        assert!(matches!(Card::decode(&fat.encode(), OWNER), Err(CardError::KeyPackageTooLarge { .. })));
        let mut many = card();
        many.addresses = (0..=limits::MAX_ADDRESSES).map(address).collect();
        assert!(matches!(Card::decode(&many.encode(), OWNER), Err(CardError::TooManyAddresses { .. })));
        for level in [0, 5] {
            let odd = Card { level, ..card() };
            assert_eq!(Card::decode(&odd.encode(), OWNER), Err(CardError::NoSuchLevel { got: level }));
        }
        let short = Card { mailbox: Some(vec![4; 31].into()), ..card() };
        assert_eq!(Card::decode(&short.encode(), OWNER), Err(CardError::BadMailboxKey { got: 31 }));
    }

    #[test]
    fn the_largest_card_fits_into_a_record() {
        let long = format!("/dns/{}", "a".repeat(limits::MAX_ADDRESS_BYTES - 5));
        let mut card = card();
        card.key_package = vec![0; limits::MAX_KEY_PACKAGE_BYTES].into();
        card.addresses = vec![Address::try_from(long).expect("an address"); limits::MAX_ADDRESSES];
        assert!(card.encode().len() <= limits::MAX_PAYLOAD_BYTES);
    }

    #[test]
    fn a_card_with_fields_of_a_later_version_is_understood() {
        #[derive(Serialize)]
        struct Later {
            node: NodeId,
            device: DeviceId,
            key_package: serde_bytes::ByteBuf,
            addresses: Vec<Address>,
            level: u8,
            mailbox: Option<serde_bytes::ByteBuf>,
            relays: Vec<u64>,
        }
        let Card { node, device, key_package, addresses, level, mailbox } = card();
        let later = Later { node, device, key_package, addresses, level, mailbox, relays: vec![1, 2, 3] };
        assert_eq!(Card::decode(&codec::encode(&later), OWNER), Ok(card()));
    }

    #[test]
    fn a_card_of_a_version_without_mailboxes_is_understood() {
        #[derive(Serialize)]
        struct Earlier {
            node: NodeId,
            device: DeviceId,
            key_package: serde_bytes::ByteBuf,
            addresses: Vec<Address>,
            level: u8,
        }
        let Card { node, device, key_package, addresses, level, .. } = card();
        let earlier = Earlier { node, device, key_package, addresses, level };
        let understood = Card::decode(&codec::encode(&earlier), OWNER);
        assert_eq!(understood, Ok(Card { mailbox: None, ..card() }));
    }

    proptest! {
        #[test]
        fn garbage_is_refused_and_never_panics(bytes: Vec<u8>) {
            prop_assert!(Card::decode(&bytes, OWNER).is_err());
        }
    }
}
