//! Ctrl-C and SIGTERM: the first asks to stop, a second ends the program at once.
//!
//! The request is checked between any two steps of a measurement. A step may take long or never end: a silent agent, a
//! stalled link, a long computation. So the program ends itself if it has not ended shortly after the request. Nothing is
//! lost: the measurement so far is in the journal, and completed epochs are in the run's folder.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use nasprof_devices::end_agents;
use nasprof_profiler::engine::Interrupted;

use crate::failure::Failure;
pub(crate) use crate::kept::Kept;

/// How long the program may take to end in good order: a visit in flight is taken in, clocks are given back.
const GRACE: Duration = Duration::from_millis(700);

/// What is left now; another part of a command may leave something else.
static KEPT: Mutex<Kept> = Mutex::new(Kept::Nothing);
static FLAG: OnceLock<Interrupted> = OnceLock::new();

/// A flag that the first signal sets. `kept` says what is left of the work that begins now.
pub(crate) fn interruption(kept: Kept) -> Result<Interrupted, Failure> {
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    heeded()
}

/// As [`interruption`], where what is left stays what it is: from here on signals are obeyed, and agents end with us.
pub(crate) fn heeded() -> Result<Interrupted, Failure> {
    if let Some(flag) = FLAG.get() {
        return Ok(Arc::clone(flag));
    }
    let flag = Arc::new(AtomicBool::new(false));
    listen(&flag).map_err(|e| Failure::internal(format!("cannot handle signals: {e}")))?;
    Ok(Arc::clone(FLAG.get_or_init(|| flag)))
}

fn listen(flag: &Interrupted) -> io::Result<()> {
    let (mut woken, wake) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        // Order matters: the first signal finds the flag unset and only sets it.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))?;
        signal_hook::flag::register(signal, Arc::clone(flag))?;
        signal_hook::low_level::pipe::register(signal, wake.try_clone()?)?;
    }
    // It sleeps until there is a signal: nothing runs beside a measurement.
    let flag = Arc::clone(flag);
    thread::Builder::new().name("interruption".to_owned()).spawn(move || {
        while !matches!(woken.read(&mut [0; 8]), Ok(0)) {
            if flag.load(Ordering::Relaxed) {
                thread::sleep(GRACE);
                end();
            }
        }
    })?;
    Ok(())
}

/// Ends the program, as it would have ended in good order.
fn end() -> ! {
    end_agents();
    let failure = Failure::interrupted(*KEPT.lock().unwrap_or_else(PoisonError::into_inner));
    // A live view may stand on the line. Nothing can be done about a closed error output.
    let line = if io::IsTerminal::is_terminal(&io::stderr()) { "\n" } else { "" };
    let _ = writeln!(io::stderr(), "{line}{failure}");
    // At once: other threads are in the midst of libraries that tidy up at an orderly end.
    signal_hook::low_level::exit(failure.exit as i32)
}

/// Works with a child program of ours that nobody has waited for yet; it is ended when the user asks to stop.
pub(crate) fn while_interruptible<T>(interrupted: &Interrupted, child: u32, work: impl FnOnce() -> T) -> T {
    use nix::sys::signal::{Signal, kill};

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if interrupted.load(Ordering::Relaxed) {
                    // The caller waits for it after the work, so the number is still the child's.
                    let _ = i32::try_from(child).map(|pid| kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL));
                    return;
                }
                thread::park_timeout(Duration::from_millis(100));
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        watch.thread().unpark();
        result
    })
}
