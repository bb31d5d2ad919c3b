//! Who may do what: the one place that decides.
//!
//! Every route names its [`Access`] in [`crate::routes::all`]; a request is let through only when [`Access::allows`] says so, and a path without a
//! route reaches nothing. What a role has is [`RIGHTS`], what a key has are its [`Scopes`]; both are checked the same way, and
//! the OpenAPI document tells both. What a node keeps belongs to its owner's account, but for the home and the WASM apps of each wallet: so a member has nothing yet, and an admin
//! sees how the node does and runs modules of their own; who is in its contacts, what it lends and who signs in is the owner's.

use crate::{problem::Problem, secret::SecretHash, wallet::Address};
use pc2_protocols::wasm::rows::Space;

/// Who is asking, as far as they have proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Anybody.
    Nobody,
    /// Somebody in a browser that was signed in.
    Browser {
        /// Which session.
        session: SecretHash,
        /// As what.
        role: Role,
        /// With which wallet; `None` for the owner by a one-time link.
        wallet: Option<Address>,
    },
    /// A program with a key of the owner's.
    Key {
        /// Which.
        key: SecretHash,
        /// What it may do.
        scopes: Scopes,
    },
    /// The owner, at the command line of this machine.
    CommandLine,
}

/// What somebody is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Whose node it is.
    Owner,
    /// Looks after the node.
    Admin,
    /// May use what the node offers to people.
    Member,
}

/// What belongs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    /// The owner's name.
    Profile,
    /// Contacts, invitations and messages.
    Chat,
    /// Transfers and the bytes of files.
    Files,
    /// How the node is and how it is reached.
    Network,
    /// What the node lends, and to whom.
    Lending,
    /// Values in the network's shared store.
    Records,
    /// WASM modules and apps, of whoever asks.
    Wasm,
}

/// Looking, or changing something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Looking.
    Read,
    /// Changing something, which tells what it became.
    Write,
}

/// What can be allowed: a deed in an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope(pub(crate) Area, pub(crate) Deed);

/// Some of [`ALL_SCOPES`], as bits in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Scopes(u16);

/// Who a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody who reaches the server.
    Public,
    /// Whoever is signed in, for what is their own: no keys.
    SignedIn,
    /// Whoever has this.
    Has(Scope),
    /// Whoever may look at anything, and is told only of that.
    Something,
    /// The owner, for the ways in: no keys, because a key must not make further ways in.
    Doors,
    /// The owner, and only at the command line: a browser that is signed in must not be able to make links.
    CommandLine,
}

/// Every scope, and what it is called. Bits of [`Scopes`] have this order.
pub(crate) const ALL_SCOPES: [(Scope, &str); 13] = [
    (Scope(Area::Profile, Deed::Read), "profile:read"),
    (Scope(Area::Profile, Deed::Write), "profile:write"),
    (Scope(Area::Chat, Deed::Read), "chat:read"),
    (Scope(Area::Chat, Deed::Write), "chat:write"),
    (Scope(Area::Files, Deed::Read), "files:read"),
    (Scope(Area::Files, Deed::Write), "files:write"),
    (Scope(Area::Network, Deed::Read), "network:read"),
    (Scope(Area::Lending, Deed::Read), "lending:read"),
    (Scope(Area::Lending, Deed::Write), "lending:write"),
    (Scope(Area::Records, Deed::Read), "records:read"),
    (Scope(Area::Records, Deed::Write), "records:write"),
    (Scope(Area::Wasm, Deed::Read), "wasm:read"),
    (Scope(Area::Wasm, Deed::Write), "wasm:write"),
];

/// What each role has. Roles that are not named have nothing.
const RIGHTS: &[(Role, &[Scope])] = &[(
    Role::Admin,
    &[Scope(Area::Network, Deed::Read), Scope(Area::Wasm, Deed::Read), Scope(Area::Wasm, Deed::Write)],
)];

impl Role {
    fn has(self, scope: Scope) -> bool {
        self == Self::Owner || RIGHTS.iter().any(|(role, scopes)| *role == self && scopes.contains(&scope))
    }
}

impl Scope {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        ALL_SCOPES.iter().find(|(scope, _)| *scope == self).map_or("", |(_, name)| name)
    }
}

impl Scopes {
    /// Those of these names; `Err` with the first that there is not.
    pub(crate) fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, &'n str> {
        names.into_iter().try_fold(Self(0), |scopes, name| {
            let bit = ALL_SCOPES.iter().position(|(_, known)| *known == name).ok_or(name)?;
            Ok(Self(scopes.0 | 1 << bit))
        })
    }

    /// Those of these names that there are: what a newer program allowed is not allowed here.
    pub(crate) fn known(names: &[String]) -> Self {
        let known = names.iter().filter_map(|name| Self::parse([name.as_str()]).ok());
        Self(known.fold(0, |bits, scopes| bits | scopes.0))
    }

    /// Their names.
    pub(crate) fn names(self) -> Vec<String> {
        let all = ALL_SCOPES.iter().enumerate();
        all.filter(|(bit, _)| self.0 & 1 << bit != 0).map(|(_, (_, name))| (*name).to_owned()).collect()
    }

    fn has(self, scope: Scope) -> bool {
        ALL_SCOPES.iter().position(|(known, _)| *known == scope).is_some_and(|bit| self.0 & 1 << bit != 0)
    }
}

impl Caller {
    /// Their role; `None` for nobody. Keys act for the owner.
    pub(crate) const fn role(&self) -> Option<Role> {
        match self {
            Self::Nobody => None,
            Self::Browser { role, .. } => Some(*role),
            Self::Key { .. } | Self::CommandLine => Some(Role::Owner),
        }
    }

    /// The wallet they signed in with.
    pub(crate) const fn wallet(&self) -> Option<Address> {
        match self {
            Self::Browser { wallet, .. } => *wallet,
            Self::Nobody | Self::Key { .. } | Self::CommandLine => None,
        }
    }

    /// Whose home and apps they use: the owner's, or those of their own wallet.
    pub(crate) const fn space(&self) -> Option<Space> {
        match self {
            Self::Browser { role: Role::Owner, .. } | Self::Key { .. } | Self::CommandLine => {
                Some(Space::Owner)
            }
            Self::Browser { role: Role::Admin | Role::Member, wallet: Some(Address(wallet)), .. } => {
                Some(Space::Wallet(*wallet))
            }
            Self::Browser { role: Role::Admin | Role::Member, wallet: None, .. } | Self::Nobody => None,
        }
    }

    /// Whether they have a scope.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        match self {
            Self::Nobody => false,
            Self::Browser { role, .. } => role.has(scope),
            Self::Key { scopes, .. } => scopes.has(scope),
            Self::CommandLine => true,
        }
    }

    /// Whether they may be told what happens in an area.
    pub(crate) fn sees(&self, area: Area) -> bool {
        self.has(Scope(area, Deed::Read))
    }
}

impl Access {
    /// Whether a caller has what it takes.
    fn has(self, caller: &Caller) -> bool {
        match self {
            Self::Public => true,
            Self::SignedIn => matches!(caller, Caller::Browser { .. } | Caller::CommandLine),
            Self::Has(scope) => caller.has(scope),
            Self::Something => ALL_SCOPES.iter().any(|(Scope(area, _), _)| caller.sees(*area)),
            Self::Doors => {
                matches!(caller, Caller::Browser { role: Role::Owner, .. } | Caller::CommandLine)
            }
            Self::CommandLine => matches!(caller, Caller::CommandLine),
        }
    }

    /// Lets a caller through, or says why not: signing in would help, or it would not. What somebody else's account has (`names_one`: the path
    /// names one of them) is not there for those who are not the owner, so that nobody learns what exists.
    ///
    /// # Errors
    /// 401, 403 or 404.
    pub(crate) fn allows(self, caller: &Caller, names_one: bool) -> Result<(), Problem> {
        if self.has(caller) {
            return Ok(());
        }
        Err(match (self, caller) {
            (_, Caller::Nobody) => Problem::sign_in_first(),
            (_, Caller::Browser { role: Role::Admin | Role::Member, .. }) if names_one => {
                Problem::not_found()
            }
            (_, Caller::Browser { role: Role::Admin | Role::Member, .. }) => Problem::not_for_role(),
            (Self::Has(scope), Caller::Key { .. }) => Problem::not_for_key(Some(scope.name())),
            (_, Caller::Key { .. }) => Problem::not_for_key(None),
            (_, Caller::Browser { .. } | Caller::CommandLine) => Problem::forbidden(),
        })
    }

    /// The roles that have what it takes.
    #[cfg(test)]
    pub(crate) fn roles(self) -> Vec<&'static str> {
        let named = [(Role::Owner, "owner"), (Role::Admin, "admin"), (Role::Member, "member")];
        let has = |role| self.has(&Caller::Browser { session: SecretHash([0; 32]), role, wallet: None });
        named.into_iter().filter(|(role, _)| has(*role)).map(|(_, name)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;
    use std::collections::BTreeMap;

    fn browser(role: Role) -> Caller {
        Caller::Browser { session: SecretHash([0; 32]), role, wallet: None }
    }

    fn key(names: &[&'static str]) -> Caller {
        let scopes = Scopes::parse(names.iter().copied()).expect("scopes");
        Caller::Key { key: SecretHash([0; 32]), scopes }
    }

    /// The table as it is meant to be, written a second time and by hand: what each route takes.
    const MEANT: &[(&str, &[&str])] = &[
        (
            "public",
            &[
                "GET /health",
                "GET /whoami",
                "POST /auth/link",
                "GET /auth/nonce",
                "POST /auth/wallet",
                "GET /auth/session",
                "GET /api/openapi.json",
            ],
        ),
        (
            "signed in",
            &["POST /auth/logout", "GET /api/sessions", "DELETE /api/sessions", "DELETE /api/sessions/{id}"],
        ),
        (
            "doors",
            &[
                "GET /api/wallets",
                "POST /api/wallets",
                "PATCH /api/wallets/{address}",
                "DELETE /api/wallets/{address}",
                "GET /api/keys",
                "POST /api/keys",
                "DELETE /api/keys/{id}",
                "GET /api/security-log",
                "POST /api/identity/phrase",
                "POST /api/identity/phrase/confirm",
                "PUT /api/identity/passphrase",
                "GET /api/setup",
                "PUT /api/setup",
                "POST /api/setup/restore",
                "GET /api/storage",
                "GET /api/settings",
                "PUT /api/settings/network",
            ],
        ),
        ("command line", &["POST /api/login-link"]),
        ("something", &["GET /ws"]),
        ("profile:read", &["GET /api/identity"]),
        ("profile:write", &["PATCH /api/identity"]),
        (
            "chat:read",
            &[
                "GET /api/contacts",
                "GET /api/contacts/{did}",
                "GET /api/conversations/{did}/messages",
                "GET /api/search",
                "GET /api/conversations/{did}/export",
                "GET /api/chat/settings",
            ],
        ),
        (
            "chat:write",
            &[
                "POST /api/contacts",
                "PATCH /api/contacts/{did}",
                "DELETE /api/contacts/{did}",
                "PUT /api/contacts/{did}/receipts",
                "POST /api/contacts/{did}/accept",
                "POST /api/contacts/{did}/block",
                "POST /api/contacts/{did}/unblock",
                "POST /api/invitations",
                "POST /api/conversations/{did}/messages",
                "PATCH /api/conversations/{did}/messages/{id}",
                "DELETE /api/conversations/{did}/messages/{id}",
                "PUT /api/conversations/{did}/messages/{id}/reaction",
                "POST /api/conversations/{did}/read",
                "POST /api/conversations/{did}/typing",
                "PUT /api/chat/settings",
                "PUT /api/conversations/{did}/timer",
            ],
        ),
        (
            "files:read",
            &[
                "GET /api/transfers",
                "GET /api/transfers/settings",
                "GET /api/transfers/{id}",
                "GET /api/transfers/{id}/content",
                "GET /api/doctor/blobs",
            ],
        ),
        (
            "files:write",
            &[
                "POST /api/transfers",
                "POST /api/uploads",
                "PUT /api/transfers/auto/{did}",
                "PUT /api/transfers/rates",
                "POST /api/transfers/{id}/accept",
                "POST /api/transfers/{id}/decline",
                "POST /api/transfers/{id}/pause",
                "POST /api/transfers/{id}/resume",
                "POST /api/transfers/{id}/cancel",
                "POST /api/transfers/{id}/retry",
                "POST /api/transfers/{id}/withdraw",
                "POST /api/doctor/blobs",
            ],
        ),
        (
            "network:read",
            &[
                "GET /api/network",
                "GET /api/network/traffic",
                "POST /api/network/test",
                "GET /api/network/level",
                "GET /api/doctor",
            ],
        ),
        ("lending:read", &["GET /api/mailboxes"]),
        (
            "lending:write",
            &[
                "PUT /api/network/level",
                "PUT /api/network/shares",
                "PUT /api/mailboxes/pinned/{did}",
                "DELETE /api/mailboxes/pinned/{did}",
                "PUT /api/mailboxes/served/{did}",
                "DELETE /api/mailboxes/served/{did}",
            ],
        ),
        ("records:read", &["GET /api/records/{did}/{salt}", "GET /api/cards/{did}"]),
        ("records:write", &["PUT /api/records/{salt}", "DELETE /api/records/{salt}"]),
        (
            "wasm:read",
            &[
                "GET /api/wasm/apps",
                "GET /api/wasm/apps/{id}",
                "GET /api/wasm/runs",
                "GET /api/wasm/runs/{id}",
                "GET /api/wasm/runs/{id}/stream",
            ],
        ),
        (
            "wasm:write",
            &[
                "POST /api/wasm/execute-file",
                "POST /api/wasm/execute",
                "POST /api/wasm/apps",
                "DELETE /api/wasm/apps/{id}",
                "PUT /api/wasm/apps/{id}/grants",
                "POST /api/wasm/runs",
                "DELETE /api/wasm/runs/{id}",
            ],
        ),
    ];

    #[test]
    fn every_route_has_exactly_the_row_it_is_meant_to_have() {
        let name = |access: Access| match access {
            Access::Public => "public",
            Access::SignedIn => "signed in",
            Access::Has(scope) => scope.name(),
            Access::Something => "something",
            Access::Doors => "doors",
            Access::CommandLine => "command line",
        };
        let rows = MEANT.iter().flat_map(|(takes, routes)| routes.iter().map(move |route| (*route, *takes)));
        let meant: BTreeMap<String, &str> = rows.map(|(route, takes)| (route.to_owned(), takes)).collect();
        let there =
            routes::all().map(|route| (format!("{} {}", route.method, route.path), name(route.access)));
        assert_eq!(there.collect::<BTreeMap<_, _>>(), meant);
    }

    #[test]
    fn nobody_reaches_what_is_not_public() {
        for route in routes::all() {
            let open = route.access.allows(&Caller::Nobody, false).is_ok();
            assert_eq!(open, route.access == Access::Public, "{}", route.path);
        }
    }

    #[test]
    fn a_browser_cannot_make_links_and_a_key_no_further_ways_in() {
        let code =
            |access: Access, caller: &Caller| access.allows(caller, true).err().map(|error| error.code());
        assert_eq!(code(Access::CommandLine, &browser(Role::Owner)), Some("forbidden"));
        assert_eq!(code(Access::CommandLine, &Caller::CommandLine), None);
        let all: Vec<&str> = ALL_SCOPES.iter().map(|(_, name)| *name).collect();
        for access in [Access::CommandLine, Access::Doors, Access::SignedIn] {
            assert_eq!(code(access, &key(&all)), Some("not_for_key"), "{access:?}");
        }
    }

    #[test]
    fn the_owner_reaches_everything_but_links() {
        for route in routes::all().filter(|route| route.access != Access::CommandLine) {
            assert!(route.access.allows(&browser(Role::Owner), true).is_ok(), "{}", route.path);
            assert!(route.access.allows(&Caller::CommandLine, true).is_ok(), "{}", route.path);
        }
    }

    #[test]
    fn an_admin_sees_how_the_node_does_and_runs_modules_and_a_member_has_neither() {
        let reached = |role| {
            let has = routes::all().filter(|route| route.access.allows(&browser(role), true).is_ok());
            let own = has.filter(|route| !matches!(route.access, Access::Public | Access::SignedIn));
            own.map(|route| route.path).filter(|path| !path.starts_with("/api/wasm/")).collect::<Vec<_>>()
        };
        let network = [
            "/api/network",
            "/api/network/traffic",
            "/api/network/test",
            "/api/network/level",
            "/api/doctor",
        ];
        assert_eq!(reached(Role::Admin), [&["/ws"][..], &network].concat());
        assert_eq!(reached(Role::Member), [""; 0]);
        for route in routes::all().filter(|route| route.path.starts_with("/api/wasm/")) {
            assert!(route.access.allows(&browser(Role::Admin), true).is_ok(), "{}", route.path);
            assert!(route.access.allows(&browser(Role::Member), true).is_err(), "{}", route.path);
        }
    }

    #[test]
    fn what_is_somebody_elses_looks_absent_and_what_a_role_lacks_is_said() {
        let code = |names_one| {
            let refused =
                Access::Has(Scope(Area::Chat, Deed::Read)).allows(&browser(Role::Member), names_one);
            refused.err().map(|problem| (problem.status().as_u16(), problem.code()))
        };
        assert_eq!(code(true), Some((404, "no_route")));
        assert_eq!(code(false), Some((403, "not_for_role")));
    }

    #[test]
    fn a_key_does_what_its_scopes_say_and_nothing_else() {
        for (scope, name) in ALL_SCOPES {
            for (other, _) in ALL_SCOPES {
                assert_eq!(key(&[name]).has(other), scope == other, "{name}");
            }
        }
        assert!(Access::Something.allows(&key(&["chat:read"]), false).is_ok());
        assert!(Access::Something.allows(&key(&["chat:write"]), false).is_err());
    }

    #[test]
    fn scopes_are_read_as_they_are_written() {
        let names: Vec<&str> = ALL_SCOPES.iter().map(|(_, name)| *name).collect();
        assert_eq!(
            Scopes::parse(names.iter().copied()).map(Scopes::names),
            Ok(names.iter().map(ToString::to_string).collect())
        );
        assert_eq!(Scopes::parse(["chat:read", "chat:reed"]), Err("chat:reed"));
        assert_eq!(Scopes::known(&["chat:read".into(), "of:tomorrow".into()]).names(), ["chat:read"]);
    }
}
