//! What one connection may cost: bytes that are read and time that passes, whatever it does.
//!
//! The HTTP library takes heads of up to 400 KiB and waits for ever; whoever sends slowly, never ends or never reads is
//! hung up on here, below it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

/// A connection with its seat.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: UnixStream,
    /// How much may be read still.
    bytes: usize,
    end: Pin<Box<Sleep>>,
    _seat: OwnedSemaphorePermit,
}

impl Bounded {
    pub(super) fn new(stream: UnixStream, bytes: usize, time: Duration, seat: OwnedSemaphorePermit) -> Self {
        Self { stream, bytes, end: Box::pin(sleep(time)), _seat: seat }
    }

    fn check_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.end.as_mut().poll(context).is_ready() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_time(context)?;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        match self.bytes.checked_sub(read) {
            Some(left) => self.bytes = left,
            None => return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into())),
        }
        polled
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_time(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
