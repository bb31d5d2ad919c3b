//! Ethereum wallets: how their addresses are written, and which one signed a text.
//!
//! Wallets sign texts with a prefix that keeps them apart from transactions (EIP-191); the signature tells the key,
//! and the key the address. Of the two signatures that fit a text, only the one with the lower half of `s` is taken (EIP-2), so that nobody can
//! make a second one out of one they saw. Addresses are compared as bytes; how they are written (EIP-55) is for people.
//!
//! Not here: what is signed ([`crate::sign_in`]), whether that wallet may do anything ([`crate::kept`]), and contracts that sign ([`crate::chains`]).

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use pc2_actors::api::WalletAddress;
use sha3::{Digest, Keccak256};
use std::fmt;

/// Bytes of a signature of a key: r, s, and which of two keys.
const SIGNATURE_BYTES: usize = 65;

/// Which wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address(pub(crate) WalletAddress);

/// Why a signature is not one of the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// Not `0x` and hexadecimal digits, or numbers that no signature has.
    #[error("this is no signature of a wallet")]
    Malformed,
    /// Not as long as those of keys are.
    #[error(
        "this is the signature of a contract wallet; this node has nobody to ask about it, so sign in with an ordinary wallet or by a one-time link, or name a node of its chain under wallet_chains in config.toml"
    )]
    Contract,
    /// The upper half of `s`.
    #[error("this signature is in a form that can be made out of another one; wallets do not sign like that")]
    Malleable,
}

impl Address {
    /// Reads `0x` and 40 hexadecimal digits. Mixed case is a checksum (EIP-55), and has to be right.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x")?;
        let address = Self(unhex::<20>(digits)?);
        let has = |is: fn(&u8) -> bool| digits.as_bytes().iter().any(is);
        let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
        (!mixed || address.to_string() == text).then_some(address)
    }

    fn of(key: &VerifyingKey) -> Option<Self> {
        let point = key.to_encoded_point(false);
        let hash = Keccak256::digest(point.as_bytes().get(1..)?);
        hash.get(12..)?.try_into().map(Self).ok()
    }
}

/// As EIP-55 writes it: the case of the letters is a checksum.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = Keccak256::digest(digits.as_bytes());
        let halves = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        f.write_str("0x")?;
        for (digit, half) in digits.chars().zip(halves) {
            let digit = if half >= 8 { digit.to_ascii_uppercase() } else { digit };
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// Which wallet signed `text`; `signature` as `personal_sign` gives it. Any well-formed signature is that of some wallet: compare.
///
/// # Errors
/// [`SignatureError`].
pub(crate) fn signer(text: &str, signature: &str) -> Result<Address, SignatureError> {
    let bytes = bytes_of(signature, usize::MAX)?;
    let bytes = <[u8; SIGNATURE_BYTES]>::try_from(bytes).map_err(|_| SignatureError::Contract)?;
    let (numbers, last) = bytes.split_at(SIGNATURE_BYTES - 1);
    let which = match last {
        [0 | 27] => 0,
        [1 | 28] => 1,
        _ => return Err(SignatureError::Malformed),
    };
    let signature = Signature::from_slice(numbers).map_err(|_| SignatureError::Malformed)?;
    if signature.normalize_s().is_some() {
        return Err(SignatureError::Malleable);
    }
    let which = RecoveryId::from_byte(which).ok_or(SignatureError::Malformed)?;
    let key = VerifyingKey::recover_from_prehash(&signed_hash(text), &signature, which);
    key.ok().as_ref().and_then(Address::of).ok_or(SignatureError::Malformed)
}

/// The bytes of a signature: `0x` and an even number of hexadecimal digits, of no more than `most` bytes.
///
/// # Errors
/// [`SignatureError::Malformed`].
pub(crate) fn bytes_of(signature: &str, most: usize) -> Result<Vec<u8>, SignatureError> {
    let digits = signature.strip_prefix("0x").ok_or(SignatureError::Malformed)?.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || digits.len() / 2 > most {
        return Err(SignatureError::Malformed);
    }
    digits.chunks_exact(2).map(byte).collect::<Option<_>>().ok_or(SignatureError::Malformed)
}

/// What a wallet signs when it is asked to sign a text: EIP-191, version `E`.
pub(crate) fn signed_hash(text: &str) -> [u8; 32] {
    let mut hash = Keccak256::new();
    hash.update(format!("\x19Ethereum Signed Message:\n{}", text.len()));
    hash.update(text);
    hash.finalize().into()
}

/// Exactly `N` bytes as hexadecimal digits of either case.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (to, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *to = byte(pair)?;
    }
    Some(bytes)
}

/// Two hexadecimal digits.
fn byte(pair: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

/// A wallet for tests, beside the independent one that the browser test brings.
#[cfg(test)]
pub(crate) mod fake {
    use super::*;
    use k256::ecdsa::SigningKey;

    pub(crate) struct Wallet(SigningKey);

    impl Wallet {
        pub(crate) fn new(seed: u8) -> Self {
            Self(SigningKey::from_slice(&[seed; 32]).expect("a key"))
        }

        pub(crate) fn address(&self) -> Address {
            Address::of(self.0.verifying_key()).expect("an address")
        }

        pub(crate) fn sign(&self, text: &str) -> String {
            let (signature, which) =
                self.0.sign_prehash_recoverable(&signed_hash(text)).expect("a signature");
            hex(&signature, which.to_byte() + 27)
        }
    }

    pub(crate) fn hex(signature: &Signature, which: u8) -> String {
        let digits: String = signature.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("0x{digits}{which:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::{fake::Wallet, *};

    #[test]
    fn addresses_are_written_as_eip_55_has_them() {
        // The examples of EIP-55.
        for text in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0xde709f2102306220921060314715629080e2fb77",
        ] {
            let address = Address::parse(text).expect("an address");
            assert_eq!(address.to_string(), text);
            assert_eq!(Address::parse(&format!("0x{}", text[2..].to_lowercase())), Some(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "0x",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAgg",
            "0x+aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
            "0xéééééééééééééééééééé",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_signature_tells_who_signed_which_text() {
        let wallet = Wallet::new(1);
        // What everybody's libraries say about the private key 0x0101….
        assert_eq!(wallet.address().to_string(), "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1");
        let signature = wallet.sign("hello");
        assert_eq!(signer("hello", &signature), Ok(wallet.address()));
        assert_ne!(signer("hello!", &signature), Ok(wallet.address()));
        // Some wallets count from 0.
        let from_zero = format!("{}{:02x}", &signature[..130], if signature.ends_with("1b") { 0 } else { 1 });
        assert_eq!(signer("hello", &from_zero), Ok(wallet.address()));
    }

    #[test]
    fn a_signature_known_from_elsewhere_is_recovered() {
        // From the documentation of web3.eth.accounts.sign: "Some data".
        let signature = "0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd\
                         6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c";
        let address = Address::parse("0x2c7536E3605D9C16a7a3D7b1898e529396a65c23");
        assert_eq!(signer("Some data", signature).ok(), address);
    }

    #[test]
    fn a_signature_of_an_independent_signer_is_recovered() {
        // By viem 2.57.1, with the private key 0x0101…: lengths are counted in bytes, not in letters.
        let signature = "0x3252119467d9fabc62b0fde6760e792bdb2e9feee8114e88848b65bff8fb9d49\
                         0a3886e70c4577fa79dcccebb5ddfa8e854e47fa50097d99300a684b63dd96091b";
        let address = Address::parse("0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1");
        assert_eq!(signer("Grüße von PC2\n", signature).ok(), address);
    }

    #[test]
    fn the_other_form_of_a_signature_is_refused() {
        let wallet = Wallet::new(2);
        let text = wallet.sign("hello");
        let bytes = unhex::<65>(&text[2..]).expect("bytes");
        let low = Signature::from_slice(&bytes[..64]).expect("a signature");
        let high = Signature::from_scalars(*low.r(), -*low.s()).expect("the other form");
        let other = fake::hex(&high, if bytes[64] == 27 { 28 } else { 27 });
        assert_eq!(signer("hello", &other), Err(SignatureError::Malleable));
    }

    #[test]
    fn what_is_no_signature_is_refused_without_a_panic() {
        let good = Wallet::new(3).sign("hello");
        for text in ["", "0x", "0x0", "0xzz", "hello", &good[2..], &format!("{}1d", &good[..130])] {
            assert_eq!(signer("hello", text), Err(SignatureError::Malformed), "{text}");
        }
        for numbers in ["00".repeat(64), "ff".repeat(64)] {
            assert_eq!(signer("hello", &format!("0x{numbers}1b")), Err(SignatureError::Malformed));
        }
        for length in [1, 64, 66, 500] {
            assert_eq!(signer("hello", &format!("0x{}", "ab".repeat(length))), Err(SignatureError::Contract));
        }
    }
}
