//! Signing in with a contract wallet (EIP-1271): whom the chain is asked about, and what its answers do.

use crate::{accounts::Wallet, site::Site};
use pc2_web::{ChainError, ChainNodes};
use serde_json::json;
use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

/// The chain that this node knows somebody of.
const CHAIN: u64 = 8_453;

/// Somebody of that chain, who says what a test wants.
#[derive(Debug, Default)]
pub(crate) struct TestChain {
    answer: Mutex<Option<Result<Vec<u8>, ChainError>>>,
    /// There is no contract where one is asked for.
    empty: AtomicBool,
    asked: Mutex<Vec<([u8; 20], Vec<u8>)>>,
}

impl TestChain {
    fn answers(&self, answer: Result<Vec<u8>, ChainError>) {
        *self.answer.lock().expect("lock") = Some(answer);
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("lock").len()
    }
}

impl ChainNodes for TestChain {
    fn knows(&self, chain: u64) -> bool {
        chain == CHAIN
    }

    fn call(&self, chain: u64, to: [u8; 20], data: &[u8]) -> Result<Vec<u8>, ChainError> {
        assert_eq!(chain, CHAIN);
        self.asked.lock().expect("lock").push((to, data.to_vec()));
        self.answer.lock().expect("lock").clone().expect("nobody was to be asked")
    }

    fn has_code(&self, chain: u64, _at: [u8; 20]) -> Result<bool, ChainError> {
        assert_eq!(chain, CHAIN);
        Ok(!self.empty.load(Ordering::Relaxed))
    }
}

const SAFE: &str = "0x1111111111111111111111111111111111111111";

fn yes() -> Vec<u8> {
    let mut word = vec![0; 32];
    word[..4].copy_from_slice(&[0x16, 0x26, 0xba, 0x7e]);
    word
}

/// Signs in as the contract; what comes of it.
fn sign_in(site: &Site, chain: u64, signature: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let path = format!("/auth/nonce?address={SAFE}&chain={chain}");
    let nonce = site.ask("GET", &path, &[], "").json()["nonce"].clone();
    let answer = site.ask(
        "POST",
        "/auth/wallet",
        headers,
        &json!({ "nonce": nonce, "signature": signature }).to_string(),
    );
    let code = if answer.status == 204 { String::new() } else { answer.code() };
    (answer.status, code)
}

#[test]
fn a_contract_that_was_added_signs_in_when_its_chain_says_so() {
    let site = Site::open();
    let added = site.command(
        "POST",
        "/api/wallets",
        &json!({ "address": SAFE, "role": "admin", "label": "Safe" }).to_string(),
    );
    assert_eq!(added.status, 202, "{}", added.body);
    let signature = format!("0x{}", "ab".repeat(130));
    site.chain.answers(Ok(yes()));
    assert_eq!(sign_in(&site, CHAIN, &signature, &[]).0, 204);
    // One that is as long as a key's is asked about, too: of which key it is does not matter.
    let like_a_keys = format!("0x{}{}1b", "11".repeat(32), "22".repeat(32));
    assert_eq!(sign_in(&site, CHAIN, &like_a_keys, &[]).0, 204);
    let (to, data) = site.chain.asked.lock().expect("lock")[0].clone();
    assert_eq!((to, &data[..4]), ([0x11; 20], &[0x16, 0x26, 0xba, 0x7e][..]));

    let refused = |answer| {
        site.chain.answers(answer);
        sign_in(&site, CHAIN, &signature, &[]).1
    };
    assert_eq!(refused(Ok(vec![])), "contract_refuses");
    assert_eq!(refused(Ok(vec![0xff; 32])), "contract_refuses");
    assert_eq!(refused(Err(ChainError::Refused)), "contract_refuses");
    // An ordinary wallet was asked for, and another one signed.
    let signed = |answer, signature: &str| {
        site.chain.answers(answer);
        sign_in(&site, CHAIN, signature, &[]).1
    };
    let of_a_key = Wallet::new(7).signature("another text");
    assert_eq!(signed(Ok(vec![]), &of_a_key), "contract_refuses");
    site.chain.empty.store(true, Ordering::Relaxed);
    assert_eq!(signed(Ok(vec![]), &of_a_key), "other_wallet");
    assert_eq!(signed(Ok(vec![]), &signature), "contract_refuses", "of no key");
    site.chain.empty.store(false, Ordering::Relaxed);
    assert_eq!(refused(Err(ChainError::Unreachable("it does not answer".to_owned()))), "chain_unreachable");
}

#[test]
fn nobody_has_the_chain_asked_about_a_wallet_that_may_not_sign_in_anyway() {
    let site = Site::open();
    let signature = format!("0x{}", "ab".repeat(130));
    assert_eq!(sign_in(&site, CHAIN, &signature, &[]).1, "wallet_not_added");
    assert_eq!(sign_in(&site, 1, &signature, &[]).1, "contract_wallet", "of that chain nobody is known");
    assert_eq!(site.chain.asked(), 0);
}

#[test]
fn a_contract_can_become_the_owners_first_wallet() {
    let site = Site::open();
    let cookie = site.sign_in();
    site.chain.answers(Ok(yes()));
    let signature = format!("0x{}", "cd".repeat(65));
    assert_eq!(sign_in(&site, CHAIN, &signature, &[("cookie", &cookie)]).0, 204);
    let wallets = site.command("GET", "/api/wallets", "").json()["items"].clone();
    assert_eq!((&wallets[0]["address"], &wallets[0]["role"]), (&json!(SAFE), &json!("owner")));
}
