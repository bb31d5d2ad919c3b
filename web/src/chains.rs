//! Contract wallets: a contract of a chain is asked whether it takes a signature for its own (EIP-1271).
//!
//! Only a node of that chain can ask it. PC2 knows none by itself: its owner may name one for each chain. What it says is believed, so it
//! decides who such a wallet is; the configuration says so. This is what is asked and how an answer is read.
//!
//! Not here: how it is carried there and back ([`ChainNodes`], kept by the program).

use crate::wallet::{Address, SignatureError, bytes_of};
use std::fmt;

/// `isValidSignature(bytes32,bytes)`, and what it returns when it takes the signature: the same four bytes.
const IS_VALID_SIGNATURE: [u8; 4] = [0x16, 0x26, 0xba, 0x7e];

/// Bytes of a word, as contracts count.
const WORD: usize = 32;

/// Longest signature that is carried to a contract: thirty signers of a shared wallet, or a passkey's with room.
const MAX_SIGNATURE: usize = 4_096;

/// Carries questions to nodes of chains. It may block, and bounds what it waits for and reads.
pub trait ChainNodes: Send + Sync + fmt::Debug {
    /// Whether a node of this chain is named.
    fn knows(&self, chain: u64) -> bool;

    /// What the contract at `to` returns when it is called with `data`: nothing is changed by that. Empty when there is no contract.
    ///
    /// # Errors
    /// When there is no answer.
    fn call(&self, chain: u64, to: [u8; 20], data: &[u8]) -> Result<Vec<u8>, ChainError>;

    /// Whether there is a contract at an address; an ordinary wallet has none.
    ///
    /// # Errors
    /// When there is no answer.
    fn has_code(&self, chain: u64, at: [u8; 20]) -> Result<bool, ChainError>;
}

/// Why a contract could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// It would not take a call of this kind.
    #[error("the contract refuses the question")]
    Refused,
    /// The node of the chain does not answer, or something else.
    #[error("the node of that chain cannot be asked: {0}")]
    Unreachable(String),
}

/// Nobody to ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoChains;

impl ChainNodes for NoChains {
    fn knows(&self, _chain: u64) -> bool {
        false
    }

    fn call(&self, _chain: u64, _to: [u8; 20], _data: &[u8]) -> Result<Vec<u8>, ChainError> {
        Err(ChainError::Unreachable("none is named".to_owned()))
    }

    fn has_code(&self, _chain: u64, _at: [u8; 20]) -> Result<bool, ChainError> {
        Err(ChainError::Unreachable("none is named".to_owned()))
    }
}

/// What a chain says of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The contract takes it for its own.
    Accepted,
    /// It does not, or it is not known whether there is one.
    Refused,
    /// There is no contract: an ordinary wallet was asked to sign, and a key signed, which is another one's.
    OtherWallet,
}

/// Whether the contract at `wallet` takes `signature` for one of its own under what hashes to `hash`. `signer` is whose it would be as the signature of a
/// key, if it can be one: only then is it asked whether there is a contract at all.
///
/// # Errors
/// When the signature is none, or nobody answers.
pub(crate) fn judge(
    nodes: &dyn ChainNodes,
    chain: u64,
    wallet: Address,
    hash: [u8; 32],
    signature: &str,
    signer: Option<Address>,
) -> Result<Verdict, ContractError> {
    let signature = bytes_of(signature, MAX_SIGNATURE)?;
    let accepted = match nodes.call(chain, wallet.0, &question(hash, &signature)) {
        Ok(answer) => answer.len() >= WORD && answer.starts_with(&IS_VALID_SIGNATURE),
        // Contracts without the function, and those that end in an error over a wrong signature.
        Err(ChainError::Refused) => false,
        Err(error) => return Err(error.into()),
    };
    Ok(if accepted {
        Verdict::Accepted
    } else if signer.is_some() && nodes.has_code(chain, wallet.0) == Ok(false) {
        Verdict::OtherWallet
    } else {
        Verdict::Refused
    })
}

/// Why it is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContractError {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// The call, as contracts read it: the function, the hash, where the signature begins, its length, its bytes in whole words.
fn question(hash: [u8; 32], signature: &[u8]) -> Vec<u8> {
    let number = |number: usize| {
        let mut word = [0; WORD];
        let bytes = number.to_be_bytes();
        word[WORD - bytes.len()..].copy_from_slice(&bytes);
        word
    };
    let mut call = Vec::from(IS_VALID_SIGNATURE);
    call.extend(hash);
    call.extend(number(2 * WORD));
    call.extend(number(signature.len()));
    call.extend(signature);
    call.resize(4 + 3 * WORD + signature.len().next_multiple_of(WORD), 0);
    call
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What it answers, what it was asked, whether it is there.
    #[derive(Debug)]
    struct Contract(Result<Vec<u8>, ChainError>, Mutex<Vec<u8>>, Result<bool, ChainError>);

    impl ChainNodes for Contract {
        fn knows(&self, _chain: u64) -> bool {
            true
        }

        fn call(&self, _chain: u64, _to: [u8; 20], data: &[u8]) -> Result<Vec<u8>, ChainError> {
            *self.1.lock().expect("lock") = data.to_vec();
            self.0.clone()
        }

        fn has_code(&self, _chain: u64, _at: [u8; 20]) -> Result<bool, ChainError> {
            self.2.clone()
        }
    }

    fn ask(answer: Result<Vec<u8>, ChainError>, signature: &str) -> (Result<bool, ContractError>, Vec<u8>) {
        let contract = Contract(answer, Mutex::default(), Ok(true));
        let verdict = judge(&contract, 1, Address([9; 20]), [0xab; 32], signature, None);
        let accepted = verdict.map(|verdict| verdict == Verdict::Accepted);
        let asked = contract.1.lock().expect("lock").clone();
        (accepted, asked)
    }

    fn word(first: [u8; 4]) -> Vec<u8> {
        let mut word = vec![0; WORD];
        word[..4].copy_from_slice(&first);
        word
    }

    #[test]
    fn a_contract_is_asked_as_others_ask_it() {
        // By viem 2.57.1: encodeFunctionData of isValidSignature with 0xabab… and 0x010203.
        let wanted = "1626ba7eabababababababababababababababababababababababababababababababab\
                      0000000000000000000000000000000000000000000000000000000000000040\
                      0000000000000000000000000000000000000000000000000000000000000003\
                      0102030000000000000000000000000000000000000000000000000000000000";
        let (_, asked) = ask(Ok(word(IS_VALID_SIGNATURE)), "0x010203");
        let digits: String = asked.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digits, wanted);
        let (_, asked) = ask(Ok(word(IS_VALID_SIGNATURE)), &format!("0x{}", "07".repeat(64)));
        assert_eq!(asked.len(), 4 + 3 * WORD + 64, "no word more than is needed");
    }

    #[test]
    fn only_the_agreed_answer_counts() {
        assert_eq!(ask(Ok(word(IS_VALID_SIGNATURE)), "0x01").0, Ok(true));
        for answer in [vec![], IS_VALID_SIGNATURE.to_vec(), word([0xff; 4]), word([0; 4]), {
            let mut one = vec![0; WORD];
            one[31] = 1;
            one
        }] {
            assert_eq!(ask(Ok(answer.clone()), "0x01").0, Ok(false), "{answer:?}");
        }
        assert_eq!(ask(Err(ChainError::Refused), "0x01").0, Ok(false));
        let gone = ChainError::Unreachable("timeout".to_owned());
        assert_eq!(ask(Err(gone.clone()), "0x01").0, Err(gone.into()));
    }

    #[test]
    fn a_key_s_signature_where_there_is_no_contract_is_another_wallet_s() {
        let key = Some(Address([7; 20]));
        let gone = Err(ChainError::Unreachable("timeout".to_owned()));
        for (answer, signer, code, verdict) in [
            (vec![], key, Ok(false), Verdict::OtherWallet),
            (vec![], key, Ok(true), Verdict::Refused),
            (vec![], key, gone, Verdict::Refused),
            (vec![], None, Ok(false), Verdict::Refused),
            (word(IS_VALID_SIGNATURE), key, Ok(false), Verdict::Accepted),
        ] {
            let contract = Contract(Ok(answer), Mutex::default(), code);
            let judged = judge(&contract, 1, Address([9; 20]), [0xab; 32], "0x01", signer);
            assert_eq!(judged, Ok(verdict), "{contract:?} {signer:?}");
        }
    }

    #[test]
    fn what_is_no_signature_is_carried_nowhere() {
        for signature in ["", "0x", "0x0", "0xzz", "hello", &format!("0x{}", "00".repeat(MAX_SIGNATURE + 1))]
        {
            let (answer, asked) = ask(Ok(word(IS_VALID_SIGNATURE)), signature);
            assert_eq!(answer, Err(SignatureError::Malformed.into()), "{signature:.20}");
            assert!(asked.is_empty());
        }
    }
}
