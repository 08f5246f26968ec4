//! A connection whose other end must take what it is sent.
//!
//! Promises that a write without any progress for so long ends the connection: one that is opened and never read holds its place, and what
//! was written for it, no longer. Does not bound how long an answer takes to be made, nor how long a stream of events lasts.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// See the module.
pub struct Stall<S> {
    stream: S,
    patience: Duration,
    /// Set while a write waits for the other end.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Stall<S> {
    /// Around a stream.
    pub const fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waits: None }
    }

    /// What the stream says, unless it has kept a write waiting for too long.
    fn judge<T>(&mut self, said: Poll<Result<T>>, context: &mut Context<'_>) -> Poll<Result<T>> {
        if said.is_ready() {
            self.waits = None;
            return said;
        }
        let patience = self.patience;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(patience)));
        match waits.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the other end does not read"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stall<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stall<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(said, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(said, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let said = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(said, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let said = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(said, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_write_that_nobody_reads_ends_and_one_that_is_read_does_not() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut stream = Stall::new(ours, Duration::from_millis(100));
        let (sent, mut read) = (vec![1; 4_096], vec![0; 4_096]);
        let (written, taken) = tokio::join!(stream.write_all(&sent), theirs.read_exact(&mut read));
        written.unwrap();
        taken.unwrap();
        let write = tokio::time::timeout(Duration::from_secs(20), stream.write_all(&sent));
        assert_eq!(write.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
