//! The web page, from inside the binary.
//!
//! `build.rs` made the files and compressed each text twice (`.br`, `.gz`), so nothing is compressed at run time. Files
//! under `assets/` have their content's hash in their name and never change; the others are asked for again by ETag.

use crate::problem::Problem;
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;
use warp::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    reply::Response,
};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/page"]
struct Page;

/// The compressions there are, best first: their name in HTTP and the ending of their files.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Answers `GET` and `HEAD` of a file.
///
/// # Errors
/// When there is no such file, or something else is to be done with it.
pub(crate) fn serve(method: &Method, path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    // The compressed twins are no files of their own.
    let hidden = ENCODINGS.iter().any(|(_, ending)| name.ends_with(ending));
    let file = Page::get(name).filter(|_| !hidden).ok_or_else(Problem::not_found)?;
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Problem::wrong_method());
    }

    let etag = etag(&file);
    let unchanged =
        headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let (encoding, data) = best(name, file, headers);
    let mut response = Response::default();
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else if *method == Method::GET {
        *response.body_mut() = data.into_owned().into();
    }
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, content_type(name));
    out.insert(header::ETAG, value(&etag));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching(name)));
    if let Some(encoding) = encoding.filter(|_| !unchanged) {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Ok(response)
}

/// The file in the best form that the other side reads.
fn best(name: &str, plain: EmbeddedFile, headers: &HeaderMap) -> (Option<&'static str>, Cow<'static, [u8]>) {
    let accepted =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let compressed = ENCODINGS
        .into_iter()
        .filter(|(encoding, _)| accepts(accepted, encoding))
        .find_map(|(encoding, ending)| Some((encoding, Page::get(&format!("{name}{ending}"))?)));
    match compressed {
        Some((encoding, file)) => (Some(encoding), file.data),
        None => (None, plain.data),
    }
}

/// Whether a list like `gzip, br;q=0.8` takes an encoding. `q=0` refuses it.
fn accepts(list: &str, encoding: &str) -> bool {
    list.split(',').any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        named && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// The beginning of the content's hash. One for all encodings: `Vary` keeps them apart, and each unpacks to the same.
fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let start: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{start}\"")
}

fn content_type(name: &str) -> HeaderValue {
    value(mime_guess::from_path(name).first_or_octet_stream().as_ref())
}

fn caching(name: &str) -> &'static str {
    if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("hexadecimal digits and media types are plain text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, pairs: &[(&'static str, &str)]) -> Result<Response, Problem> {
        let mut headers = HeaderMap::new();
        for (name, text) in pairs {
            headers.insert(*name, text.parse().expect("a header value"));
        }
        serve(&Method::GET, path, &headers)
    }

    fn page(pairs: &[(&'static str, &str)]) -> Response {
        get("/", pairs).expect("there is a page")
    }

    #[test]
    fn the_page_is_asked_for_again_by_etag() {
        let etag = page(&[]).headers().get(header::ETAG).expect("an ETag").clone();
        let again = page(&[("if-none-match", etag.to_str().expect("text"))]);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers().get(header::CACHE_CONTROL).expect("a rule"), "no-cache");
        assert_eq!(page(&[("if-none-match", "W/\"other\"")]).status(), StatusCode::OK);
    }

    #[test]
    fn only_files_are_served_and_only_read() {
        let code = |path| get(path, &[]).err().map(|problem| problem.code());
        for path in ["/nothing", "/../Cargo.toml", "/index.html.br", "/assets/", "//index.html/"] {
            assert_eq!(code(path), Some("no_route"), "{path}");
        }
        let post = serve(&Method::POST, "/", &HeaderMap::new());
        assert_eq!(post.err().map(|problem| problem.code()), Some("wrong_method"));
    }

    #[test]
    fn an_encoding_is_used_when_it_is_accepted() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("BR;q=0.5", "br"));
        assert!(!accepts("gzip", "br"));
        assert!(!accepts("br;q=0, gzip", "br"));
        assert!(!accepts("brotli", "br"));
        assert!(!accepts("", "gzip"));
    }
}
