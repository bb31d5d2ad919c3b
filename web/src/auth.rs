//! Who is asking: one-time links, wallets' signatures, sessions, API keys, and the command line's token.
//!
//! A link carries a secret that is good once, for 15 minutes; a wallet signs a text that is good once ([`crate::sign_in`]). Using either starts a session,
//! whose secret lives in a cookie that scripts cannot read and other sites do not send. Sessions last seven days, survive restarts of the node and can be
//! ended. The command line proves itself with the token in `api.json`, which only the owner's user can read; programs
//! show a key. Of all secrets only hashes are kept. All is bounded: the oldest makes room.
//!
//! Pure state: the callers pass the time. Not here: what is written to disk ([`crate::kept`]), what a role may do ([`crate::roles`]).

use crate::{
    kept::{Kept, SESSION_LIFETIME},
    roles::Caller,
    secret::{NoRandomness, Secret, SecretHash},
    sign_in::{Nonces, Pace},
};
use pc2_protocols::time::UnixMillis;
use std::{mem, time::Duration};
use warp::http::{HeaderMap, HeaderValue, header};

/// How long a link can be used: time to walk from one screen to another.
pub(crate) const LINK_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Most unused links. Each start of the node makes one, each `pc2 login-link` another.
const MAX_LINKS: usize = 16;

/// How often refusals are written down, at most: a flood of them is counted in memory.
const REFUSALS_EVERY: Duration = Duration::from_secs(10);

/// The cookie's name on the default port.
const COOKIE: &str = "pc2_session";

/// The port on which the cookie has its plain name.
const DEFAULT_PORT: u16 = 4200;

/// The state of authentication.
#[derive(Debug)]
pub(crate) struct Auth {
    /// Texts that wait for a wallet's signature.
    pub(crate) nonces: Nonces,
    /// How often each machine may try.
    pub(crate) pace: Pace,
    kept: Kept,
    cookie: String,
    api_token: SecretHash,
    links: Vec<(SecretHash, UnixMillis)>,
    refusals: u64,
    refusals_written: Option<UnixMillis>,
}

impl Auth {
    /// Starts from what is kept.
    pub(crate) fn new(port: u16, api_token: &str, kept: Kept) -> Self {
        // Browsers keep cookies by host, not by port: two nodes on one machine would overwrite each other's.
        let cookie = if port == DEFAULT_PORT { COOKIE.to_owned() } else { format!("{COOKIE}_{port}") };
        Self {
            nonces: Nonces::default(),
            pace: Pace::default(),
            kept,
            cookie,
            api_token: SecretHash::of_text(api_token),
            links: Vec::new(),
            refusals: 0,
            refusals_written: None,
        }
    }

    /// What is kept.
    pub(crate) const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The disk has this now.
    pub(crate) fn replace(&mut self, kept: Kept) {
        self.kept = kept;
    }

    /// Makes a link's secret, and says until when it can be used.
    ///
    /// # Errors
    /// Without randomness.
    pub(crate) fn make_link(&mut self, now: UnixMillis) -> Result<(Secret, UnixMillis), NoRandomness> {
        let secret = Secret::draw()?;
        let expires = now.after(LINK_LIFETIME);
        self.links.retain(|(_, ends)| *ends > now);
        if self.links.len() >= MAX_LINKS {
            self.links.remove(0);
        }
        self.links.push((secret.hash(), expires));
        Ok((secret, expires))
    }

    /// Uses a link up; false when it is not good (any more).
    pub(crate) fn use_link(&mut self, text: &str, now: UnixMillis) -> bool {
        let Some(hash) = Secret::parse(text).map(|secret| secret.hash()) else { return false };
        self.links.retain(|(_, ends)| *ends > now);
        let links = self.links.len();
        self.links.retain(|(link, _)| !link.matches(&hash));
        self.links.len() < links
    }

    /// A sign-in was refused. Says how many there are to be written down, if it is time.
    pub(crate) fn refuse(&mut self, now: UnixMillis) -> Option<u64> {
        self.refusals = self.refusals.saturating_add(1);
        let due = self.refusals_written.is_none_or(|last| now.since(last) >= REFUSALS_EVERY);
        due.then(|| {
            self.refusals_written = Some(now);
            mem::take(&mut self.refusals)
        })
    }

    /// Refusals that are not written down yet: they are to be now.
    pub(crate) fn take_refusals(&mut self) -> u64 {
        mem::take(&mut self.refusals)
    }

    /// Who is asking. A token that is shown and wrong is nobody, whatever cookie comes with it.
    pub(crate) fn caller(&self, headers: &HeaderMap, now: UnixMillis) -> Caller {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
            let Some(token) = token else { return Caller::Nobody };
            if SecretHash::of_text(token).matches(&self.api_token) {
                return Caller::CommandLine;
            }
            return Secret::parse(token)
                .map_or(Caller::Nobody, |secret| self.kept.program(secret.hash(), now));
        }
        self.session_of(headers).map_or(Caller::Nobody, |hash| self.kept.browser(hash, now))
    }

    /// Whether a caller of a while ago would be let in as the same now: sessions and keys end, roles change.
    pub(crate) fn still(&self, caller: &Caller, now: UnixMillis) -> bool {
        self.kept.still(caller, now)
    }

    /// The value of `Set-Cookie` that gives a browser its session. `headers` are those of the request: a page that was opened over https gets a
    /// cookie that is never sent in clear.
    pub(crate) fn cookie(&self, secret: &Secret, headers: &HeaderMap) -> String {
        let (name, secret, seconds) = (&self.cookie, secret.text(), SESSION_LIFETIME.as_secs());
        format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{}", secure(headers))
    }

    /// The value of `Set-Cookie` that takes it away.
    pub(crate) fn no_cookie(&self, headers: &HeaderMap) -> String {
        format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{}", self.cookie, secure(headers))
    }

    /// What is looked up is the hash: how long that takes says nothing about the secret.
    fn session_of(&self, headers: &HeaderMap) -> Option<SecretHash> {
        let cookies = headers.get_all(header::COOKIE);
        let mut pairs =
            cookies.iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';'));
        let value = pairs.find_map(|pair| pair.trim().strip_prefix(&self.cookie)?.strip_prefix('='))?;
        Secret::parse(value).map(|secret| secret.hash())
    }
}

/// A further attribute of the cookie. The node itself speaks http; browsers tell with each `POST` where the page is from.
fn secure(headers: &HeaderMap) -> &'static str {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes).unwrap_or_default();
    if origin.starts_with(b"https://") { "; Secure" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::{Role, Scopes};
    use pc2_actors::api::AccessRows;
    use pc2_protocols::id::NodeId;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn auth() -> Auth {
        auth_at(4200)
    }

    fn auth_at(port: u16) -> Auth {
        Auth::new(port, "the token", Kept::new(NodeId::from_bytes([1; 32]), AccessRows::default()))
    }

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header value"));
        headers
    }

    fn signed_in(auth: &mut Auth) -> Secret {
        let secret = Secret::draw().expect("randomness");
        auth.kept.begin_by_link(&secret, "a browser", NOW);
        secret
    }

    fn cookie(auth: &Auth, secret: &Secret) -> HeaderMap {
        with("cookie", auth.cookie(secret, &HeaderMap::new()).split(';').next().expect("a pair"))
    }

    #[test]
    fn a_link_works_once() {
        let mut auth = auth();
        let (link, _) = auth.make_link(NOW).expect("randomness");
        assert!(auth.use_link(&link.text(), NOW));
        assert!(!auth.use_link(&link.text(), NOW));
    }

    #[test]
    fn a_link_expires() {
        let mut auth = auth();
        let (link, expires) = auth.make_link(NOW).expect("randomness");
        assert_eq!(expires, NOW.after(LINK_LIFETIME));
        assert!(!auth.use_link(&link.text(), expires));
    }

    #[test]
    fn a_made_up_link_is_refused_and_costs_nobody_theirs() {
        let mut auth = auth();
        let (link, _) = auth.make_link(NOW).expect("randomness");
        for made_up in ["", "f", &"0".repeat(64), &"é".repeat(32)] {
            assert!(!auth.use_link(made_up, NOW));
        }
        assert!(auth.use_link(&link.text(), NOW));
    }

    #[test]
    fn the_oldest_link_makes_room() {
        let mut auth = auth();
        let (first, _) = auth.make_link(NOW).expect("randomness");
        let (second, _) = auth.make_link(NOW).expect("randomness");
        for _ in 0..MAX_LINKS - 1 {
            auth.make_link(NOW).expect("randomness");
        }
        assert!(!auth.use_link(&first.text(), NOW));
        assert!(auth.use_link(&second.text(), NOW));
    }

    #[test]
    fn a_session_is_its_cookie_until_it_ends() {
        let mut auth = auth();
        let secret = signed_in(&mut auth);
        let headers = cookie(&auth, &secret);
        let caller = auth.caller(&headers, NOW);
        assert_eq!(caller, Caller::Browser { session: secret.hash(), role: Role::Owner, wallet: None });
        assert_eq!(auth.caller(&headers, NOW.after(SESSION_LIFETIME)), Caller::Nobody);
        assert!(auth.still(&caller, NOW));
        auth.kept.sign_out(&secret.hash());
        assert_eq!(auth.caller(&headers, NOW), Caller::Nobody);
        assert!(!auth.still(&caller, NOW));
    }

    #[test]
    fn a_session_is_found_among_other_cookies_and_under_its_own_name_only() {
        let mut auth = auth();
        let secret = signed_in(&mut auth).text();
        let asks = |line: &str| auth.caller(&with("cookie", line), NOW);
        assert_ne!(asks(&format!("theme=dark; pc2_session={secret}; x=1")), Caller::Nobody);
        assert_eq!(asks(&format!("pc2_session_4201={secret}")), Caller::Nobody);
        assert_eq!(asks(&format!("not_pc2_session={secret}")), Caller::Nobody);
        assert_eq!(asks("pc2_session="), Caller::Nobody);
    }

    #[test]
    fn two_nodes_on_one_machine_have_cookies_of_their_own() {
        let secret = Secret::draw().expect("randomness");
        let names = [4200, 4201].map(|port| {
            let set = auth_at(port).cookie(&secret, &HeaderMap::new());
            set.split('=').next().map(str::to_owned)
        });
        assert_eq!(names, [Some("pc2_session".to_owned()), Some("pc2_session_4201".to_owned())]);
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        let set = auth().cookie(&Secret::draw().expect("randomness"), &HeaderMap::new());
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
            assert!(set.contains(attribute), "{attribute}");
        }
        assert!(!set.contains("Domain"));
    }

    #[test]
    fn a_cookie_of_a_page_over_https_never_goes_in_clear() {
        let (auth, secret) = (auth(), Secret::draw().expect("randomness"));
        let https = with("origin", "https://pc2.example.org");
        assert!(auth.cookie(&secret, &https).ends_with("; Secure"));
        assert!(auth.no_cookie(&https).ends_with("; Secure"));
        for other in [HeaderMap::new(), with("origin", "http://localhost:4200"), with("origin", "null")] {
            assert!(!auth.cookie(&secret, &other).contains("Secure"));
        }
    }

    #[test]
    fn the_command_line_is_known_by_its_token() {
        let auth = auth();
        assert_eq!(auth.caller(&with("authorization", "Bearer the token"), NOW), Caller::CommandLine);
        for wrong in ["Bearer the token ", "Bearer ", "the token", "bearer the token", "Basic the token"] {
            assert_eq!(auth.caller(&with("authorization", wrong), NOW), Caller::Nobody, "{wrong}");
        }
    }

    #[test]
    fn a_program_is_known_by_its_key_until_it_expires() {
        let mut auth = auth();
        let (secret, scopes) =
            (Secret::draw().expect("randomness"), Scopes::parse(["chat:read"]).expect("one"));
        let expires = NOW.after(LINK_LIFETIME);
        let added = auth.kept.add_key(&secret, "bot", scopes, Some(expires), &Caller::CommandLine, NOW);
        assert!(added.is_ok());
        let headers = with("authorization", &format!("Bearer {}", secret.text()));
        let caller = auth.caller(&headers, NOW);
        assert_eq!(caller, Caller::Key { key: secret.hash(), scopes });
        assert!(auth.still(&caller, NOW) && !auth.still(&caller, expires));
        assert_eq!(auth.caller(&headers, expires), Caller::Nobody);
        // A key is no cookie, and the secret of a session no key.
        assert_eq!(auth.caller(&cookie(&auth, &secret), NOW), Caller::Nobody);
        let session = signed_in(&mut auth).text();
        let as_key = with("authorization", &format!("Bearer {session}"));
        assert_eq!(auth.caller(&as_key, NOW), Caller::Nobody);
    }

    #[test]
    fn a_wrong_token_is_not_saved_by_a_cookie() {
        let mut auth = auth();
        let secret = signed_in(&mut auth);
        let mut headers = cookie(&auth, &secret);
        headers.insert("authorization", "Bearer wrong".parse().expect("a header value"));
        assert_eq!(auth.caller(&headers, NOW), Caller::Nobody);
    }

    #[test]
    fn a_flood_of_refusals_is_written_down_seldom_and_counted_whole() {
        let mut auth = auth();
        let written = (0..1_000_u64).filter_map(|n| auth.refuse(UnixMillis(NOW.0 + n * 25)));
        assert_eq!(written.collect::<Vec<_>>(), [1, 400, 400]);
        assert_eq!(auth.take_refusals(), 199);
    }
}
