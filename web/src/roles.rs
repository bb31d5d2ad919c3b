//! Who may do what: the one place that decides.
//!
//! Every route names its [`Access`] in [`crate::routes::ROUTES`]; a request is let through only when [`Access::allows`] says so, and a path without a
//! route reaches nothing. More roles (admin, member) are more variants here and nothing elsewhere.

use crate::{problem::Problem, secret::SecretHash};

/// Who is asking, as far as they have proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Anybody.
    Nobody,
    /// The owner, in a browser that was signed in.
    Browser {
        /// Which session.
        session: SecretHash,
    },
    /// The owner, at the command line of this machine.
    CommandLine,
}

/// What somebody is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Whose node it is.
    Owner,
}

/// Who a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody who reaches the server.
    Public,
    /// The owner.
    Owner,
    /// The owner, and only at the command line: a browser that is signed in must not be able to make further ways in.
    CommandLine,
}

impl Caller {
    /// Their role; `None` for nobody.
    pub(crate) const fn role(&self) -> Option<Role> {
        match self {
            Self::Nobody => None,
            Self::Browser { .. } | Self::CommandLine => Some(Role::Owner),
        }
    }
}

impl Access {
    /// Lets a caller through, or says why not: signing in would help, or it would not.
    ///
    /// # Errors
    /// 401 or 403.
    pub(crate) fn allows(self, caller: &Caller) -> Result<(), Problem> {
        match (self, caller) {
            (Self::Public, _) | (Self::Owner, Caller::Browser { .. } | Caller::CommandLine) => Ok(()),
            (Self::CommandLine, Caller::CommandLine) => Ok(()),
            (Self::Owner | Self::CommandLine, Caller::Nobody) => Err(Problem::sign_in_first()),
            (Self::CommandLine, Caller::Browser { .. }) => Err(Problem::forbidden()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::ROUTES;

    const BROWSER: Caller = Caller::Browser { session: SecretHash([0; 32]) };

    /// The table as it is meant to be, written a second time and by hand: role × route.
    const PUBLIC: &[&str] =
        &["GET /health", "GET /whoami", "POST /auth/link", "GET /auth/session", "GET /api/openapi.json"];
    const COMMAND_LINE: &[&str] = &["POST /api/login-link"];
    const OWNER: &[&str] = &[
        "POST /auth/logout",
        "GET /api/identity",
        "PATCH /api/identity",
        "GET /api/contacts",
        "POST /api/contacts",
        "GET /api/contacts/{did}",
        "PATCH /api/contacts/{did}",
        "DELETE /api/contacts/{did}",
        "POST /api/contacts/{did}/accept",
        "POST /api/contacts/{did}/block",
        "POST /api/contacts/{did}/unblock",
        "POST /api/invitations",
        "GET /api/conversations/{did}/messages",
        "POST /api/conversations/{did}/messages",
        "PATCH /api/conversations/{did}/messages/{id}",
        "DELETE /api/conversations/{did}/messages/{id}",
        "PUT /api/conversations/{did}/messages/{id}/reaction",
        "POST /api/conversations/{did}/read",
        "GET /api/network",
        "PUT /api/network/level",
        "PUT /api/network/shares",
        "GET /api/mailboxes",
        "PUT /api/mailboxes/pinned/{did}",
        "DELETE /api/mailboxes/pinned/{did}",
        "PUT /api/mailboxes/served/{did}",
        "DELETE /api/mailboxes/served/{did}",
        "GET /api/transfers",
        "POST /api/transfers",
        "POST /api/uploads",
        "GET /api/transfers/settings",
        "PUT /api/transfers/auto/{did}",
        "PUT /api/transfers/rates",
        "GET /api/transfers/{id}",
        "POST /api/transfers/{id}/accept",
        "POST /api/transfers/{id}/decline",
        "POST /api/transfers/{id}/pause",
        "POST /api/transfers/{id}/resume",
        "POST /api/transfers/{id}/cancel",
        "POST /api/transfers/{id}/retry",
        "POST /api/transfers/{id}/withdraw",
        "GET /api/transfers/{id}/content",
        "POST /api/doctor/blobs",
        "GET /api/doctor/blobs",
        "GET /api/doctor",
        "PUT /api/records/{salt}",
        "DELETE /api/records/{salt}",
        "GET /api/records/{did}/{salt}",
        "GET /api/cards/{did}",
        "GET /ws",
    ];

    #[test]
    fn every_route_has_exactly_the_row_it_is_meant_to_have() {
        let meant = |access: Access| match access {
            Access::Public => PUBLIC,
            Access::Owner => OWNER,
            Access::CommandLine => COMMAND_LINE,
        };
        for route in ROUTES {
            let name = format!("{} {}", route.method, route.path);
            assert!(meant(route.access).contains(&name.as_str()), "{name} has no row for {:?}", route.access);
        }
        assert_eq!(ROUTES.len(), PUBLIC.len() + OWNER.len() + COMMAND_LINE.len(), "a row without a route");
    }

    #[test]
    fn nobody_reaches_what_is_not_public() {
        let open: Vec<_> =
            ROUTES.iter().filter(|route| route.access.allows(&Caller::Nobody).is_ok()).collect();
        assert_eq!(open.len(), PUBLIC.len());
    }

    #[test]
    fn a_browser_cannot_make_further_ways_in() {
        assert_eq!(Access::CommandLine.allows(&BROWSER).map_err(|problem| problem.code()), Err("forbidden"));
        assert!(Access::CommandLine.allows(&Caller::CommandLine).is_ok());
    }

    #[test]
    fn the_owner_reaches_everything_else() {
        for caller in [BROWSER, Caller::CommandLine] {
            assert!(Access::Owner.allows(&caller).is_ok());
            assert!(Access::Public.allows(&caller).is_ok());
        }
    }
}
