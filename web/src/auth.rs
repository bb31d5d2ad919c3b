//! Who is asking: one-time links, sessions, and the command line's token.
//!
//! A link carries a secret that is good once, for 15 minutes; using it starts a session, whose secret lives in a
//! cookie that scripts cannot read and other sites do not send. Sessions last seven days, survive restarts of the node and can be
//! ended. The command line proves itself with the token in `api.json`, which only the owner's user can read. Of
//! all secrets only hashes are kept. All is bounded: the oldest makes room.
//!
//! Pure state: the callers pass the time and write the rows. Not here: what a role may do ([`crate::roles`]).

use crate::{
    roles::Caller,
    secret::{NoRandomness, Secret, SecretHash},
};
use pc2_protocols::time::UnixMillis;
use std::{collections::BTreeMap, time::Duration};
use warp::http::{HeaderMap, header};

/// How long a link can be used: time to walk from one screen to another.
pub(crate) const LINK_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// How long a session lasts: a week, so that a forgotten browser is not signed in for ever.
pub(crate) const SESSION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Most unused links. Each start of the node makes one, each `pc2 login-link` another.
const MAX_LINKS: usize = 16;

/// Most sessions: more browsers than a person signs in within a week.
const MAX_SESSIONS: usize = 64;

/// The cookie's name on the default port.
const COOKIE: &str = "pc2_session";

/// The port on which the cookie has its plain name.
const DEFAULT_PORT: u16 = 4200;

/// A session, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// When it ends by itself.
    pub(crate) expires: UnixMillis,
}

/// The state of authentication.
#[derive(Debug)]
pub(crate) struct Auth {
    cookie: String,
    api_token: SecretHash,
    links: Vec<(SecretHash, UnixMillis)>,
    sessions: BTreeMap<SecretHash, Session>,
}

/// A session that just began.
pub(crate) struct Begun {
    /// For the cookie.
    pub(crate) secret: Secret,
    /// For the disk.
    pub(crate) session: Session,
    /// A session that had to make room.
    pub(crate) ended: Option<SecretHash>,
}

impl Auth {
    /// Starts from the stored sessions.
    pub(crate) fn new(
        port: u16,
        api_token: &str,
        sessions: impl IntoIterator<Item = (SecretHash, Session)>,
    ) -> Self {
        // Browsers keep cookies by host, not by port: two nodes on one machine would overwrite each other's.
        let cookie = if port == DEFAULT_PORT { COOKIE.to_owned() } else { format!("{COOKIE}_{port}") };
        Self {
            cookie,
            api_token: SecretHash::of_text(api_token),
            links: Vec::new(),
            sessions: sessions.into_iter().collect(),
        }
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

    /// Uses a link up and begins a session; `None` when the link is not good (any more).
    ///
    /// # Errors
    /// Without randomness; the link stays good then.
    pub(crate) fn use_link(&mut self, text: &str, now: UnixMillis) -> Result<Option<Begun>, NoRandomness> {
        let Some(hash) = Secret::parse(text).map(|secret| secret.hash()) else { return Ok(None) };
        self.links.retain(|(_, ends)| *ends > now);
        let secret = Secret::draw()?;
        let links = self.links.len();
        self.links.retain(|(link, _)| !link.matches(&hash));
        Ok((self.links.len() < links).then(|| self.begin(secret, now)))
    }

    fn begin(&mut self, secret: Secret, now: UnixMillis) -> Begun {
        self.sessions.retain(|_, session| session.expires > now);
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.expires).map(|(hash, _)| *hash);
        let ended = oldest.filter(|_| self.sessions.len() >= MAX_SESSIONS);
        if let Some(hash) = ended {
            self.sessions.remove(&hash);
        }
        let session = Session { expires: now.after(SESSION_LIFETIME) };
        self.sessions.insert(secret.hash(), session.clone());
        Begun { secret, session, ended }
    }

    /// Ends a session; false when it was none.
    pub(crate) fn end(&mut self, hash: &SecretHash) -> bool {
        self.sessions.remove(hash).is_some()
    }

    /// Who is asking. A token that is shown and wrong is nobody, whatever cookie comes with it.
    pub(crate) fn caller(&self, headers: &HeaderMap, now: UnixMillis) -> Caller {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
            let right = token.is_some_and(|token| SecretHash::of_text(token).matches(&self.api_token));
            return if right { Caller::CommandLine } else { Caller::Nobody };
        }
        match self.session_of(headers) {
            Some(hash) if self.is_live(&hash, now) => Caller::Browser { session: hash },
            _ => Caller::Nobody,
        }
    }

    /// Whether a caller of a while ago would be let in now: sessions end.
    pub(crate) fn still(&self, caller: &Caller, now: UnixMillis) -> bool {
        match caller {
            Caller::Nobody => false,
            Caller::CommandLine => true,
            Caller::Browser { session } => self.is_live(session, now),
        }
    }

    /// Until when a session lasts.
    pub(crate) fn expires(&self, hash: &SecretHash) -> Option<UnixMillis> {
        self.sessions.get(hash).map(|session| session.expires)
    }

    /// The value of `Set-Cookie` that gives a browser its session.
    pub(crate) fn cookie(&self, secret: &Secret) -> String {
        let (name, secret, seconds) = (&self.cookie, secret.text(), SESSION_LIFETIME.as_secs());
        format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}")
    }

    /// The value of `Set-Cookie` that takes it away.
    pub(crate) fn no_cookie(&self) -> String {
        format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", self.cookie)
    }

    fn is_live(&self, hash: &SecretHash, now: UnixMillis) -> bool {
        self.sessions.get(hash).is_some_and(|session| session.expires > now)
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn auth() -> Auth {
        Auth::new(4200, "the token", [])
    }

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header value"));
        headers
    }

    fn signed_in(auth: &mut Auth) -> Begun {
        let (link, _) = auth.make_link(NOW).expect("randomness");
        auth.use_link(&link.text(), NOW).expect("randomness").expect("a good link")
    }

    fn cookie(auth: &Auth, begun: &Begun) -> HeaderMap {
        let set = auth.cookie(&begun.secret);
        with("cookie", set.split(';').next().expect("a pair"))
    }

    #[test]
    fn a_link_works_once() {
        let mut auth = auth();
        let (link, _) = auth.make_link(NOW).expect("randomness");
        assert!(auth.use_link(&link.text(), NOW).expect("randomness").is_some());
        assert!(auth.use_link(&link.text(), NOW).expect("randomness").is_none());
    }

    #[test]
    fn a_link_expires() {
        let mut auth = auth();
        let (link, expires) = auth.make_link(NOW).expect("randomness");
        assert_eq!(expires, NOW.after(LINK_LIFETIME));
        assert!(auth.use_link(&link.text(), expires).expect("randomness").is_none());
    }

    #[test]
    fn a_made_up_link_is_refused_and_costs_nobody_theirs() {
        let mut auth = auth();
        let (link, _) = auth.make_link(NOW).expect("randomness");
        for made_up in ["", "f", &"0".repeat(64), &"é".repeat(32)] {
            assert!(auth.use_link(made_up, NOW).expect("randomness").is_none());
        }
        assert!(auth.use_link(&link.text(), NOW).expect("randomness").is_some());
    }

    #[test]
    fn the_oldest_link_makes_room() {
        let mut auth = auth();
        let (first, _) = auth.make_link(NOW).expect("randomness");
        let (second, _) = auth.make_link(NOW).expect("randomness");
        for _ in 0..MAX_LINKS - 1 {
            auth.make_link(NOW).expect("randomness");
        }
        assert!(auth.use_link(&first.text(), NOW).expect("randomness").is_none());
        assert!(auth.use_link(&second.text(), NOW).expect("randomness").is_some());
    }

    #[test]
    fn a_session_is_its_cookie_until_it_ends() {
        let mut auth = auth();
        let begun = signed_in(&mut auth);
        let headers = cookie(&auth, &begun);
        let caller = auth.caller(&headers, NOW);
        assert_eq!(caller, Caller::Browser { session: begun.secret.hash() });
        assert_eq!(auth.caller(&headers, NOW.after(SESSION_LIFETIME)), Caller::Nobody);
        assert!(auth.still(&caller, NOW));
        assert!(auth.end(&begun.secret.hash()));
        assert_eq!(auth.caller(&headers, NOW), Caller::Nobody);
        assert!(!auth.still(&caller, NOW));
    }

    #[test]
    fn a_session_is_found_among_other_cookies_and_under_its_own_name_only() {
        let mut auth = auth();
        let secret = signed_in(&mut auth).secret.text();
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
            let set = Auth::new(port, "t", []).cookie(&secret);
            set.split('=').next().map(str::to_owned)
        });
        assert_eq!(names, [Some("pc2_session".to_owned()), Some("pc2_session_4201".to_owned())]);
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        let set = auth().cookie(&Secret::draw().expect("randomness"));
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
            assert!(set.contains(attribute), "{attribute}");
        }
    }

    #[test]
    fn sessions_survive_a_restart() {
        let mut before = auth();
        let begun = signed_in(&mut before);
        let after = Auth::new(4200, "another token", [(begun.secret.hash(), begun.session.clone())]);
        assert_ne!(after.caller(&cookie(&after, &begun), NOW), Caller::Nobody);
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let mut auth = auth();
        let first = signed_in(&mut auth);
        for _ in 1..MAX_SESSIONS {
            assert_eq!(signed_in(&mut auth).ended, None);
        }
        // All began at the same moment, so which one is the oldest is not defined; one has to go.
        assert!(signed_in(&mut auth).ended.is_some());
        assert_eq!(auth.sessions.len(), MAX_SESSIONS);
        assert_eq!(first.session.expires, NOW.after(SESSION_LIFETIME));
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
    fn a_wrong_token_is_not_saved_by_a_cookie() {
        let mut auth = auth();
        let begun = signed_in(&mut auth);
        let mut headers = cookie(&auth, &begun);
        headers.insert("authorization", "Bearer wrong".parse().expect("a header value"));
        assert_eq!(auth.caller(&headers, NOW), Caller::Nobody);
    }
}
