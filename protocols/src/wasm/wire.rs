//! Frames between a node and its runner, over one stream socket that both keep to themselves.
//!
//! A frame is four bytes of length, most significant first, and that many bytes of CBOR: a [`ToRunner`] one way, a [`FromRunner`] the other. Descriptors
//! travel beside the first byte of their frame (`SCM_RIGHTS`), in the order that the frame names. A runner needs no path.
//!
//! What is said, in order:
//! - The runner begins with [`FromRunner::Ready`], before it has touched anything. Then it waits for its one job.
//! - [`ToRunner::Compile`], descriptors: the module (to read), the artifact (to write). Answered by [`FromRunner::Compiled`] or [`FromRunner::Ended`];
//!   then the runner ends.
//! - [`ToRunner::Load`], descriptor: the artifact (to read). Answered by [`FromRunner::Loaded`] or [`FromRunner::Ended`] (then it ends). After `Loaded`
//!   any number of [`ToRunner::Call`], one at a time, each answered by [`FromRunner::Answered`].
//! - [`ToRunner::Wasi`], descriptors: the artifact (to read) and, unless the access is none, the folder. Answered by any number of
//!   [`FromRunner::Output`] and one [`FromRunner::Ended`]; then the runner ends. [`ToRunner::Input`] may come at any time meanwhile; the runner reads
//!   it when the program does, so a socket that takes no more means that the program does not read.
//!
//! A closed socket ends the runner, whatever it is doing. Nothing here stops a run: the node kills the process.
//!
//! The node believes none of it: what a runner says is bounded here, and means nothing beyond its own job.

use super::{
    end::{End, Usage},
    limits::Limits,
    values::{Export, MAX_ARGUMENT_BYTES, MAX_ARGUMENTS},
};
use crate::codec;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Of this exchange. Both sides are the same program, except while it is being replaced on disk: then they part.
pub const VERSION: u32 = 1;

/// Largest frame, in bytes: a program's longest arguments and environment, or a full list of exports.
pub const MAX_FRAME_BYTES: usize = 128 * 1024;

/// Largest piece of a program's input or output in one frame, in bytes.
pub const MAX_CHUNK_BYTES: usize = 16 * 1024;

/// Most arguments of a program, and most variables of its environment.
pub const MAX_PROGRAM_TEXTS: usize = 256;

/// Arguments and environment of a program together, in bytes.
pub const MAX_PROGRAM_TEXT_BYTES: usize = 64 * 1024;

/// Most exports that are listed. Whatever is not listed can still be called.
pub const MAX_LISTED_EXPORTS: usize = 256;

/// Longest name of a function that is listed or called, in bytes.
pub const MAX_NAME_BYTES: usize = 200;

/// Most descriptors beside one frame.
pub const MAX_DESCRIPTORS: usize = 2;

/// Bytes of the length before each frame.
pub const HEADER_BYTES: usize = 4;

/// What a program may do with its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// It has none.
    None,
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
}

/// Whether a runner goes on when the kernel has no landlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Landlock {
    /// It ends with [`End::NotLockedIn`].
    Required,
    /// It goes on, locked in by its other walls. The owner has said so in the configuration.
    IfThere,
}

/// From the node to a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToRunner {
    /// Compile a module. Descriptors: module, artifact.
    Compile {
        /// How much it may take.
        limits: Limits,
        /// Whether landlock must be there.
        landlock: Landlock,
    },
    /// Load a compiled module to call its functions. Descriptor: artifact.
    Load {
        /// How much each call may take.
        limits: Limits,
        /// Whether landlock must be there.
        landlock: Landlock,
    },
    /// Call a function of the loaded module. Each call begins with a fresh instance.
    Call {
        /// Comes back with the answer.
        id: u64,
        /// Name of the exported function.
        function: String,
        /// Read as the types that the function takes.
        arguments: Vec<String>,
    },
    /// Run a program. Descriptors: artifact, and the folder unless the access is none.
    Wasi {
        /// How much it may take.
        limits: Limits,
        /// Whether landlock must be there.
        landlock: Landlock,
        /// Its arguments, beginning with its own name.
        arguments: Vec<String>,
        /// Its environment: names and values.
        environment: Vec<(String, String)>,
        /// What it may do with the folder, which it sees as `/data`.
        access: Access,
    },
    /// A piece of the program's standard input, at most [`MAX_CHUNK_BYTES`]; an empty one is its end.
    Input {
        /// The bytes.
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
}

/// Which of a program's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// What a module is, as far as somebody who wants to run it must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Whether it is a program (exports `_start`) rather than a set of functions.
    pub program: bool,
    /// Its functions that can be called, at most [`MAX_LISTED_EXPORTS`].
    pub exports: Vec<Export>,
}

/// From a runner to the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromRunner {
    /// The runner waits for its job.
    Ready {
        /// Its [`VERSION`].
        version: u32,
        /// What compiled modules depend on: engine, processor, how fuel is counted. At most 64 characters of `a-z 0-9 . -`.
        engine: String,
        /// Version of landlock that the kernel has, 0 for none.
        landlock: u32,
    },
    /// The module was compiled.
    Compiled {
        /// Bytes written to the artifact.
        artifact_bytes: u64,
        /// What the module is.
        shape: Shape,
    },
    /// The module was loaded.
    Loaded {
        /// What the module is.
        shape: Shape,
    },
    /// A call ended.
    Answered {
        /// The call's.
        id: u64,
        /// How.
        end: End,
        /// What it took.
        usage: Usage,
    },
    /// The program printed.
    Output {
        /// Where to.
        stream: Stream,
        /// At most [`MAX_CHUNK_BYTES`].
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// The job is over, and so is the runner.
    Ended {
        /// How.
        end: End,
        /// What it took.
        usage: Usage,
    },
}

/// Why bytes are no frame. The connection is of no use afterwards.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is more than [`MAX_FRAME_BYTES`].
    #[error("a frame of {got} bytes exceeds {MAX_FRAME_BYTES}")]
    TooLarge {
        /// The length.
        got: usize,
    },
    /// Not the CBOR of a frame.
    #[error(transparent)]
    Malformed(#[from] codec::DecodeError),
    /// More of something than may be in a frame.
    #[error("a frame holds too much: {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
    },
}

/// What can be a frame: bounded beyond what its type says.
pub trait Frame: Serialize + DeserializeOwned + Sized {
    /// The same with its texts made plain, or why it is not acceptable.
    ///
    /// # Errors
    /// When there is more of something than a frame may hold.
    fn checked(self) -> Result<Self, FrameError>;
}

fn at_most(count: usize, most: usize, what: &'static str) -> Result<(), FrameError> {
    if count > most { Err(FrameError::TooMuch { what }) } else { Ok(()) }
}

impl Frame for ToRunner {
    fn checked(self) -> Result<Self, FrameError> {
        match &self {
            Self::Compile { .. } | Self::Load { .. } => {}
            Self::Call { function, arguments, .. } => {
                at_most(function.len(), MAX_NAME_BYTES, "the function's name")?;
                at_most(arguments.len(), MAX_ARGUMENTS, "arguments")?;
                let longest = arguments.iter().map(String::len).max().unwrap_or_default();
                at_most(longest, MAX_ARGUMENT_BYTES, "one argument")?;
            }
            Self::Wasi { arguments, environment, .. } => {
                at_most(arguments.len(), MAX_PROGRAM_TEXTS, "arguments")?;
                at_most(environment.len(), MAX_PROGRAM_TEXTS, "variables")?;
                let variables = environment.iter().map(|(name, value)| name.len() + value.len());
                let bytes = arguments.iter().map(String::len).chain(variables).sum();
                at_most(bytes, MAX_PROGRAM_TEXT_BYTES, "arguments and environment")?;
            }
            Self::Input { bytes } => at_most(bytes.len(), MAX_CHUNK_BYTES, "input")?,
        }
        Ok(self)
    }
}

impl Shape {
    /// Without the functions whose names hold control characters, by which a terminal could be led: by another name they could not be called either.
    fn checked(mut self) -> Result<Self, FrameError> {
        at_most(self.exports.len(), MAX_LISTED_EXPORTS, "exports")?;
        let longest = self.exports.iter().map(|export| export.name.len()).max().unwrap_or_default();
        at_most(longest, MAX_NAME_BYTES, "an export's name")?;
        self.exports.retain(|export| !export.name.contains(char::is_control));
        Ok(self)
    }
}

impl Frame for FromRunner {
    fn checked(self) -> Result<Self, FrameError> {
        Ok(match self {
            Self::Ready { ref engine, .. } => {
                let plain =
                    |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
                if engine.len() > 64 || engine.is_empty() || !engine.bytes().all(plain) {
                    return Err(FrameError::TooMuch { what: "the engine's name" });
                }
                self
            }
            Self::Compiled { artifact_bytes, shape } => {
                Self::Compiled { artifact_bytes, shape: shape.checked()? }
            }
            Self::Loaded { shape } => Self::Loaded { shape: shape.checked()? },
            Self::Answered { id, end, usage } => Self::Answered { id, end: end.bounded(), usage },
            Self::Output { ref bytes, .. } => {
                at_most(bytes.len(), MAX_CHUNK_BYTES, "output")?;
                self
            }
            Self::Ended { end, usage } => Self::Ended { end: end.bounded(), usage },
        })
    }
}

/// A frame as bytes, its length included.
///
/// # Errors
/// When it is more than the other side would take.
pub fn to_bytes<T: Frame>(frame: T) -> Result<Vec<u8>, FrameError> {
    let body = codec::encode(&frame.checked()?);
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_FRAME_BYTES);
    let length = length.ok_or(FrameError::TooLarge { got: body.len() })?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// How many bytes follow a header.
///
/// # Errors
/// When they are more than a frame may have: nothing is allocated for them.
pub fn body_length(header: [u8; HEADER_BYTES]) -> Result<usize, FrameError> {
    let length = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
    if length > MAX_FRAME_BYTES { Err(FrameError::TooLarge { got: length }) } else { Ok(length) }
}

/// The frame that a body holds.
///
/// # Errors
/// When it is none.
pub fn from_body<T: Frame>(body: &[u8]) -> Result<T, FrameError> {
    codec::decode::<T>(body, MAX_FRAME_BYTES)?.checked()
}

/// Frames out of a stream that arrives in any pieces.
#[derive(Debug, Default)]
pub struct Incoming {
    held: Vec<u8>,
}

impl Incoming {
    /// Takes what has arrived. Call [`Self::next`] until it gives none before the next piece, so that no more than one frame and one piece are held.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Whether the next frame is there, or what can be none.
    #[must_use]
    pub fn has_some(&self) -> bool {
        let Some(header) = self.held.first_chunk::<HEADER_BYTES>() else { return false };
        body_length(*header).map_or(true, |length| self.held.len() - HEADER_BYTES >= length)
    }

    /// The next whole frame, if it is there.
    ///
    /// # Errors
    /// When what arrived is no frame; the stream is of no use then.
    #[expect(clippy::should_implement_trait, reason = "each frame may be asked for as another type")]
    pub fn next<T: Frame>(&mut self) -> Result<Option<T>, FrameError> {
        let Some(header) = self.held.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let end = HEADER_BYTES + body_length(*header)?;
        let Some(body) = self.held.get(HEADER_BYTES..end) else { return Ok(None) };
        let frame = from_body(body)?;
        self.held.drain(..end);
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::{limits::LimitKind, values::Value};
    use proptest::prelude::*;

    fn ended(end: End) -> FromRunner {
        FromRunner::Ended { end, usage: Usage::default() }
    }

    #[test]
    fn frames_arrive_whole_in_whatever_pieces() {
        let first = ended(End::Limit { kind: LimitKind::Output });
        let second = FromRunner::Output { stream: Stream::Error, bytes: vec![7; MAX_CHUNK_BYTES] };
        let mut bytes = to_bytes(first.clone()).expect("as written here");
        bytes.extend(to_bytes(second.clone()).expect("as written here"));
        let mut incoming = Incoming::default();
        let mut got = Vec::new();
        for byte in bytes {
            incoming.push(&[byte]);
            got.extend(incoming.next::<FromRunner>().expect("as written here"));
        }
        assert_eq!(got, [first, second]);
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_anything_is_kept_for_it() {
        let mut incoming = Incoming::default();
        incoming.push(&u32::MAX.to_be_bytes());
        assert!(matches!(incoming.next::<FromRunner>(), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn what_holds_more_than_a_frame_may_is_neither_sent_nor_taken() {
        let output = FromRunner::Output { stream: Stream::Out, bytes: vec![0; MAX_CHUNK_BYTES + 1] };
        assert_eq!(
            from_body::<FromRunner>(&codec::encode(&output)),
            Err(FrameError::TooMuch { what: "output" })
        );
        let call = ToRunner::Call { id: 1, function: "f".into(), arguments: vec!["1".into(); 65] };
        assert_eq!(to_bytes(call), Err(FrameError::TooMuch { what: "arguments" }));
        let ready = FromRunner::Ready { version: 1, engine: "../x".into(), landlock: 1 };
        assert!(to_bytes(ready).is_err());
    }

    #[test]
    fn texts_in_an_end_arrive_plain() {
        let body = codec::encode(&ended(End::Trap { text: "\u{7}ring".into() }));
        assert_eq!(from_body::<FromRunner>(&body), Ok(ended(End::Trap { text: " ring".into() })));
    }

    #[test]
    fn a_function_whose_name_could_lead_a_terminal_is_not_listed() {
        use crate::wasm::values::Signature;
        let export = |name: &str| Export {
            name: name.to_owned(),
            signature: Signature { parameters: vec![], results: vec![] },
        };
        let shape = Shape { program: false, exports: vec![export("\u{1b}[2J"), export("größe 2")] };
        let wanted = Shape { program: false, exports: vec![export("größe 2")] };
        let body = codec::encode(&FromRunner::Loaded { shape: shape.clone() });
        assert_eq!(from_body(&body), Ok(FromRunner::Loaded { shape: wanted.clone() }));
        let body = codec::encode(&FromRunner::Compiled { artifact_bytes: 1, shape });
        assert_eq!(from_body(&body), Ok(FromRunner::Compiled { artifact_bytes: 1, shape: wanted }));
    }

    #[test]
    fn a_full_list_of_exports_fits_a_frame() {
        use crate::wasm::values::{Signature, ValueType};
        let signature = Signature { parameters: vec![ValueType::I32; 16], results: vec![ValueType::I32; 16] };
        let export = Export { name: "n".repeat(MAX_NAME_BYTES), signature };
        let shape = Shape { program: false, exports: vec![export; MAX_LISTED_EXPORTS] };
        assert!(to_bytes(FromRunner::Loaded { shape }).is_ok());
    }

    proptest! {
        #[test]
        fn garbage_is_no_frame_and_never_a_panic(bytes: Vec<u8>) {
            let _ignored_result = from_body::<ToRunner>(&bytes);
            let _ignored_result = from_body::<FromRunner>(&bytes);
        }

        #[test]
        fn what_is_sent_arrives_the_same(id: u64, function in "[a-z]{0,40}", arguments in proptest::collection::vec("[0-9.]{0,20}", 0..8), bits: u64) {
            let call = ToRunner::Call { id, function, arguments };
            let bytes = to_bytes(call.clone()).expect("as written here");
            prop_assert_eq!(from_body::<ToRunner>(&bytes[HEADER_BYTES..]).expect("as written here"), call);
            let end = ended(End::Returned { results: vec![Value::F64(bits), Value::I32(-1)] });
            let bytes = to_bytes(end.clone()).expect("as written here");
            prop_assert_eq!(from_body::<FromRunner>(&bytes[HEADER_BYTES..]).expect("as written here"), end);
        }
    }
}
