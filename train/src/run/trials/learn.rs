//! What the journal of an earlier part of the run says.

use nasprof_search::folder::FolderError;

use super::events::Event;
use super::{JOURNAL, Trials, checkpoint_of};
use crate::error::SearchError;

impl Trials<'_> {
    /// Reads the events of a journal, which must belong to this space and to images with this digest. Returns the number of
    /// epochs. Lines of several networks may be in any order. Those of one network must be its epochs 1, 2, 3 and so on: the
    /// name of each checkpoint holds both numbers. A lost or moved line would give the network another learning curve.
    pub(super) fn learn(&mut self, events: Vec<Event>, digest: &str) -> Result<u64, SearchError> {
        let path = self.folder.join(JOURNAL);
        let identity = self.plan.space.graph.identity();
        let mut done = 0;
        for (i, event) in events.into_iter().enumerate() {
            let line = |problem: String| FolderError::Format {
                path: path.clone(),
                problem: format!("line {}: {problem}", i + 1),
            };
            match event {
                Event::Of { space, .. } if !identity.is(&space) => {
                    return Err(SearchError::checkpoint(&path, "belongs to another space"));
                }
                Event::Of { images, .. } if images != digest => return Err(FolderError::OtherData { path }.into()),
                Event::Of { .. } => {}
                _ if i == 0 => return Err(line("the digests of space and images are missing".to_owned()).into()),
                Event::Scores { arch, scores } => self.known.entry(arch).or_default().scores = Some(scores),
                Event::Epoch { arch, number, epoch, checkpoint, seconds, computed_on } => {
                    let number = self.number(&arch, number);
                    let network = self.known.entry(arch).or_default();
                    let next = network.epochs.len() as u32 + 1;
                    let (expected, found) = (checkpoint_of(number, next), &checkpoint.tensors.file);
                    if *found != expected {
                        let problem =
                            format!("network {number}, epoch {next} should follow, with {expected}, and {found} does");
                        return Err(line(problem).into());
                    }
                    network.epochs.push(epoch);
                    network.checkpoint = Some(checkpoint);
                    self.computed_on(&computed_on);
                    self.seconds_before = self.seconds_before.max(seconds);
                    done += 1;
                }
                Event::Failed { arch, number, .. } => {
                    self.number(&arch, number);
                    self.known.entry(arch).or_default().failed = true;
                }
            }
        }
        Ok(done)
    }
}
