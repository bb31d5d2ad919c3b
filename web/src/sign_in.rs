//! Signing in with a wallet: what the node asks it to sign, once.
//!
//! The node makes the text (EIP-4361) and keeps it, so nobody's text has to be read: a signature counts for exactly the
//! bytes that were handed out. The text names the node by its DID, and the name under which it was addressed; a signature that somebody
//! captures at another name or another node fits nothing here. Each is good once, for five minutes; the oldest makes room.
//!
//! [`Pace`] bounds how often one machine may try. Both are forgotten by a restart: whoever was about to sign in begins again.

use crate::{
    secret::{NoRandomness, Secret, SecretHash},
    wallet::Address,
};
use pc2_protocols::time::UnixMillis;
use std::{collections::BTreeMap, net::IpAddr, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// How long a text can be signed: time to find the wallet, unlock it and read.
pub(crate) const NONCE_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Most texts that wait for their signature: each is half a kilobyte, and at [`PACE`] it takes one machine minutes to push out
/// somebody else's.
const MAX_NONCES: usize = 512;

/// One try each, once [`BURST`] is used up.
const PACE: Duration = Duration::from_millis(500);

/// Tries at once: a person needs three, and a page that is reloaded a few more; tests make 100 at once.
const BURST: u32 = 128;

/// Machines whose pace is known, at most. The one that tried longest ago makes room.
const MAX_MACHINES: usize = 1_024;

/// Who wants to sign in, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// With which wallet.
    pub(crate) address: Address,
    /// The chain that the wallet is set to. Keys sign the same on all of them.
    pub(crate) chain: u64,
    /// The name by which the node was addressed, with its port.
    pub(crate) host: String,
    /// `https`, behind something that speaks it for us.
    pub(crate) secure: bool,
}

/// A text that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Who has to sign it.
    pub(crate) address: Address,
    /// What.
    pub(crate) text: String,
    /// Until when.
    pub(crate) expires: UnixMillis,
    /// The chain that is named in it.
    pub(crate) chain: u64,
    host: String,
}

/// Texts that wait for their signature.
#[derive(Debug, Default)]
pub(crate) struct Nonces(BTreeMap<SecretHash, Asked>);

impl Nonces {
    /// Makes a text for a wallet to sign, and says which one it is.
    ///
    /// # Errors
    /// Without randomness.
    pub(crate) fn ask(
        &mut self,
        wish: Wish,
        did: &str,
        now: UnixMillis,
    ) -> Result<(Secret, Asked), NoRandomness> {
        let nonce = Secret::draw()?;
        let expires = now.after(NONCE_LIFETIME);
        let text = text(&wish, did, &nonce.text(), now, expires);
        let asked = Asked { address: wish.address, text, expires, chain: wish.chain, host: wish.host };
        self.0.retain(|_, asked| asked.is_good(now));
        if self.0.len() >= MAX_NONCES {
            let oldest = self.0.iter().min_by_key(|(_, asked)| asked.expires).map(|(hash, _)| *hash);
            oldest.and_then(|hash| self.0.remove(&hash));
        }
        self.0.insert(nonce.hash(), asked.clone());
        Ok((nonce, asked))
    }

    /// Uses a text up, whatever comes of it; `None` when there is no such one (any more), or it was for another name.
    pub(crate) fn take(&mut self, nonce: &str, host: &str, now: UnixMillis) -> Option<Asked> {
        let asked = self.0.remove(&Secret::parse(nonce)?.hash())?;
        (asked.is_good(now) && asked.host == host).then_some(asked)
    }
}

impl Asked {
    /// Not over, and not handed out in the future: a clock that was set back makes no text live longer.
    fn is_good(&self, now: UnixMillis) -> bool {
        self.expires > now && self.expires <= now.after(NONCE_LIFETIME)
    }
}

/// What is signed: EIP-4361, version 1.
fn text(wish: &Wish, did: &str, nonce: &str, issued: UnixMillis, expires: UnixMillis) -> String {
    let Wish { address, chain, host, secure } = wish;
    let scheme = if *secure { "https" } else { "http" };
    let (issued, expires) = (moment(issued), moment(expires));
    format!(
        "{host} wants you to sign in with your Ethereum account:\n{address}\n\n\
         Sign in to this PC2 node. This costs nothing and sends nothing.\n\n\
         URI: {scheme}://{host}\nVersion: 1\nChain ID: {chain}\nNonce: {nonce}\n\
         Issued At: {issued}\nExpiration Time: {expires}\nResources:\n- {did}"
    )
}

/// As RFC 3339 writes it, in whole seconds.
fn moment(at: UnixMillis) -> String {
    let seconds = i64::try_from(at.0 / 1_000).unwrap_or(i64::MAX);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).expect("years of four digits can be written")
}

/// How often each machine may try to sign in.
#[derive(Debug, Default)]
pub(crate) struct Pace(BTreeMap<IpAddr, UnixMillis>);

impl Pace {
    /// Whether `from` may try now.
    pub(crate) fn allows(&mut self, from: IpAddr, now: UnixMillis) -> bool {
        let machine = machine(from);
        if !self.0.contains_key(&machine) && self.0.len() >= MAX_MACHINES {
            let oldest = self.0.iter().min_by_key(|(_, used)| **used).map(|(machine, _)| *machine);
            oldest.and_then(|machine| self.0.remove(&machine));
        }
        // Until when all tries so far are paid for. Further ahead than that can be only when the clock was set back: nobody waits for it.
        let most = now.after(PACE * BURST);
        let paid = self.0.entry(machine).or_insert(now);
        if *paid > most {
            *paid = now;
        }
        let next = (*paid).max(now).after(PACE);
        let allowed = next <= most;
        if allowed {
            *paid = next;
        }
        allowed
    }
}

/// Who has an IPv6 address has the 2^64 beside it as well.
pub(crate) fn machine(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::fake::Wallet;

    const NOW: UnixMillis = UnixMillis(1_795_657_500_999);
    const DID: &str = "did:boson:FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z";

    fn wish() -> Wish {
        Wish { address: Wallet::new(1).address(), chain: 1, host: "localhost:4200".into(), secure: false }
    }

    #[test]
    fn the_text_is_the_one_of_eip_4361_byte_for_byte() {
        let mut nonces = Nonces::default();
        let (nonce, asked) = nonces.ask(wish(), DID, NOW).expect("randomness");
        let expected = format!(
            "localhost:4200 wants you to sign in with your Ethereum account:\n\
             0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1\n\
             \n\
             Sign in to this PC2 node. This costs nothing and sends nothing.\n\
             \n\
             URI: http://localhost:4200\n\
             Version: 1\n\
             Chain ID: 1\n\
             Nonce: {}\n\
             Issued At: 2026-11-26T01:45:00Z\n\
             Expiration Time: 2026-11-26T01:50:00Z\n\
             Resources:\n\
             - {DID}",
            nonce.text()
        );
        assert_eq!(asked.text, expected);
        let secure = Wish { host: "pc2.example.org".into(), secure: true, chain: 8_453, ..wish() };
        let text = nonces.ask(secure, DID, NOW).expect("randomness").1.text;
        assert!(text.contains("\nURI: https://pc2.example.org\n") && text.contains("\nChain ID: 8453\n"));
    }

    #[test]
    fn a_text_is_good_once() {
        let mut nonces = Nonces::default();
        let (nonce, asked) = nonces.ask(wish(), DID, NOW).expect("randomness");
        assert_eq!(nonces.take(&nonce.text(), "localhost:4200", NOW), Some(asked));
        assert_eq!(nonces.take(&nonce.text(), "localhost:4200", NOW), None);
        for made_up in ["", "0", &"0".repeat(64)] {
            assert_eq!(nonces.take(made_up, "localhost:4200", NOW), None);
        }
    }

    #[test]
    fn a_text_is_good_for_five_minutes_and_under_its_own_name() {
        let mut nonces = Nonces::default();
        let (nonce, asked) = nonces.ask(wish(), DID, NOW).expect("randomness");
        assert_eq!(nonces.take(&nonce.text(), "localhost:4200", asked.expires), None);
        let (nonce, _) = nonces.ask(wish(), DID, NOW).expect("randomness");
        assert_eq!(nonces.take(&nonce.text(), "pc2.example.org", NOW), None);
        assert_eq!(nonces.take(&nonce.text(), "localhost:4200", NOW), None, "it was used up by that");
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_text_live_longer_and_locks_nobody_out() {
        let (mut nonces, mut pace) = (Nonces::default(), Pace::default());
        let earlier = UnixMillis(NOW.0 - 3_600_000);
        let (nonce, _) = nonces.ask(wish(), DID, NOW).expect("randomness");
        assert_eq!(nonces.take(&nonce.text(), "localhost:4200", earlier), None);
        let machine = IpAddr::from([192, 0, 2, 1]);
        while pace.allows(machine, NOW) {}
        assert!(pace.allows(machine, earlier));
    }

    #[test]
    fn the_oldest_text_makes_room() {
        let mut nonces = Nonces::default();
        let (first, _) = nonces.ask(wish(), DID, NOW).expect("randomness");
        let (second, _) = nonces.ask(wish(), DID, UnixMillis(NOW.0 + 1)).expect("randomness");
        for _ in 1..MAX_NONCES {
            nonces.ask(wish(), DID, UnixMillis(NOW.0 + 2)).expect("randomness");
        }
        assert_eq!(nonces.0.len(), MAX_NONCES);
        assert_eq!(nonces.take(&first.text(), "localhost:4200", UnixMillis(NOW.0 + 2)), None);
        assert!(nonces.take(&second.text(), "localhost:4200", UnixMillis(NOW.0 + 2)).is_some());
    }

    #[test]
    fn a_machine_has_a_burst_and_then_two_tries_a_second_and_others_have_their_own() {
        let mut pace = Pace::default();
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        assert!((0..BURST).all(|_| pace.allows(one, NOW)));
        assert!(!pace.allows(one, NOW));
        assert!(pace.allows(other, NOW));
        assert!(pace.allows(one, NOW.after(PACE)));
        assert!(!pace.allows(one, NOW.after(PACE)));
        let beside = (0..BURST).all(|n| pace.allows(address(&format!("2001:db8::{n:x}")), NOW));
        assert!(beside && !pace.allows(address("2001:db8::ffff"), NOW));
    }

    #[test]
    fn machines_that_are_known_are_bounded() {
        let mut pace = Pace::default();
        for number in 0..3_000_u32 {
            assert!(pace.allows(IpAddr::V4(number.into()), NOW));
        }
        assert_eq!(pace.0.len(), MAX_MACHINES);
    }
}
