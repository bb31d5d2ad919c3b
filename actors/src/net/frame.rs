//! How one request and its answer look on a stream: a length of four bytes, big-endian, then as many bytes, then the end of that direction.
//!
//! The length is checked against the protocol before anything is allocated, and memory grows with the bytes that really arrive,
//! so that a peer cannot make us reserve what it does not send. Bytes after the frame are refused.
//!
//! A frame that breaks these rules reaches the driver as a value, not as a broken stream: only there it is known who sent it.
//!
//! Not here: what the bytes mean.

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response::Codec};
use pc2_protocols::net::Protocol;
use std::io;

/// Bytes of the length.
const PREFIX_BYTES: usize = 4;

/// Reserved for a frame before its bytes arrive. Most are smaller than this.
const FIRST_RESERVE: usize = 4 * 1024;

/// Why a frame was refused. Each blames the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// The announced length is beyond the protocol's limit; nothing was read.
    #[error("a frame of {got} bytes exceeds the {max} allowed")]
    TooLarge {
        /// Bytes announced.
        got: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// More bytes came than were announced.
    #[error("bytes follow the frame")]
    Trailing,
}

/// What arrived as a request.
pub(super) type Request = Result<Vec<u8>, FrameError>;

/// Reads and writes the frames of one protocol.
#[derive(Debug, Clone)]
pub(super) struct FrameCodec {
    max: usize,
}

impl FrameCodec {
    /// The codec of a protocol, with its limit.
    pub(super) const fn new(protocol: Protocol) -> Self {
        Self { max: protocol.max_frame_bytes() }
    }
}

/// Reads one whole frame.
async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Request> {
    let mut prefix = [0; PREFIX_BYTES];
    io.read_exact(&mut prefix).await?;
    let announced = u32::from_be_bytes(prefix);
    let got = usize::try_from(announced).unwrap_or(usize::MAX);
    if got > max {
        return Ok(Err(FrameError::TooLarge { got, max }));
    }
    let mut payload = Vec::with_capacity(got.min(FIRST_RESERVE));
    io.take(u64::from(announced)).read_to_end(&mut payload).await?;
    if payload.len() < got {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut after = [0; 1];
    if io.read(&mut after).await? > 0 {
        return Ok(Err(FrameError::Trailing));
    }
    Ok(Ok(payload))
}

/// Writes one frame. The end of the direction is marked by the caller closing the stream.
async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(payload).await?;
    io.flush().await
}

impl Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.max).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.max).await?.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let payload = request.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        write(io, &payload).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{executor::block_on, io::Cursor};

    fn framed(payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        block_on(write(&mut bytes, payload)).expect("writing to memory");
        bytes
    }

    #[test]
    fn a_frame_reads_back_as_written() {
        for length in [0, 1, FIRST_RESERVE, 70_000] {
            let payload = vec![0xa5; length];
            let read = block_on(read(&mut Cursor::new(framed(&payload)), 100_000)).expect("whole");
            assert_eq!(read, Ok(payload));
        }
    }

    #[test]
    fn an_oversized_frame_is_refused_by_its_length_alone() {
        // Four bytes that announce 4 GiB, and nothing after them.
        let read = block_on(read(&mut Cursor::new([0xff; 4]), 10)).expect("read");
        assert_eq!(read, Err(FrameError::TooLarge { got: u32::MAX as usize, max: 10 }));
    }

    #[test]
    fn bytes_after_the_frame_are_refused() {
        let mut bytes = framed(b"hello");
        bytes.push(0);
        let read = block_on(read(&mut Cursor::new(bytes), 10)).expect("read");
        assert_eq!(read, Err(FrameError::Trailing));
    }

    #[test]
    fn a_frame_cut_short_is_a_broken_stream() {
        let bytes = framed(b"hello");
        for cut in 0..bytes.len() {
            let part = bytes.get(..cut).expect("within");
            assert!(block_on(read(&mut Cursor::new(part), 10)).is_err());
        }
    }
}
