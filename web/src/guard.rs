//! Who may address this server at all: the checks before any route is looked at.
//!
//! **Host.** A page on a hostile site can make its own name point to 127.0.0.1 (DNS rebinding) and then counts
//! as same-origin with itself. So a request must name us as we are known: a loopback name with our port, or a configured name.
//! **Origin.** What changes state, and the WebSocket, must come from our own page or from no page at all.
//! `Sec-Fetch-Site`, where a browser sends it, must agree: other ports of this machine are "same-site" and are refused, too.
//!
//! There is no CORS: no other page may read anything here. Not here: who is signed in ([`crate::auth`]).

use crate::problem::Problem;
use warp::http::{HeaderMap, Method, header};

/// Under which names this server answers.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    hosts: Vec<String>,
}

/// What is asked for, as far as the origin of a request matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file of the page: public, and reached by links from anywhere.
    Page,
    /// Everything else.
    Api,
    /// The event stream: browsers let any page open one.
    Events,
}

impl Target {
    /// What a path asks for.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            "/ws" => Self::Events,
            "/health" | "/whoami" => Self::Api,
            path if path.starts_with("/api/") || path.starts_with("/auth/") => Self::Api,
            _ => Self::Page,
        }
    }
}

impl Guard {
    /// Loopback names with `port`, and the configured `names`: `host` stands for itself and `host:port`, `host:number` for itself.
    pub(crate) fn new(port: u16, names: &[String]) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}"));
        let configured = names.iter().flat_map(|name| {
            let name = name.trim().to_ascii_lowercase();
            let with_port = format!("{name}:{port}");
            [name, with_port]
        });
        Self { hosts: loopback.into_iter().chain(configured).collect() }
    }

    /// Checks one request, and says under which of our names it came.
    ///
    /// # Errors
    /// A [`Problem`] that says what does not fit.
    pub(crate) fn check(
        &self,
        target: Target,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<String, Problem> {
        let host = self.host(headers)?;
        if target == Target::Page {
            return Ok(host);
        }
        if let Some(site) = text(headers, "sec-fetch-site")?
            && !matches!(site, "same-origin" | "none")
        {
            return Err(Problem::foreign_origin());
        }
        let careful = target == Target::Events || !method.is_safe();
        match text(headers, header::ORIGIN.as_str())? {
            Some(origin) if careful && !is_of(origin, &host) => Err(Problem::foreign_origin()),
            _ => Ok(host),
        }
    }

    /// The name by which we are addressed, if it is one of ours.
    fn host(&self, headers: &HeaderMap) -> Result<String, Problem> {
        let named = text(headers, header::HOST.as_str())?.map(str::to_ascii_lowercase);
        match named {
            Some(host) if self.hosts.contains(&host) => Ok(host),
            named => Err(Problem::wrong_host(named.as_deref().unwrap_or("nobody"))),
        }
    }
}

/// Whether `origin` is the page that we serve under `host`. Which of the two schemes a proxy in front of us speaks is not known here.
fn is_of(origin: &str, host: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| origin.strip_prefix(scheme).is_some_and(|rest| rest.eq_ignore_ascii_case(host)))
}

/// The one value of a header. Two of them, or unprintable ones, are somebody's trick.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(Some).map_err(|_| Problem::bad_request("a header is not plain text"))
        }
        (Some(_), Some(_)) => Err(Problem::bad_request("a header that may be there once is there twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(4200, &["pc2.example.org".to_owned(), "Proxy.example:8443".to_owned()])
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header value"));
        }
        headers
    }

    fn code(target: Target, method: Method, pairs: &[(&'static str, &'static str)]) -> Option<&'static str> {
        guard().check(target, &method, &headers(pairs)).err().map(|problem| problem.code())
    }

    #[test]
    fn we_answer_to_our_own_names_only() {
        for host in [
            "127.0.0.1:4200",
            "localhost:4200",
            "LocalHost:4200",
            "[::1]:4200",
            "pc2.example.org",
            "proxy.example:8443",
        ] {
            assert_eq!(code(Target::Page, Method::GET, &[("host", host)]), None, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:4200",
            "127.0.0.1",
            "localhost:4201",
            "127.0.0.1.evil.example:4200",
            "",
        ] {
            assert_eq!(code(Target::Page, Method::GET, &[("host", host)]), Some("wrong_host"), "{host}");
        }
        assert_eq!(code(Target::Page, Method::GET, &[]), Some("wrong_host"));
        let twice = [("host", "localhost:4200"), ("host", "evil.example")];
        assert_eq!(code(Target::Page, Method::GET, &twice), Some("bad_request"));
    }

    #[test]
    fn a_change_must_come_from_our_page_or_from_no_page() {
        let post =
            |origin| code(Target::Api, Method::POST, &[("host", "localhost:4200"), ("origin", origin)]);
        assert_eq!(post("http://localhost:4200"), None);
        assert_eq!(code(Target::Api, Method::POST, &[("host", "localhost:4200")]), None);
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:4201",
            "http://127.0.0.1:4200",
            "http://localhost:42000",
        ] {
            assert_eq!(post(origin), Some("foreign_origin"), "{origin}");
        }
    }

    #[test]
    fn the_event_stream_is_as_careful_as_a_change() {
        let open =
            |origin| code(Target::Events, Method::GET, &[("host", "localhost:4200"), ("origin", origin)]);
        assert_eq!(open("http://localhost:4200"), None);
        assert_eq!(open("http://evil.example"), Some("foreign_origin"));
    }

    #[test]
    fn another_port_of_this_machine_is_another_site() {
        let fetch =
            |site| code(Target::Api, Method::GET, &[("host", "localhost:4200"), ("sec-fetch-site", site)]);
        assert_eq!(fetch("same-origin"), None);
        assert_eq!(fetch("none"), None);
        assert_eq!(fetch("same-site"), Some("foreign_origin"));
        assert_eq!(fetch("cross-site"), Some("foreign_origin"));
    }

    #[test]
    fn every_route_is_guarded_as_more_than_a_page() {
        for route in crate::routes::all() {
            assert_ne!(Target::of(route.path), Target::Page, "{}", route.path);
        }
    }

    #[test]
    fn a_link_from_elsewhere_may_lead_to_the_page() {
        let link = [("host", "localhost:4200"), ("sec-fetch-site", "cross-site")];
        assert_eq!(code(Target::Page, Method::GET, &link), None);
    }
}
