//! A request as handlers get it: parts that were cut out of the path, a body that was read within its bound, and who asks.

use crate::{problem::Problem, roles::Caller};
use futures::{Stream, StreamExt, pin_mut};
use hyper::{body::Bytes, upgrade::OnUpgrade};
use pc2_protocols::id::{Did, NodeId};
use serde::de::DeserializeOwned;
use std::{borrow::Cow, fmt, net::IpAddr, pin::Pin, time::Duration};
use tokio::sync::OwnedSemaphorePermit;
use warp::{
    Buf,
    http::{HeaderMap, header},
};
use zeroize::Zeroizing;

/// Longest body, in bytes. A longest message (16 KiB) of which each byte is escaped as `\u00xx` has 96 KiB.
pub(crate) const MAX_BODY_BYTES: usize = 128 * 1024;

/// A body that takes longer is given up: the longest one needs 35 kbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long nothing may come of a body that is taken piece by piece. Its length may take hours, a break in it may not.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);

/// A body that is taken piece by piece, as it comes. `None` at its end; an error when it broke off.
pub(crate) struct Pieces(Pin<Box<dyn Stream<Item = Option<Bytes>> + Send>>);

impl Pieces {
    /// Nothing of it is read before it is asked for.
    pub(crate) fn new<S, B>(body: S) -> Self
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
        B: Buf + Send,
    {
        Self(Box::pin(body.map(|piece| piece.ok().map(|mut piece| piece.copy_to_bytes(piece.remaining())))))
    }

    /// The next piece.
    ///
    /// # Errors
    /// When it broke off, or nothing came for [`PIECE_TIMEOUT`].
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match tokio::time::timeout(PIECE_TIMEOUT, self.0.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Some(piece))) => Ok(Some(piece)),
            Ok(Some(None)) => Err(Problem::bad_request("the request broke off")),
            Err(_) => Err(Problem::too_slow()),
        }
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pieces")
    }
}

/// One request to one route.
#[derive(Debug)]
pub(crate) struct Call {
    /// Who asks.
    pub(crate) caller: Caller,
    /// From which machine, or which proxy in front of us.
    pub(crate) from: IpAddr,
    /// Under which of our names.
    pub(crate) host: String,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// What stood for `{…}` in the route's path, in order.
    pub(crate) params: Vec<String>,
    /// What followed `?`.
    pub(crate) query: String,
    /// The body of routes that take one. Wiped: some have a phrase or a passphrase in it.
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// The room in memory for a long one: given back with the call, so whoever needs the body no longer drops it before waiting for anybody.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
    /// The body of routes that take bytes of any number.
    pub(crate) pieces: Option<Pieces>,
    /// The offer to become a WebSocket.
    pub(crate) upgrade: Option<OnUpgrade>,
}

impl Call {
    /// The body as the type the route takes.
    ///
    /// # Errors
    /// When it is not exactly one such value.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(Problem::bad_request)
    }

    /// The body of a route that may do without, as the type it takes.
    ///
    /// # Errors
    /// When there is one and it is not exactly one such value.
    pub(crate) fn optional_json<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.body.is_empty() { Ok(T::default()) } else { self.json() }
    }

    /// The part of the path at `index`, as text.
    pub(crate) fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    /// The first part of the path, which is a DID.
    ///
    /// # Errors
    /// When it is none, with what is wrong with it.
    pub(crate) fn did(&self) -> Result<NodeId, Problem> {
        did(self.param(0))
    }

    /// A value of the query.
    ///
    /// # Errors
    /// When it is not properly encoded.
    pub(crate) fn asked(&self, name: &str) -> Result<Option<String>, Problem> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let Some((_, value)) = pairs.find(|(key, _)| *key == name) else { return Ok(None) };
        decoded(value).map(|value| Some(value.into_owned()))
    }

    /// A number of the query.
    ///
    /// # Errors
    /// When it is no number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let value = self.asked(name)?;
        let number = value
            .map(|value| value.parse().map_err(|_| Problem::bad_request(format!("{name} is no number"))));
        number.transpose()
    }
}

/// Reads a DID.
///
/// # Errors
/// With what is wrong with it.
pub(crate) fn did(text: &str) -> Result<NodeId, Problem> {
    text.parse::<Did>().map(Did::node).map_err(Problem::bad_request)
}

/// Undoes the percent-encoding of a part of an address.
///
/// # Errors
/// When it is not one, or not UTF-8.
pub(crate) fn decoded(part: &str) -> Result<Cow<'_, str>, Problem> {
    if !part.contains('%') {
        return Ok(Cow::Borrowed(part));
    }
    let wrong = || Problem::bad_request("the address is not properly encoded");
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let decoded = if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let code = digit().zip(digit()).map(|(high, low)| high * 16 + low);
            code.and_then(|code| u8::try_from(code).ok()).ok_or_else(wrong)?
        } else {
            byte
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| wrong())
}

/// Reads a JSON body that may be left out: then it is empty, whatever is declared about it.
///
/// # Errors
/// As [`read_body`].
pub(crate) async fn read_optional_body<S, B>(
    headers: &HeaderMap,
    body: S,
    most: usize,
) -> Result<Vec<u8>, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let read = tokio::time::timeout(BODY_TIMEOUT, collect(body, most)).await;
    let read = read.unwrap_or_else(|_| Err(Problem::too_slow()))?;
    if read.is_empty() || is_json(headers) { Ok(read) } else { Err(Problem::not_json()) }
}

/// Reads a JSON body, counting as it comes: what a header promises is not believed.
///
/// # Errors
/// When it is too large, too slow, or not declared as JSON. Browsers let foreign pages send forms unasked, but not JSON.
pub(crate) async fn read_body<S, B>(headers: &HeaderMap, body: S, most: usize) -> Result<Vec<u8>, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    if !is_json(headers) {
        return Err(Problem::not_json());
    }
    tokio::time::timeout(BODY_TIMEOUT, collect(body, most)).await.unwrap_or_else(|_| Err(Problem::too_slow()))
}

fn is_json(headers: &HeaderMap) -> bool {
    is_declared(headers, "application/json")
}

/// Whether the body is declared to be of that media type, with whatever parameters.
pub(crate) fn is_declared(headers: &HeaderMap, media_type: &str) -> bool {
    let declared =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
}

/// How long a body may be that is read into memory, given what it declares: as long as that, within the route's bound, and any may be as long as most are.
pub(crate) fn promised(headers: &HeaderMap, most: usize) -> usize {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    declared.unwrap_or(most).min(most).max(MAX_BODY_BYTES)
}

async fn collect<S, B>(body: S, most: usize) -> Result<Vec<u8>, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut read = Vec::new();
    pin_mut!(body);
    while let Some(piece) = body.next().await {
        let mut piece = piece.map_err(|_| Problem::bad_request("the request broke off"))?;
        if piece.remaining() > most.saturating_sub(read.len()) {
            return Err(Problem::too_large(most));
        }
        while piece.has_remaining() {
            let chunk = piece.chunk();
            read.extend_from_slice(chunk);
            let length = chunk.len();
            piece.advance(length);
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{executor::block_on, stream};

    fn call(query: &str, body: &str) -> Call {
        Call {
            caller: Caller::Nobody,
            from: IpAddr::from([127, 0, 0, 1]),
            host: "localhost:4200".to_owned(),
            headers: HeaderMap::new(),
            params: vec!["did:boson:x".to_owned()],
            query: query.to_owned(),
            body: body.as_bytes().to_vec().into(),
            _room: None,
            pieces: None,
            upgrade: None,
        }
    }

    fn read(content_type: &str, pieces: Vec<&'static [u8]>) -> Result<usize, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().expect("a header value"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let body = stream::iter(pieces.into_iter().map(Ok));
        runtime
            .block_on(read_body(&headers, body, MAX_BODY_BYTES))
            .map(|body| body.len())
            .map_err(|problem| problem.code())
    }

    #[test]
    fn a_body_is_counted_as_it_comes() {
        const PIECE: &[u8] = &[b' '; 1024];
        assert_eq!(read("application/json", vec![PIECE; 128]), Ok(MAX_BODY_BYTES));
        assert_eq!(read("application/json; charset=utf-8", vec![b"{}"]), Ok(2));
        let endless = stream::repeat_with(|| Ok(PIECE));
        assert_eq!(
            block_on(collect(endless, MAX_BODY_BYTES)).map_err(|problem| problem.code()),
            Err("too_large")
        );
    }

    #[test]
    fn a_body_is_given_the_room_that_it_declares_and_its_route_allows() {
        let declared = |length: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(length) = length {
                headers.insert(header::CONTENT_LENGTH, length.parse().expect("a header value"));
            }
            promised(&headers, 10 * MAX_BODY_BYTES)
        };
        assert_eq!(declared(Some("5")), MAX_BODY_BYTES);
        assert_eq!(declared(Some("200000")), 200_000);
        for unsaid in [None, Some("99999999999"), Some("-1"), Some("many")] {
            assert_eq!(declared(unsaid), 10 * MAX_BODY_BYTES, "{unsaid:?}");
        }
    }

    #[test]
    fn a_form_is_not_taken_for_json() {
        for wrong in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; x=application/json"]
        {
            assert_eq!(read(wrong, vec![b"{}"]), Err("not_json"), "{wrong}");
        }
    }

    #[test]
    fn unknown_fields_and_second_values_are_refused() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            a: u8,
        }
        let parsed = |body| call("", body).json::<One>().map_err(|problem| problem.code());
        assert_eq!(parsed(r#"{"a":1}"#), Ok(One { a: 1 }));
        for wrong in [r#"{"a":1,"b":2}"#, r#"{"a":1}{"a":2}"#, r#"{"a":"1"}"#, "", "[[[["] {
            assert_eq!(parsed(wrong), Err("bad_request"), "{wrong}");
        }
    }

    #[test]
    fn a_query_is_decoded_and_numbers_are_numbers() {
        let call = call("before=a%2Fb%20c&limit=20&x=%zz", "");
        assert_eq!(call.asked("before"), Ok(Some("a/b c".to_owned())));
        assert_eq!(call.number("limit"), Ok(Some(20)));
        assert_eq!(call.number("after"), Ok(None));
        assert!(call.number("before").is_err());
        assert!(call.asked("x").is_err());
    }

    #[test]
    fn a_bad_encoding_never_panics() {
        for part in ["%", "%4", "%é0", "%ff", "%00%C3", "a%"] {
            assert!(decoded(part).is_err() || part == "%00", "{part}");
        }
        assert_eq!(decoded("did%3Aboson%3A%C3%A9").as_deref(), Ok("did:boson:é"));
    }
}
