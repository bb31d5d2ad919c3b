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
    use crate::routes::{self, Route, Takes};
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
            routes::all().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(described, there);
    }

    /// `docs/events.md` by type of event: what it says, and its example.
    fn documented_events() -> Vec<(String, String, Value)> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.md");
        let text = fs::read_to_string(path).expect("the events are documented");
        let sections = text.split("\n## `").skip(1).map(|section| {
            let (name, rest) = section.split_once('`').expect("a name");
            let (words, rest) = rest.split_once("```json").expect("an example");
            let example = rest.split("```").next().expect("its end");
            let example = serde_json::from_str(example).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name.to_owned(), words.to_owned(), example)
        });
        sections.collect()
    }

    #[test]
    fn every_event_is_documented_with_an_example_that_is_one() {
        let schema = &document::schemas()["Frame"];
        let kinds = schema["oneOf"].as_array().expect("one of several").iter();
        let there: BTreeSet<String> = kinds
            .clone()
            .map(|kind| kind["properties"]["type"]["const"].as_str().expect("a type").to_owned())
            .collect();
        let documented = documented_events();
        let named: BTreeSet<String> = documented.iter().map(|(name, ..)| name.clone()).collect();
        assert_eq!(named, there, "docs/events.md has a section for each type of event, and no other");
        for (name, words, example) in documented {
            assert_eq!(example["type"], *name);
            let frame: crate::dto::Frame =
                serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                serde_json::to_value(&frame).expect("JSON"),
                example,
                "{name}: a field is missing or made up"
            );
            let kind = kinds.clone().find(|kind| kind["properties"]["type"]["const"] == *name);
            let data = kind.and_then(|kind| kind["properties"]["data"]["$ref"].as_str());
            let data =
                data.and_then(|reference| reference.rsplit('/').next()).map(|data| format!("`{data}`"));
            assert!(
                data.is_none_or(|data| words.contains(&data)),
                "{name}: the type of its data is not named"
            );
        }
    }

    #[test]
    fn every_type_that_a_route_names_is_described() {
        let schemas = document::schemas();
        let takes = |route: &Route| match route.takes {
            Takes::Json(name) | Takes::OptionalJson(name) => Some(name),
            Takes::Nothing | Takes::Bytes => None,
        };
        for name in routes::all().flat_map(|route| takes(route).into_iter().chain(route.gives)) {
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
