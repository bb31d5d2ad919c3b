//! The API, described for programs: `GET /api/openapi.json`, OpenAPI 3.1.
//!
//! The document is made from the table of routes and the types in [`crate::dto`], and kept in the repository,
//! where a change of the API is seen in review. A test makes it anew and fails when the file is out of date; so does the one for the
//! page's TypeScript types. `UPDATE=1 cargo test -p pc2-web openapi` writes both.

#[cfg(test)]
mod document;
#[cfg(test)]
mod typescript;

use crate::{app::App, problem::Problem, request::Call};
use warp::{
    http::{HeaderValue, header},
    reply::Response,
};

/// The document.
const DOCUMENT: &str = include_str!("../openapi.json");

/// `GET /api/openapi.json`.
pub(crate) async fn show(_app: &App, _call: Call) -> Result<Response, Problem> {
    let mut response = Response::new(DOCUMENT.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::{ROUTES, Route, Takes};
    use serde_json::Value;
    use std::{collections::BTreeSet, fs, path::Path};

    /// Reads a file of the repository; writes what was made there first, when asked to.
    fn kept(path: &str, made: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, made).expect("the file can be written");
        }
        fs::read_to_string(&path).expect("the file is there")
    }

    #[test]
    fn the_document_is_up_to_date() {
        let made = document::make();
        let kept = kept("openapi.json", &format!("{}\n", serde_json::to_string_pretty(&made).expect("JSON")));
        let kept: Value = serde_json::from_str(&kept).expect("JSON");
        assert!(kept == made, "openapi.json is out of date: UPDATE=1 cargo test -p pc2-web openapi");
    }

    #[test]
    fn the_types_of_the_page_are_up_to_date() {
        let made = typescript::make(&document::schemas());
        let kept = kept("ui/src/lib/api-types.ts", &made);
        assert!(kept == made, "api-types.ts is out of date: UPDATE=1 cargo test -p pc2-web openapi");
    }

    #[test]
    fn the_document_describes_exactly_the_routes_there_are() {
        let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let described: BTreeSet<String> = paths
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().expect("methods");
                methods.keys().map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        let there: BTreeSet<String> =
            ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(described, there);
    }

    #[test]
    fn every_type_that_a_route_names_is_described() {
        let schemas = document::schemas();
        let takes = |route: &Route| match route.takes {
            Takes::Json(name) | Takes::OptionalJson(name) => Some(name),
            Takes::Nothing | Takes::Bytes => None,
        };
        for name in ROUTES.iter().flat_map(|route| takes(route).into_iter().chain(route.gives)) {
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
