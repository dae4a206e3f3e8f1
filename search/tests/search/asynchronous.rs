//! Asynchronous successive halving: what it costs, that nobody waits for a slow network, and how it is resumed.

use std::collections::{BTreeMap, HashMap};

use nasprof_graph::{Arch, Choice};
use nasprof_search::config::{FinalChoice, Halving, Judge};
use nasprof_search::methods::simulate::Pool;
use nasprof_search::methods::{Fault, Found, Method, MethodError, Progress, Staged, Trainings, Work, search};

const EPOCHS: u32 = 9;
const COST: f64 = 6.0;

fn choices() -> Vec<Choice> {
    (0..2).map(|i| Choice { name: i.to_string(), candidates: (0..8).map(|k| k.to_string()).collect() }).collect()
}

fn number(arch: &Arch) -> u32 {
    u32::from(arch.0[0]) * 8 + u32::from(arch.0[1])
}

/// Trainings of 64 networks in virtual time: an epoch takes a second, and many of them for the slow network.
#[derive(Default)]
struct Fake {
    workers: usize,
    slow: Option<u32>,
    /// Networks that fail in this epoch.
    failing: HashMap<u32, u32>,
    now: f64,
    /// The journal: epochs done and whether the network failed.
    journal: BTreeMap<u32, (u32, bool)>,
    /// Epochs of each network, with the time at its end.
    history: Vec<(f64, u32, u32)>,
    /// Number of trainings after which the search is killed.
    killed_after: Option<usize>,
}

impl Fake {
    fn duration(&self, number: u32, epochs: u32) -> f64 {
        f64::from(epochs) * if self.slow == Some(number) { 1000.0 } else { 1.0 }
    }

    /// Records a training that ends now.
    fn end(&mut self, number: u32, epochs: u32) -> Option<Progress> {
        let (done, failed) = self.journal.entry(number).or_default();
        let fails = self.failing.get(&number).filter(|&&at| at <= epochs);
        if *done < epochs && !*failed {
            (*done, *failed) = (fails.map_or(epochs, |at| at - 1), fails.is_some());
            self.history.push((self.now, number, *done));
        }
        if *done < epochs && *failed {
            return None;
        }
        let valid = f64::from(number.wrapping_mul(37) % 64 + epochs) / 100.0;
        Some(Progress { epochs, loss: None, valid, losses: None })
    }

    fn left(&self, number: u32, epochs: u32) -> u32 {
        let (done, failed) = self.journal.get(&number).copied().unwrap_or_default();
        if failed { 0 } else { epochs.saturating_sub(done) }
    }
}

impl Trainings for Fake {
    fn epochs(&self) -> u32 {
        EPOCHS
    }

    fn has_curves(&self) -> bool {
        true
    }

    fn score(&mut self, arch: &Arch, _score: &str) -> Result<Option<f64>, Fault> {
        Ok(Some(f64::from(number(arch))))
    }

    /// The workers train the networks in turn, and the time is that of the last one.
    fn train(&mut self, archs: &[Arch], epochs: u32) -> Result<Vec<Option<Progress>>, Fault> {
        let (start, mut free) = (self.now, vec![self.now; self.workers]);
        let mut progress = Vec::new();
        for arch in archs {
            let first = (0..free.len()).min_by(|&a, &b| free[a].total_cmp(&free[b])).unwrap();
            free[first] += self.duration(number(arch), self.left(number(arch), epochs));
            self.now = free[first];
            progress.push(self.end(number(arch), epochs));
        }
        self.now = free.into_iter().fold(start, f64::max);
        Ok(progress)
    }

    fn begun(&self, arch: &Arch) -> u32 {
        self.journal.get(&number(arch)).map_or(0, |(done, failed)| done + u32::from(*failed))
    }

    fn train_as_scheduled(&mut self, work: &mut dyn Work) -> Result<(), Fault> {
        let mut running: Vec<(f64, Arch, u32)> = Vec::new();
        loop {
            while running.len() < self.workers {
                let Some((arch, epochs)) = work.next() else { break };
                let duration = self.duration(number(&arch), self.left(number(&arch), epochs));
                running.push((self.now + duration, arch, epochs));
            }
            let Some(first) = (0..running.len()).min_by(|&a, &b| running[a].0.total_cmp(&running[b].0)) else {
                return Ok(());
            };
            if self.killed_after.is_some_and(|most| self.history.len() >= most) {
                return Err("killed".into());
            }
            let (now, arch, epochs) = running.swap_remove(first);
            self.now = now;
            let progress = self.end(number(&arch), epochs);
            work.ended(&arch, progress);
        }
    }
}

fn run(fake: &mut Fake, halving: Halving) -> Result<Found, MethodError> {
    let (scores, rungs) = (vec!["macs".to_owned()], vec![1, 3]);
    let (judge, choose) = (Judge::Validation, FinalChoice::Accuracy);
    let method =
        Method::Staged(Staged { draws: 64, scores, rungs, reduction: 3, halving, finalists: 2, judge, choose });
    let choices = choices();
    let all = (0..64_u16).map(|i| Arch(vec![i / 8, i % 8])).collect();
    let pool = Pool::new(all, &choices);
    search(&method, &mut &pool, fake, COST, 3)
}

/// How many networks have how many epochs.
fn lengths(found: &Found) -> BTreeMap<u32, usize> {
    let mut lengths = BTreeMap::new();
    for progress in found.candidates.iter().filter_map(|candidate| candidate.progress) {
        *lengths.entry(progress.epochs).or_default() += 1;
    }
    lengths
}

#[test]
fn both_kinds_of_halving_cost_the_same() {
    let synchronous = run(&mut Fake { workers: 1, ..Fake::default() }, Halving::Synchronous).unwrap();
    assert_eq!(lengths(&synchronous), BTreeMap::from([(1, 16), (3, 6), (9, 2)]));
    let mut winners = Vec::new();
    for workers in 1..6 {
        for slow in [None, Some(63), Some(60)] {
            let fake = || Fake { workers, slow, ..Fake::default() };
            let found = run(&mut fake(), Halving::Asynchronous).unwrap();
            assert_eq!(found.epochs, synchronous.epochs, "{workers} workers");
            assert_eq!(lengths(&found), lengths(&synchronous), "{workers} workers");
            assert_eq!(found, run(&mut fake(), Halving::Asynchronous).unwrap(), "the same times, the same result");
            winners.push(found.candidates);
        }
    }
    // The order of the ends decides who goes on; in the synchronous search it does not.
    assert!(winners.iter().any(|candidates| *candidates != winners[0]));
    for workers in 2..6 {
        let fake = &mut Fake { workers, slow: Some(60), ..Fake::default() };
        assert_eq!(run(fake, Halving::Synchronous).unwrap(), synchronous, "a control");
    }
}

#[test]
fn nobody_waits_for_a_slow_network() {
    // 63 has the best score, so that it is among the first.
    let times = |halving| {
        let mut fake = Fake { workers: 2, slow: Some(63), ..Fake::default() };
        run(&mut fake, halving).unwrap();
        let of = |is: &dyn Fn(u32, u32) -> bool| fake.history.iter().find(|(_, n, epochs)| is(*n, *epochs)).unwrap().0;
        (of(&|_, epochs| epochs == EPOCHS), of(&|number, _| number == 63))
    };
    let (first_full, slow) = times(Halving::Asynchronous);
    assert!(first_full < 100.0 && slow >= 1000.0, "{first_full} {slow}");
    // The control: a synchronous rung waits for it.
    let (first_full, slow) = times(Halving::Synchronous);
    assert!(first_full > slow, "{first_full} {slow}");
}

/// Whenever it is killed, what is in the journal stays, nothing is trained twice, and the cost is the same.
#[test]
fn the_journal_decides_what_a_resumed_search_does() {
    let whole = |workers| {
        let mut fake = Fake { workers, slow: Some(62), ..Fake::default() };
        let found = run(&mut fake, Halving::Asynchronous).unwrap();
        (found, fake)
    };
    for workers in [1, 3] {
        let (found, fake) = whole(workers);
        for killed_after in 0..fake.history.len() {
            let mut part = Fake { workers, slow: Some(62), killed_after: Some(killed_after), ..Fake::default() };
            assert!(run(&mut part, Halving::Asynchronous).is_err());
            let kept = part.journal.clone();
            // Another number of workers may go on.
            let mut rest = Fake { workers: 2, journal: kept.clone(), ..Fake::default() };
            let resumed = run(&mut rest, Halving::Asynchronous).unwrap();
            assert_eq!((resumed.epochs, lengths(&resumed)), (found.epochs, lengths(&found)), "{killed_after}");
            for (number, (epochs, _)) in kept {
                assert!(rest.journal[&number].0 >= epochs);
            }
            let trained: u32 = rest.journal.values().map(|(epochs, _)| epochs).sum();
            assert_eq!(u64::from(trained), found.epochs, "{killed_after}: every epoch is some network's");
        }
        // A complete journal gives the same result, without any training.
        let mut again = Fake { workers: 1, journal: fake.journal, ..Fake::default() };
        assert_eq!(run(&mut again, Halving::Asynchronous).unwrap(), found);
        assert!(again.history.is_empty());
    }
}

#[test]
fn failed_trainings_stay_failed_and_the_cost_is_kept() {
    let failing = HashMap::from([(63, 1), (61, 2), (60, 5), (55, 8), (53, 3)]);
    for workers in [1, 3] {
        let fake = || Fake { workers, failing: failing.clone(), ..Fake::default() };
        let mut first = fake();
        let found = run(&mut first, Halving::Asynchronous).unwrap();
        assert!(found.epochs as f64 <= COST * f64::from(EPOCHS));
        let mut again = Fake { journal: first.journal, ..fake() };
        let resumed = run(&mut again, Halving::Asynchronous).unwrap();
        assert_eq!((&resumed.best, &resumed.candidates), (&found.best, &found.candidates));
        assert!(again.history.is_empty(), "{:?}", again.history);
    }
    let failing = (0..64).map(|number| (number, 1)).collect();
    let error = run(&mut Fake { workers: 2, failing, ..Fake::default() }, Halving::Asynchronous).unwrap_err();
    assert!(error.to_string().contains("all 24 trainings of rung 1 failed"), "{error}");
}
