//! Reads the profiles that ONNX Runtime writes: one JSON object for each kernel that ran, each run of the model and
//! each step of loading it.

mod event;
mod node;

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

use self::event::{Event, node_of};
pub use self::node::{ProfileError, ProfiledNode, TensorType};

/// Most bytes of a profile. ONNX Runtime itself stops after a million events, which have about 800 bytes each.
pub const MAX_PROFILE_BYTES: usize = 2 << 30;
/// Most kernels of a model.
const MAX_NODES: usize = 200_000;
/// Most events.
const MAX_EVENTS: usize = 10_000_000;
/// Most microseconds of anything: eleven days.
pub(crate) const MAX_MICROSECONDS: u64 = 1_000_000_000_000;

/// One run of the model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfiledRun {
    /// Kernels in the order they ended: index into [`Profile::nodes`], and whole microseconds. A kernel inside a loop
    /// comes several times; the loop's own time excludes the kernels inside it.
    pub kernels: Vec<(usize, u64)>,
    /// Microseconds of the whole run, including the profiler's own work.
    pub total_us: u64,
}

impl ProfiledRun {
    /// Microseconds of each of `count` nodes; repetitions in loops are added up.
    #[must_use]
    pub fn by_node(&self, count: usize) -> Vec<u64> {
        let mut sums = vec![0_u64; count];
        for &(node, us) in &self.kernels {
            if let Some(sum) = sums.get_mut(node) {
                *sum = sum.saturating_add(us);
            }
        }
        sums
    }
}

/// The content of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// The kernels, in the order they first ran.
    pub nodes: Vec<ProfiledNode>,
    /// The runs, in order. The first one allocates and is slower.
    pub runs: Vec<ProfiledRun>,
    /// Microseconds of reading the model and of preparing the session.
    pub session_us: u64,
    /// Peak of the bytes in use, if the runtime reports it.
    pub peak_bytes: Option<u64>,
    /// Whether the last run was cut off; its kernels are left out.
    pub cut_off: bool,
}

/// Reads a profile. A missing `]` at the end is accepted, because a session that is not closed does not write it.
///
/// # Errors
/// If the bytes are not a profile, hold no complete run, or are too many.
pub fn read_profile(bytes: &[u8]) -> Result<Profile, ProfileError> {
    if bytes.len() > MAX_PROFILE_BYTES {
        return Err(ProfileError::TooLarge(format!("{} GiB", MAX_PROFILE_BYTES >> 30)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ProfileError::Format("it is not text".to_owned()))?;
    let text = text.trim_end();
    let closed = if text.ends_with(']') {
        None
    } else {
        let text = text.strip_suffix(',').unwrap_or(text);
        if !text.ends_with('}') {
            return Err(ProfileError::Format("it is cut off".to_owned()));
        }
        Some(format!("{text}]"))
    };
    let mut reader = Reader::default();
    let mut json = serde_json::Deserializer::from_str(closed.as_deref().unwrap_or(text));
    let read = json.deserialize_seq(Events(&mut reader)).and_then(|()| json.end());
    if let Some(error) = reader.failure.take() {
        return Err(error);
    }
    read.map_err(|e| ProfileError::Format(e.to_string()))?;
    reader.finish()
}

#[derive(Default)]
struct Reader {
    profile: Profile,
    places: HashMap<(u64, String), usize>,
    /// Kernels since the last run ended.
    open: Vec<(usize, u64)>,
    /// Start and length of the kernels among them that are not inside another.
    outermost: Vec<(u64, u64)>,
    events: usize,
    failure: Option<ProfileError>,
}

impl Reader {
    fn take(&mut self, event: Event) -> Result<(), ProfileError> {
        self.events += 1;
        if self.events > MAX_EVENTS {
            return Err(ProfileError::TooLarge(format!("{MAX_EVENTS} events")));
        }
        if event.us() > MAX_MICROSECONDS {
            return Err(ProfileError::Format(format!("`{}` takes {} us", event.name(), event.us())));
        }
        match event.category() {
            "Node" => {
                let Some(name) = event.name().strip_suffix("_kernel_time") else { return Ok(()) };
                let (node, peak) = node_of(name, &event)?;
                self.profile.peak_bytes = self.profile.peak_bytes.max(peak);
                let place = self.place(node)?;
                let own = self.own_us(event.start(), event.us());
                self.open.push((place, own));
            }
            "Session" => match event.name() {
                "model_run" => {
                    let kernels = std::mem::take(&mut self.open);
                    self.outermost.clear();
                    self.profile.runs.push(ProfiledRun { kernels, total_us: event.us() });
                }
                name if name.starts_with("model_loading") || name == "session_initialization" => {
                    self.profile.session_us = self.profile.session_us.saturating_add(event.us());
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// The time of a loop or branch without the kernels inside it: these begin after it and end before it.
    fn own_us(&mut self, start: u64, us: u64) -> u64 {
        let mut inside = 0_u64;
        while let Some((_, us)) = self.outermost.pop_if(|(began, _)| *began >= start) {
            inside = inside.saturating_add(us);
        }
        self.outermost.push((start, us));
        us.saturating_sub(inside)
    }

    fn place(&mut self, node: ProfiledNode) -> Result<usize, ProfileError> {
        let key = (node.index, node.name.clone());
        if let Some(&place) = self.places.get(&key) {
            return Ok(place);
        }
        if self.profile.nodes.len() >= MAX_NODES {
            return Err(ProfileError::TooLarge(format!("{MAX_NODES} kernels")));
        }
        let place = self.profile.nodes.len();
        self.places.insert(key, place);
        self.profile.nodes.push(node);
        Ok(place)
    }

    fn finish(mut self) -> Result<Profile, ProfileError> {
        self.profile.cut_off = !self.open.is_empty();
        if self.profile.runs.iter().all(|run| run.kernels.is_empty()) {
            return Err(ProfileError::Empty);
        }
        Ok(self.profile)
    }
}

/// Passes on the events of a list one at a time: a profile has hundreds of megabytes.
struct Events<'a>(&'a mut Reader);

impl<'de> Visitor<'de> for Events<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        while let Some(event) = events.next_element_seed(OneEvent)? {
            if let Err(error) = self.0.take(event) {
                let words = error.to_string();
                self.0.failure = Some(error);
                return Err(serde::de::Error::custom(words));
            }
        }
        Ok(())
    }
}

struct OneEvent;

impl<'de> DeserializeSeed<'de> for OneEvent {
    type Value = Event;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Event, D::Error> {
        serde::Deserialize::deserialize(deserializer)
    }
}
