//! A link that can be cut: a TCP relay that counts what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::processes::wait_until;

#[derive(Default)]
struct State {
    /// Bytes passed, both ways.
    passed: AtomicU64,
    /// Nobody is let through any more.
    is_cut: AtomicBool,
    /// Bytes wait; nobody is told.
    is_frozen: AtomicBool,
    /// So many bytes pass and no more; 0 is no limit.
    limit: AtomicU64,
    /// So many of the next connections end at once.
    refused: AtomicU64,
    connections: Mutex<Vec<TcpStream>>,
}

#[derive(Clone)]
pub(crate) struct Cable {
    pub(crate) port: u16,
    state: Arc<State>,
}

impl Cable {
    /// A cable to a port of this machine. Its threads end with the test's process.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let cable = Self { port: listener.local_addr().unwrap().port(), state: Arc::new(State::default()) };
        let state = Arc::clone(&cable.state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", port));
                // Held while the connection is let through: a cut comes before or after, never in between.
                let mut connections = state.connections.lock().unwrap();
                let is_refused = state.is_cut.load(SeqCst) || state.refuse();
                let (false, Ok(far)) = (is_refused, far) else {
                    let _ = near.shutdown(Shutdown::Both);
                    continue;
                };
                connections.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                drop(connections);
                relay(&state, near.try_clone().unwrap(), far.try_clone().unwrap());
                relay(&state, far, near);
            }
        });
        cable
    }

    pub(crate) fn passed(&self) -> u64 {
        self.state.passed.load(SeqCst)
    }

    /// Ends all connections, and refuses new ones.
    pub(crate) fn cut(&self) {
        let mut connections = self.state.connections.lock().unwrap();
        self.state.is_cut.store(true, SeqCst);
        for connection in connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Ends so many of the next connections before a byte has passed.
    pub(crate) fn refuse(&self, connections: u64) {
        self.state.refused.store(connections, SeqCst);
    }

    /// Nothing passes any more, and neither end is told.
    pub(crate) fn freeze(&self) {
        self.state.is_frozen.store(true, SeqCst);
    }

    /// New connections pass; those that were frozen or held are dead.
    pub(crate) fn mend(&self) {
        self.cut();
        self.state.is_frozen.store(false, SeqCst);
        self.let_go();
        self.state.is_cut.store(false, SeqCst);
    }

    /// Lets so many more bytes pass and no more. What a test then does happens in the midst of a measurement, however
    /// fast that is and however late the test gets to run.
    pub(crate) fn hold_after(&self, bytes: u64) {
        self.state.limit.store(self.passed() + bytes, SeqCst);
    }

    /// Once the cable holds, lets a little more pass, after a time in which the board can act on what it got.
    pub(crate) fn let_some_pass(&self) {
        if self.state.is_held() {
            thread::sleep(Duration::from_millis(100));
            self.hold_after(500);
        }
    }

    /// Waits until what may pass has passed.
    pub(crate) fn wait_until_held(&self) {
        wait_until("the bytes until the cable holds", || self.state.is_held());
    }

    /// What was held goes on.
    pub(crate) fn let_go(&self) {
        self.state.limit.store(0, SeqCst);
    }
}

impl State {
    fn refuse(&self) -> bool {
        self.refused.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    fn is_held(&self) -> bool {
        let limit = self.limit.load(SeqCst);
        limit > 0 && self.passed.load(SeqCst) >= limit
    }
}

fn relay(state: &Arc<State>, mut from: TcpStream, mut to: TcpStream) {
    let state = Arc::clone(state);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            while state.is_frozen.load(SeqCst) || state.is_held() {
                thread::sleep(Duration::from_millis(10));
            }
            state.passed.fetch_add(n as u64, SeqCst);
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
