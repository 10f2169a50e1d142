//! Results of actions, for the page that shows them: a reload of it does nothing again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// How many are kept.
const MOST: usize = 64;

/// The result of an action.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// In a sentence.
    pub(crate) summary: String,
    /// The parts that could not be done, and why.
    pub(crate) left: Vec<(String, String)>,
    /// Whether all of it was done.
    pub(crate) is_complete: bool,
    /// The page that it concerns, and its name.
    pub(crate) back: String,
}

#[derive(Default)]
pub(crate) struct Results(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    results: VecDeque<(u64, Arc<Done>)>,
    next: u64,
}

impl Results {
    pub(crate) fn add(&self, done: Done) -> u64 {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.results.len() >= MOST {
            kept.results.pop_front();
        }
        let number = kept.next;
        kept.next = number.saturating_add(1);
        kept.results.push_back((number, Arc::new(done)));
        number
    }

    pub(crate) fn get(&self, number: u64) -> Option<Arc<Done>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.results.iter().find(|(kept, _)| *kept == number);
        found.map(|(_, done)| Arc::clone(done))
    }
}
