//! Whether anybody has done anything with an identity yet: asked before its place is given to another one.
//!
//! What a node writes by itself does not count: its device, its card, the profile, what it lends, the routing table, who signed in, what it holds for
//! others. Everything a person or a peer began does, whatever became of it; a table that is not named here counts.

use crate::{
    cell::ReadError,
    reader::Reader,
    table::AnyTable,
    tables::{self, ALL},
};
use pc2_protocols::{id::NodeId, record::card_key};

/// Tables in which a node has rows that nobody asked for.
static BY_ITSELF: &[&dyn AnyTable] = &[
    &tables::DEVICES,
    &tables::SESSION_VALUES,
    &tables::HELD,
    &tables::PROFILES,
    &tables::WEB_SESSIONS,
    &tables::ROUTING,
    &tables::ENVELOPES,
    &tables::TOMBSTONES,
    &tables::CONTRIBUTION,
    &tables::RATES,
    &tables::CHAT_SETTINGS,
    &tables::SECURITY,
];

impl Reader {
    /// Whether this identity was not used for anything: no contact and nobody who asked, no message, invitation, file, value, key or wallet.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn untouched(&self, account: NodeId) -> Result<bool, ReadError> {
        self.read(|opened| {
            let by_itself = |tag: u8| BY_ITSELF.iter().any(|table| table.tag() == tag);
            for table in ALL.iter().filter(|table| !by_itself(table.tag())) {
                for key in opened.tree.scan_prefix([table.tag()]).keys() {
                    let key = key?;
                    let own_card = table.tag() == tables::PUBLISHED.tag()
                        && key.get(1..) == Some(card_key(account).as_bytes().as_slice());
                    if !own_card {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        })
    }
}
