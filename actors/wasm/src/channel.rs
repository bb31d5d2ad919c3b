//! The socket to the node: frames both ways, and the descriptors that come with a job.
//!
//! Everything here blocks, which is what a runner should do: it has nothing else to do than what it was asked for. When the node is gone, so is the
//! socket, and reading or writing ends the runner; [`Channel::watch`] ends it while it computes.
//!
//! Not here: what frames mean.

use pc2_protocols::wasm::wire::{
    self, Frame, FrameError, FromRunner, HEADER_BYTES, Incoming, MAX_DESCRIPTORS, ToRunner,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};
use std::{
    io::IoSliceMut,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

/// Read from the socket at once, in bytes: a piece of a program's input with its envelope.
const READ_BYTES: usize = 20 * 1024;

/// Stack of the thread that watches, in bytes. It calls one function.
const WATCHER_STACK_BYTES: usize = 64 * 1024;

/// Why there is nothing more to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// Started by hand.
    #[error("this is started by the node, with a socket as its standard input")]
    NoNode,
    /// The node closed the socket.
    #[error("the node is gone")]
    Closed,
    /// The socket failed.
    #[error("the socket to the node failed: {0}")]
    Socket(#[from] Errno),
    /// The node speaks something else, as after an update of its program.
    #[error("the node sent what is no frame: {0}")]
    Frame(#[from] FrameError),
    /// A job names a descriptor that did not come with it.
    #[error("a descriptor of the job is missing")]
    MissingDescriptor,
    /// The first frame must be a job, and no later one may be.
    #[error("the node sent a frame at the wrong time")]
    NoJob,
}

/// The runner's end of the socket.
pub(crate) struct Channel {
    socket: BorrowedFd<'static>,
    incoming: Incoming,
}

impl Channel {
    /// The socket that the node has put in place of standard input.
    pub(crate) fn at_standard_input() -> Result<Self, ChannelError> {
        let socket = rustix::stdio::stdin();
        rustix::net::sockopt::socket_type(socket).map_err(|_| ChannelError::NoNode)?;
        Ok(Self { socket, incoming: Incoming::default() })
    }

    /// Waits for the first frame and what comes with it.
    pub(crate) fn receive_job(&mut self) -> Result<(ToRunner, Vec<OwnedFd>), ChannelError> {
        let mut descriptors = Vec::new();
        let mut header = [0; HEADER_BYTES];
        self.receive_exactly(&mut header, &mut descriptors)?;
        let mut body = vec![0; wire::body_length(header)?];
        self.receive_exactly(&mut body, &mut descriptors)?;
        Ok((wire::from_body(&body)?, descriptors))
    }

    fn receive_exactly(&self, mut to: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<(), ChannelError> {
        while !to.is_empty() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(to)];
            let got = match recvmsg(self.socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => continue,
                other => other?.bytes,
            };
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    descriptors.extend(received);
                }
            }
            if got == 0 {
                return Err(ChannelError::Closed);
            }
            to = to.get_mut(got..).unwrap_or_default();
        }
        Ok(())
    }

    /// Waits for the next frame.
    pub(crate) fn receive(&mut self) -> Result<ToRunner, ChannelError> {
        loop {
            if let Some(frame) = self.incoming.next()? {
                return Ok(frame);
            }
            let mut piece = [0; READ_BYTES];
            match rustix::io::read(self.socket, &mut piece) {
                Ok(0) => return Err(ChannelError::Closed),
                Ok(got) => self.incoming.push(piece.get(..got).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The same channel for whoever receives from now on; this one may still send.
    pub(crate) fn handed_on(&mut self) -> Self {
        Self { socket: self.socket, incoming: std::mem::take(&mut self.incoming) }
    }

    /// Whether [`Self::receive`] would find something within this time (for ever if none is given). A closed socket counts.
    pub(crate) fn wait(&self, longest: Option<Duration>) -> Result<bool, ChannelError> {
        if self.incoming.has_some() {
            return Ok(true);
        }
        let mut polled = [PollFd::from_borrowed_fd(self.socket, PollFlags::IN)];
        let timeout = longest.map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a frame. Waits while the node does not read, which is how a program is slowed down that prints faster than anybody takes it.
    pub(crate) fn send(&mut self, frame: FromRunner) -> Result<(), ChannelError> {
        send(self.socket, frame)
    }

    /// Ends the process when the node has closed the socket, from a thread of its own. The system could do that, too (`PR_SET_PDEATHSIG`), but it
    /// means the death of the thread that started the child, and the node's threads come and go.
    pub(crate) fn watch(&self) -> std::io::Result<()> {
        let socket = self.socket;
        let watcher = std::thread::Builder::new().stack_size(WATCHER_STACK_BYTES);
        watcher.spawn(move || {
            loop {
                // Nothing is asked for: a hang-up is told always.
                let mut polled = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::empty())];
                match poll(&mut polled, None) {
                    Ok(_) if polled.iter().all(|socket| socket.revents().is_empty()) => {}
                    Err(Errno::INTR) => {}
                    Ok(_) | Err(_) => std::process::abort(),
                }
            }
        })?;
        Ok(())
    }
}

fn send<T: Frame>(socket: BorrowedFd<'_>, frame: T) -> Result<(), ChannelError> {
    let bytes = wire::to_bytes(frame)?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        match rustix::io::write(socket, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => return Err(ChannelError::Closed),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
