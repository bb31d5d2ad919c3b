//! The routes: method, path, who may, what goes in and out, and who answers. The server has no others.
//!
//! This table is what requests are matched against, what roles are checked by and what the OpenAPI
//! document is made from, so the three cannot disagree.

mod chat;
mod files;
mod network;
mod node;
mod wasm;

use crate::{
    app::App,
    problem::Problem,
    request::{Call, MAX_BODY_BYTES, decoded},
    roles::Access,
};
use futures::future::BoxFuture;
use std::sync::Arc;
use warp::{http::Method, reply::Response};

/// A handler of this form in the form of the tables.
macro_rules! by {
    ($handler:path) => {
        |app, call| Box::pin(async move { $handler(&app, call).await })
    };
}
use by;

/// Every route there is. A row says method, path, who may, what it does and who answers; then what goes in and out.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    [node::ROUTES, chat::ROUTES, network::ROUTES, files::ROUTES, wasm::ROUTES].into_iter().flatten()
}

/// Answers a call.
pub(crate) type Handler = fn(Arc<App>, Call) -> BoxFuture<'static, Result<Response, Problem>>;

/// One thing that can be done at one path.
pub(crate) struct Route {
    /// How.
    pub(crate) method: Method,
    /// Where; `{…}` stands for one part.
    pub(crate) path: &'static str,
    /// What stands before the first part of that kind: most routes are told apart by it.
    fixed: &'static str,
    /// Who may.
    pub(crate) access: Access,
    /// What it does, in a line.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the OpenAPI document, which a test makes"))]
    pub(crate) summary: &'static str,
    /// What the query can say: name and meaning.
    pub(crate) query: &'static [(&'static str, &'static str)],
    /// What it takes.
    pub(crate) takes: Takes,
    /// Longest body, in bytes.
    pub(crate) most: usize,
    /// The status when it went well.
    pub(crate) status: u16,
    /// The type in [`crate::dto`] that it gives.
    pub(crate) gives: Option<&'static str>,
    /// It gives bytes of any number instead, of this media type.
    pub(crate) gives_bytes: Option<&'static str>,
    /// Who answers.
    pub(crate) handler: Handler,
}

/// What a route takes as its body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// None.
    Nothing,
    /// A value of this type in [`crate::dto`].
    Json(
        #[cfg_attr(not(test), expect(dead_code, reason = "for the OpenAPI document, which a test makes"))]
        &'static str,
    ),
    /// The same, or nothing.
    OptionalJson(
        #[cfg_attr(not(test), expect(dead_code, reason = "for the OpenAPI document, which a test makes"))]
        &'static str,
    ),
    /// Bytes of any number, piece by piece.
    Bytes,
}

/// What a method and a path lead to.
pub(crate) enum Found {
    /// A route, and what stood for its parts.
    Route(&'static Route, Vec<String>),
    /// The path has routes, but not with this method.
    WrongMethod,
    /// Nothing of ours: perhaps a file of the page.
    Nothing,
}

/// Finds the route of a request.
///
/// # Errors
/// When the path is not properly encoded.
pub(crate) fn find(method: &Method, path: &str) -> Result<Found, Problem> {
    let mut seen = false;
    for route in all().filter(|route| path.starts_with(route.fixed)) {
        if let Some(params) = params(route.path, path)? {
            if route.method == *method {
                return Ok(Found::Route(route, params));
            }
            seen = true;
        }
    }
    Ok(if seen { Found::WrongMethod } else { Found::Nothing })
}

/// What stands in `path` where the pattern has `{…}`; `None` when it does not fit.
fn params(pattern: &str, path: &str) -> Result<Option<Vec<String>>, Problem> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut params = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Ok(Some(params)),
            (Some(part), Some(value)) if part.starts_with('{') && !value.is_empty() => {
                params.push(decoded(value)?.into_owned());
            }
            (Some(part), Some(value)) if part == value => {}
            _ => return Ok(None),
        }
    }
}

const fn before_parts(path: &str) -> &str {
    let mut end = 0;
    while end < path.len() && path.as_bytes()[end] != b'{' {
        end += 1;
    }
    path.split_at(end).0
}

const fn at(
    method: Method,
    path: &'static str,
    access: Access,
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        fixed: before_parts(path),
        access,
        summary,
        query: &[],
        takes: Takes::Nothing,
        most: MAX_BODY_BYTES,
        status: 200,
        gives: None,
        gives_bytes: None,
        handler,
    }
}

impl Route {
    const fn asks(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    const fn takes(mut self, body: &'static str) -> Self {
        self.takes = Takes::Json(body);
        self
    }

    const fn may_take(mut self, body: &'static str) -> Self {
        self.takes = Takes::OptionalJson(body);
        self
    }

    /// Its body may be longer than others'.
    const fn up_to(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    const fn takes_bytes(mut self) -> Self {
        self.takes = Takes::Bytes;
        self
    }

    const fn gives_bytes(mut self, media_type: &'static str) -> Self {
        self.gives_bytes = Some(media_type);
        self
    }

    const fn gives(mut self, status: u16, body: &'static str) -> Self {
        self.status = status;
        self.gives = Some(body);
        self
    }

    const fn done(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn found(method: Method, path: &str) -> Option<(&'static str, Vec<String>)> {
        match find(&method, path) {
            Ok(Found::Route(route, params)) => Some((route.path, params)),
            _ => None,
        }
    }

    #[test]
    fn every_route_is_found_at_its_own_path_and_no_two_share_one() {
        let mut seen = BTreeSet::new();
        for route in all() {
            let path = route.path.replace(['{', '}'], "");
            assert_eq!(found(route.method.clone(), &path).map(|(path, _)| path), Some(route.path));
            assert!(seen.insert(format!("{} {}", route.method, route.path)));
        }
    }

    #[test]
    fn parts_of_the_path_are_decoded() {
        let (path, params) = found(Method::GET, "/api/records/did%3Aboson%3AA/my%20salt").expect("a route");
        assert_eq!(path, "/api/records/{did}/{salt}");
        assert_eq!(params, ["did:boson:A", "my salt"]);
    }

    #[test]
    fn what_has_no_route_is_nothing() {
        for path in ["/api", "/api/", "/api/contacts/", "/api/contacts//block", "/apis/contacts", "/ws/", ""]
        {
            assert!(matches!(find(&Method::GET, path), Ok(Found::Nothing)), "{path}");
        }
        assert!(matches!(find(&Method::PUT, "/api/contacts"), Ok(Found::WrongMethod)));
        assert!(find(&Method::GET, "/api/contacts/%ff").is_err());
    }
}
