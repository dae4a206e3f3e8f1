//! Connections through a jump host: bytes are copied between a local socket and a remote channel.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::command::ready;
use super::{Connection, Endpoint, wait};
use crate::error::LinkError;

/// The thread that carries bytes; it ends when its socket is closed.
pub(super) struct Tunnel {
    _carrier: thread::JoinHandle<()>,
}

/// Opens a tunnel to `endpoint` through the jump host. The returned socket is this end of the tunnel.
pub(super) fn tunnel(through: Connection, endpoint: &Endpoint) -> Result<(UnixStream, Tunnel), LinkError> {
    let unreachable = |problem: String| LinkError::Unreachable { address: endpoint.shown(), problem };
    let channel = through
        .session
        .channel_direct_tcpip(&endpoint.address, endpoint.port, None)
        .map_err(|e| unreachable(format!("the jump host cannot reach it: {e}")))?;
    let (near, far) = UnixStream::pair().map_err(|e| unreachable(e.to_string()))?;
    far.set_nonblocking(true).map_err(|e| unreachable(e.to_string()))?;
    // An error ends the thread and closes its socket, which the session at the other end notices.
    let carrier = thread::spawn(move || drop(carry(&through, channel, far)));
    Ok((near, Tunnel { _carrier: carrier }))
}

fn carry(through: &Connection, mut channel: ssh2::Channel, mut socket: UnixStream) -> io::Result<()> {
    through.session.set_blocking(false);
    let mut buffer = vec![0; 32 << 10];
    let (mut outward, mut inward) = (Vec::new(), Vec::new());
    loop {
        let mut moved = false;
        if outward.is_empty()
            && let Some(n) = ready(socket.read(&mut buffer))?
        {
            if n == 0 {
                return Ok(());
            }
            outward.extend_from_slice(&buffer[..n]);
        }
        moved |= push(&mut channel, &mut outward)?;
        if inward.is_empty()
            && let Some(n) = ready(channel.read(&mut buffer))?
        {
            if n == 0 && channel.eof() {
                return Ok(());
            }
            inward.extend_from_slice(&buffer[..n]);
        }
        moved |= push(&mut socket, &mut inward)?;
        if !moved {
            wait(&through.session, Some(&socket), Duration::from_millis(500))?;
        }
    }
}

/// Writes as many bytes as possible. Returns whether any were written.
fn push(to: &mut impl Write, waiting: &mut Vec<u8>) -> io::Result<bool> {
    if waiting.is_empty() {
        return Ok(false);
    }
    let written = ready(to.write(waiting))?.unwrap_or(0);
    waiting.drain(..written);
    Ok(written > 0)
}
