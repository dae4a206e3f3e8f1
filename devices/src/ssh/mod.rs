//! SSH: an authenticated connection to a verified host.

mod command;
mod endpoint;
mod host_key;
mod jump;
mod known_hosts;
mod login;
mod stream;

use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use ssh2::Session;

use crate::error::{LinkError, lost};

pub(crate) use command::Output;
pub(crate) use endpoint::Endpoint;
pub use login::AskPassphrase;
pub(crate) use login::Credentials;
pub(crate) use stream::Stream;

/// Timeout for connecting.
const CONNECTING: Duration = Duration::from_secs(10);
/// Timeout for each reply of the server. A board that first looks up this machine's name, or whose disk is busy, takes more
/// than ten seconds.
const REPLY: Duration = Duration::from_secs(30);
/// The link is cut if the peer's kernel has not confirmed data for this long.
const UNCONFIRMED: Duration = Duration::from_secs(6);
/// TCP keep-alive: idle time before the first probe, interval, number of probes.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(2), Duration::from_secs(1), 3);

/// An authenticated connection, in blocking mode.
pub(crate) struct Connection {
    session: Session,
    /// `SHA256:…` of the host's key.
    pub(crate) fingerprint: String,
    /// Keeps alive the connection that this one runs through.
    _jump: Option<jump::Tunnel>,
}

impl Connection {
    /// Connects through all jump hosts.
    pub(crate) fn open(endpoint: &Endpoint, credentials: &mut Credentials) -> Result<Self, LinkError> {
        let mut session = Session::new().map_err(lost)?;
        let tunnel = match &endpoint.jump {
            Some(jump) => {
                let (near_end, tunnel) = jump::tunnel(Self::open(jump, credentials)?, endpoint)?;
                session.set_tcp_stream(near_end);
                Some(tunnel)
            }
            None => {
                session.set_tcp_stream(connect(endpoint)?);
                None
            }
        };
        session.set_timeout(u32::try_from(REPLY.as_millis()).unwrap_or(u32::MAX));
        host_key::prefer_known(&session, endpoint)?;
        session
            .handshake()
            .map_err(|e| LinkError::Handshake { address: endpoint.shown(), problem: e.message().to_owned() })?;
        host_key::check(&session, endpoint)?;
        if !login::check_methods(&session, endpoint)? {
            credentials.log_in(&session, endpoint)?;
        }
        let fingerprint = host_key::fingerprint(&session);
        Ok(Self { session, fingerprint, _jump: tunnel })
    }
}

/// Connects to the first address that replies, and sets TCP options so that the kernel notices a silent peer. SSH's own
/// keep-alive messages do not help: libssh2 never checks for the reply.
fn connect(endpoint: &Endpoint) -> Result<TcpStream, LinkError> {
    let unreachable = |problem: String| LinkError::Unreachable { address: endpoint.shown(), problem };
    let addresses = (endpoint.address.as_str(), endpoint.port).to_socket_addrs();
    let addresses = addresses.map_err(|e| unreachable(e.to_string()))?;
    let mut last = "the host name cannot be resolved".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECTING) {
            Ok(stream) => {
                watch(&stream).map_err(|e| unreachable(e.to_string()))?;
                return Ok(stream);
            }
            Err(e) => last = e.to_string(),
        }
    }
    Err(unreachable(last))
}

fn watch(stream: &TcpStream) -> std::io::Result<()> {
    let socket = SockRef::from(stream);
    let (idle, interval, times) = KEEP_ALIVE;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(times))?;
    socket.set_tcp_user_timeout(Some(UNCONFIRMED))?;
    // Requests are small, and the host waits for their replies.
    socket.set_tcp_nodelay(true)
}

/// Waits until the session's socket is ready for libssh2's pending operation, `also` is readable, or `time` has passed.
fn wait(session: &Session, also: Option<&impl std::os::fd::AsFd>, time: Duration) -> std::io::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::BorrowedFd;

    let directions = match session.block_directions() {
        ssh2::BlockDirections::None | ssh2::BlockDirections::Inbound => PollFlags::POLLIN,
        ssh2::BlockDirections::Outbound => PollFlags::POLLOUT,
        ssh2::BlockDirections::Both => PollFlags::POLLIN | PollFlags::POLLOUT,
    };
    #[expect(unsafe_code, reason = "ssh2 lends its socket as a number only; the session outlives the call")]
    let socket = unsafe { BorrowedFd::borrow_raw(session.as_raw_fd()) };
    let mut all = vec![PollFd::new(socket, directions)];
    if let Some(also) = also {
        all.push(PollFd::new(also.as_fd(), PollFlags::POLLIN));
    }
    let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    match poll(&mut all, time) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
