//! How an answer is put together: JSON, the headers every answer carries, nothing cached that is personal.

use serde::Serialize;
use warp::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    reply::Response,
};

/// What stands on every answer, whatever it is.
///
/// No inline scripts or styles, nothing from other places, no frames, no guessing of types, no addresses handed on.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A value as JSON.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    let body = serde_json::to_vec(value).expect("our own types have string keys and no failing serialisers");
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// No body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// Adds what every answer carries. What says nothing about caching is not to be kept; what has a policy of its own (a file of somebody else's, which may do
/// even less) keeps it.
pub(crate) fn finished(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_forbids_inline_scripts_and_caching() {
        let response = finished(json(StatusCode::OK, &1));
        let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).expect("a policy");
        let policy = policy.to_str().expect("text");
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"));
        // Without these the page could not be installed, nor open while the node is away.
        assert!(policy.contains("manifest-src 'self';") && policy.contains("worker-src 'self';"));
        assert_eq!(response.headers().get(header::CACHE_CONTROL).expect("a rule"), "no-store");
    }

    #[test]
    fn a_file_keeps_its_own_rule_about_caching() {
        let mut response = empty(StatusCode::OK);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        assert_eq!(finished(response).headers().get(header::CACHE_CONTROL).expect("a rule"), "no-cache");
    }
}
