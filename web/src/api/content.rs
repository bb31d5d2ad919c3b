//! The bytes of a file: `GET /api/transfers/{id}/content`, whole or a range of them.
//!
//! The file is somebody else's work, so a browser is told to save it, whatever it claims to be. Only pictures of a few kinds and plain text are shown, when
//! asked for, and even these in a sandbox: no script of a file ever runs as this page. A range is tied to the file by its hash.
//!
//! Not here: which file it is and whether it still is that ([`pc2_actors::api::NodeHandle::content`]).

use crate::{app::App, convert, problem::Problem, request::Call};
use futures::{Stream, stream};
use hyper::body::Bytes;
use pc2_actors::api::Content;
use std::{fmt::Write as _, io, ops::Range, sync::Arc};
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking};
use warp::{
    Reply as _,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// Of a shown file: nothing but itself, no script, no form, no frame, no origin.
pub(super) const POLICY: &str =
    "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Pictures that every browser draws without running anything of them.
const PICTURES: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];

/// Longest name that is told, in characters.
const MAX_NAME_CHARS: usize = 200;

/// `GET /api/transfers/{id}/content`.
pub(crate) async fn show(app: &App, call: Call) -> Result<Response, Problem> {
    let id = convert::files::transfer_id(call.param(0))?;
    let inline = call.asked("inline")?.as_deref() == Some("1");
    let place = Arc::clone(&app.downloads).try_acquire_owned().map_err(|_| Problem::too_many_downloads())?;
    let content = app.node.content(app.node.account(), id).await?;
    let size = content.size;
    let etag = format!("\"{}\"", content.blob.hex());
    let wanted = wanted(&call.headers, &etag, size);
    let shown = if inline { shown_as(&content.mime) } else { None };
    let disposition = disposition(&content.name, shown.is_some());

    let (status, range) = match wanted {
        Wanted::All => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let mut response = Problem::no_such_range(size).into_response();
            response.headers_mut().insert(header::CONTENT_RANGE, value(&format!("bytes */{size}")));
            return Ok(response);
        }
    };
    let length = range.end.saturating_sub(range.start);
    let part = (status == StatusCode::PARTIAL_CONTENT)
        .then(|| format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)));
    let mut response = warp::reply::stream(pieces(content, range, place)).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(shown.unwrap_or("application/octet-stream")));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_DISPOSITION, value(&disposition));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, value(&etag));
    if let Some(part) = part {
        headers.insert(header::CONTENT_RANGE, value(&part));
    }
    Ok(response)
}

/// The bytes of a range, piece by piece, each read on a thread that may wait. A file that became shorter breaks the answer off.
fn pieces(
    content: Content,
    range: Range<u64>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync {
    stream::try_unfold((Arc::new(content), range, place), |(content, range, place)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let length = PIECE_BYTES.min(range.end.saturating_sub(range.start));
        let (file, from) = (Arc::clone(&content), range.start);
        let read = spawn_blocking(move || {
            let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
            let read = file.read_at(&mut piece, from)?;
            piece.truncate(read);
            if piece.is_empty() { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) } else { Ok(piece) }
        });
        let piece = read.await.map_err(io::Error::other)??;
        let next = from.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok(Some((Bytes::from(piece), (content, next..range.end, place))))
    })
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    /// A range behind the end.
    Nothing,
}

/// Reads `Range` and `If-Range`. Several ranges, other units and what is no range are answered by the whole file, as HTTP allows.
fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A date does not name a file.
    if headers.contains_key(header::IF_RANGE) && text(header::IF_RANGE) != Some(etag) {
        return Wanted::All;
    }
    let Some(spec) = text(header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
        return Wanted::All;
    };
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::All };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More than fits is behind every end.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Wanted::All,
    };
    if range.start >= range.end { Wanted::Nothing } else { Wanted::Part(range) }
}

/// As what a file of this media type may be shown, if it may be shown at all.
fn shown_as(mime: &str) -> Option<&'static str> {
    let media_type = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if let Some(picture) = PICTURES.into_iter().find(|picture| *picture == media_type) {
        return Some(picture);
    }
    // As text even a program is just text; what browsers are keen to run is left out all the same.
    let is_text = media_type.starts_with("text/") && !media_type.contains("html");
    is_text.then_some("text/plain; charset=utf-8")
}

/// `Content-Disposition`: a name of our own making, in the one form that needs no quoting (RFC 8187).
pub(super) fn disposition(name: &str, inline: bool) -> String {
    let mut text = if inline { "inline" } else { "attachment" }.to_owned();
    text.push_str("; filename*=UTF-8''");
    let name: String = name.chars().take(MAX_NAME_CHARS).map(|c| if misleads(c) { '_' } else { c }).collect();
    let name = if name.is_empty() { "file".to_owned() } else { name };
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Characters that end a line, lead into a folder, or make a name look like another.
pub(crate) fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '/' | '\\' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("numbers, hexadecimal digits and percent-encoded names are plain text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, if_range: Option<&str>, size: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().expect("a header value"));
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, tag.parse().expect("a header value"));
        }
        wanted(&headers, "\"tag\"", size)
    }

    #[test]
    fn one_range_is_answered_and_ends_with_the_file() {
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..10),
            ("bytes=3-5", 3..6),
            ("bytes=3-99", 3..10),
            ("bytes=3-99999999999999999999999", 3..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
        ] {
            assert_eq!(asked(range, None, 10), Wanted::Part(expected), "{range}");
        }
        for range in ["bytes=10-", "bytes=10-12", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(asked(range, None, 10), Wanted::Nothing, "{range}");
        }
        assert_eq!(asked("bytes=0-", None, 0), Wanted::Nothing);
    }

    #[test]
    fn what_is_no_single_range_is_answered_by_all_of_it() {
        for range in
            ["", "bytes=", "bytes=-", "bytes=5-3", "bytes=a-b", "bytes=0-1,3-4", "bytes=+1-2", "items=0-1"]
        {
            assert_eq!(asked(range, None, 10), Wanted::All, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_file_is_answered_by_all_of_this_one() {
        assert_eq!(asked("bytes=3-5", Some("\"tag\""), 10), Wanted::Part(3..6));
        for other in ["\"other\"", "W/\"tag\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(asked("bytes=3-5", Some(other), 10), Wanted::All, "{other}");
        }
    }

    #[test]
    fn only_pictures_and_text_are_shown_and_nothing_that_could_run() {
        assert_eq!(shown_as("image/PNG"), Some("image/png"));
        for text in ["text/plain", "text/markdown; charset=latin1", "text/javascript", "text/css"] {
            assert_eq!(shown_as(text), Some("text/plain; charset=utf-8"), "{text}");
        }
        for never in
            ["image/svg+xml", "text/html", "application/xhtml+xml", "application/pdf", "", "text", "image/"]
        {
            assert_eq!(shown_as(never), None, "{never}");
        }
    }

    #[test]
    fn a_name_is_told_in_plain_characters_whatever_is_in_it() {
        assert_eq!(disposition("a b.txt", false), "attachment; filename*=UTF-8''a%20b.txt");
        assert_eq!(disposition("ü.png", true), "inline; filename*=UTF-8''%C3%BC.png");
        for name in [
            "a\"; filename=evil.exe",
            "a\r\nset-cookie: x=1",
            "a\u{202e}gpj.exe",
            "../../x",
            "\0",
            "",
            "%41;'",
        ] {
            let told = disposition(name, false);
            let rest = told.strip_prefix("attachment; filename*=UTF-8''").expect("the form");
            let plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._%".contains(&byte));
            assert!(plain && !rest.is_empty(), "{told}");
            for hidden in ["%0D", "%0A", "%E2%80%AE", "%2F", "%5C", "%00"] {
                assert!(!rest.contains(hidden), "{told}");
            }
        }
        assert!(disposition(&"é".repeat(5_000), false).len() < 2_000);
    }
}
