//! Nodes of chains, asked over JSON-RPC about contract wallets: those that the configuration names, and nobody else.
//!
//! What they answer decides who signs in with such a wallet. So they are reached over TLS, or on this machine; no redirection is followed, the chain
//! is asked for its number before anything else, and an answer is bounded in time and size. What is asked is in [`pc2_web`].

use pc2_web::{ChainError, ChainNodes};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig},
};

/// Somebody waits in front of a page.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Largest answer: what contracts return here is 32 bytes, errors come with a few lines, and a contract itself has 24 KiB at most (EIP-170), two digits each.
const MAX_ANSWER: u64 = 64 * 1024;

/// Codes with which nodes say that the contract ended in an error: of the specification, geth's, and OpenEthereum's.
const REVERTED: [i64; 3] = [3, -32_000, -32_015];

/// The nodes that are named.
pub(crate) struct Named {
    nodes: BTreeMap<u64, String>,
    agent: Agent,
    /// Chains whose node has said that it is of that chain.
    proven: Mutex<BTreeSet<u64>>,
}

/// Without the addresses: what pays for a node often stands in them.
impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.nodes.keys()).finish()
    }
}

impl Named {
    /// Of these nodes, by the number of their chain.
    pub(crate) fn new(nodes: BTreeMap<u64, String>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::PlatformVerifier);
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls.build());
        Self { nodes, agent: config.build().into(), proven: Mutex::default() }
    }

    fn ask(&self, chain: u64, method: &str, params: Value) -> Result<String, ChainError> {
        let url = self.nodes.get(&chain).ok_or_else(|| unreachable("none is named"))?;
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answered =
            self.agent.post(url).send_json(&question).and_then(|mut answer| {
                answer.body_mut().with_config().limit(MAX_ANSWER).read_json::<Value>()
            });
        let answer = answered.map_err(|error| {
            tracing::warn!(chain, %error, "the node of a chain could not be asked");
            unreachable(match error {
                ureq::Error::Timeout(_) => "it does not answer in time",
                ureq::Error::Json(_) | ureq::Error::BodyExceedsLimit(_) => "what it answers is no JSON-RPC",
                _ => "it does not answer",
            })
        })?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            let code = error["code"].as_i64();
            tracing::info!(chain, method, code, "the node of a chain answers with an error");
            let reverted = code.is_some_and(|code| REVERTED.contains(&code));
            return Err(if reverted { ChainError::Refused } else { unreachable("it answers with an error") });
        }
        let text = answer["result"].as_str().ok_or_else(|| unreachable("what it answers is no JSON-RPC"))?;
        Ok(text.to_owned())
    }

    /// Whether the node of a chain is of that chain: asked once.
    fn prove(&self, chain: u64) -> Result<(), ChainError> {
        let proven = || self.proven.lock().expect("no holder of the lock panics");
        if proven().contains(&chain) {
            return Ok(());
        }
        let said = self.ask(chain, "eth_chainId", json!([]))?;
        let said = said.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if said != Some(chain) {
            tracing::warn!(chain, said, "wallet_chains names a node of another chain");
            return Err(unreachable("the one that is named is of another chain"));
        }
        proven().insert(chain);
        Ok(())
    }
}

impl ChainNodes for Named {
    fn knows(&self, chain: u64) -> bool {
        self.nodes.contains_key(&chain)
    }

    fn call(&self, chain: u64, to: [u8; 20], data: &[u8]) -> Result<Vec<u8>, ChainError> {
        self.prove(chain)?;
        let call = json!([{ "to": hex(&to), "data": hex(data) }, "latest"]);
        let answer = self.ask(chain, "eth_call", call)?;
        unhex(&answer).ok_or_else(|| unreachable("what it answers is no JSON-RPC"))
    }

    fn has_code(&self, chain: u64, at: [u8; 20]) -> Result<bool, ChainError> {
        self.prove(chain)?;
        let answer = self.ask(chain, "eth_getCode", json!([hex(&at), "latest"]))?;
        let code = unhex(&answer).ok_or_else(|| unreachable("what it answers is no JSON-RPC"))?;
        Ok(!code.is_empty())
    }
}

/// Whether a node may be named by this address; why not, otherwise.
pub(crate) fn problem(url: &str) -> Option<&'static str> {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else {
        return Some("it looks like https://rpc.example.org");
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => None,
        Some("http") if here => None,
        Some("http") => {
            Some("over http only a node on this machine: on the way anybody could answer in its place")
        }
        _ => Some("it looks like https://rpc.example.org"),
    }
}

/// The address without what may be secret in it.
pub(crate) fn shown(url: &str) -> String {
    url.parse::<ureq::http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default()
}

fn unreachable(why: &str) -> ChainError {
    ChainError::Unreachable(why.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
        }
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        net::TcpListener,
        thread,
    };

    /// A node that gives these answers in turn, and the bodies that it was asked.
    fn node(answers: &[&str]) -> (String, thread::JoinHandle<Vec<Value>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/key", listener.local_addr().expect("an address"));
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let task = thread::spawn(move || {
            let asked = |answer: String| {
                let (mut stream, _) = listener.accept().expect("a question");
                let mut reader = BufReader::new(stream.try_clone().expect("another handle"));
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).expect("a line");
                    if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
                        length = number.trim().parse().expect("a number");
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    answer.len()
                );
                stream.write_all(format!("{head}{answer}").as_bytes()).expect("an answer");
                serde_json::from_slice(&body).expect("JSON")
            };
            answers.into_iter().map(asked).collect()
        });
        (url, task)
    }

    fn named(url: &str) -> Named {
        Named::new(BTreeMap::from([(8_453, url.to_owned())]))
    }

    const CHAIN: &str = r#"{"jsonrpc":"2.0","id":1,"result":"0x2105"}"#;

    #[test]
    fn a_contract_is_called_on_its_chain_and_the_chain_is_proven_once() {
        let result = r#"{"jsonrpc":"2.0","id":1,"result":"0x1626ba7e"}"#;
        let (url, node) = node(&[CHAIN, result, r#"{"jsonrpc":"2.0","id":1,"result":"0x"}"#]);
        let named = named(&url);
        assert!(named.knows(8_453) && !named.knows(1));
        assert_eq!(named.call(8_453, [0xab; 20], &[1, 2]), Ok(vec![0x16, 0x26, 0xba, 0x7e]));
        assert_eq!(named.call(8_453, [0xab; 20], &[]), Ok(vec![]), "no contract there");
        let asked = node.join().expect("all were asked");
        assert_eq!(asked[0]["method"], "eth_chainId");
        let to = format!("0x{}", "ab".repeat(20));
        assert_eq!(
            (&asked[1]["method"], &asked[1]["params"]),
            (&json!("eth_call"), &json!([{ "to": to, "data": "0x0102" }, "latest"]))
        );
        assert_eq!(asked[2]["method"], "eth_call");
        assert!(!format!("{named:?}").contains("key"), "{named:?}");
    }

    #[test]
    fn an_ordinary_wallet_has_no_code_and_a_contract_some() {
        let code = r#"{"jsonrpc":"2.0","id":1,"result":"0x6080"}"#;
        let none = r#"{"jsonrpc":"2.0","id":1,"result":"0x"}"#;
        let (url, node) = node(&[CHAIN, code, none, r#"{"result":"0xz"}"#]);
        let named = named(&url);
        assert_eq!(named.has_code(8_453, [0xab; 20]), Ok(true));
        assert_eq!(named.has_code(8_453, [0xab; 20]), Ok(false));
        assert!(named.has_code(8_453, [0xab; 20]).is_err());
        let asked = node.join().expect("all were asked");
        let at = format!("0x{}", "ab".repeat(20));
        assert_eq!(
            (&asked[1]["method"], &asked[1]["params"]),
            (&json!("eth_getCode"), &json!([at, "latest"]))
        );
    }

    #[test]
    fn what_is_wrong_with_a_node_is_told_apart_from_what_a_contract_refuses() {
        let reverted = r#"{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted"}}"#;
        let busy = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit exceeded"}}"#;
        let (url, node) = node(&[CHAIN, reverted, busy, "<html>", r#"{"result":7}"#, r#"{"result":"0xz"}"#]);
        let named = named(&url);
        let call = || named.call(8_453, [1; 20], &[]);
        assert_eq!(call(), Err(ChainError::Refused));
        for _ in 0..4 {
            assert!(matches!(call(), Err(ChainError::Unreachable(_))));
        }
        node.join().expect("all were asked");
        assert!(matches!(call(), Err(ChainError::Unreachable(_))), "it is gone");
    }

    #[test]
    fn a_node_of_another_chain_is_not_asked_about_contracts() {
        let (url, node) = node(&[r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#]);
        let error = named(&url).call(8_453, [1; 20], &[]).expect_err("another chain");
        assert!(error.to_string().contains("another chain"), "{error}");
        assert_eq!(node.join().expect("it was asked once").len(), 1);
    }

    #[test]
    fn nodes_are_reached_over_tls_or_on_this_machine() {
        for url in [
            "https://rpc.example.org/v1/key",
            "http://127.0.0.1:8545",
            "http://[::1]:8545",
            "http://localhost:8545/",
        ] {
            assert_eq!(problem(url), None, "{url}");
        }
        for url in [
            "http://rpc.example.org",
            "http://192.168.1.7:8545",
            "ws://127.0.0.1",
            "rpc.example.org",
            "",
            "https://",
        ] {
            assert!(problem(url).is_some(), "{url}");
        }
        assert_eq!(shown("https://rpc.example.org/v1/key"), "rpc.example.org");
    }
}
