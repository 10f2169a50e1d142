//! Jobs that wait at the same time are done together, in tasks of their own: a caller that goes
//! away takes no other's job with it.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The jobs that wait, and how many lanes take them.
pub(crate) struct Queue<J> {
    waiting: Arc<Mutex<Waiting<J>>>,
    lanes: usize,
}

struct Waiting<J> {
    jobs: VecDeque<J>,
    lanes: usize,
}

impl<J> Queue<J> {
    /// A queue with at most so many lanes at a time.
    pub(crate) fn new(lanes: usize) -> Self {
        let waiting = Waiting {
            jobs: VecDeque::new(),
            lanes: 0,
        };
        Self {
            waiting: Arc::new(Mutex::new(waiting)),
            lanes,
        }
    }

    /// Adds a job. The lane, if one may be opened, is for the caller to run in a task.
    pub(crate) fn push(&self, job: J) -> Option<Lane<J>> {
        let mut waiting = lock(&self.waiting);
        waiting.jobs.push_back(job);
        let is_room = waiting.lanes < self.lanes;
        is_room.then(|| {
            waiting.lanes = waiting.lanes.saturating_add(1);
            Lane {
                waiting: Arc::clone(&self.waiting),
                is_closed: false,
            }
        })
    }

    /// Changes what waits.
    #[cfg(feature = "sqlite")]
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut VecDeque<J>) -> T) -> T {
        change(&mut lock(&self.waiting).jobs)
    }
}

/// Takes jobs until none waits. One that ends before its time, with its runtime say, drops what
/// waits: nobody would take it, and its callers would wait for ever.
pub(crate) struct Lane<J> {
    waiting: Arc<Mutex<Waiting<J>>>,
    is_closed: bool,
}

impl<J> Lane<J> {
    /// The jobs that `choose` takes; `None`, and the lane is closed, if none waits.
    pub(crate) fn next(&mut self, choose: impl FnOnce(&mut VecDeque<J>) -> Vec<J>) -> Option<Vec<J>> {
        let mut waiting = lock(&self.waiting);
        let jobs = choose(&mut waiting.jobs);
        if jobs.is_empty() && waiting.jobs.is_empty() {
            // Under the lock: the next caller opens another.
            waiting.lanes = waiting.lanes.saturating_sub(1);
            self.is_closed = true;
            return None;
        }
        Some(jobs)
    }
}

impl<J> Drop for Lane<J> {
    fn drop(&mut self) {
        if !self.is_closed {
            let mut waiting = lock(&self.waiting);
            waiting.lanes = waiting.lanes.saturating_sub(1);
            let jobs = mem::take(&mut waiting.jobs);
            drop(waiting);
            drop(jobs);
        }
    }
}

fn lock<J>(waiting: &Mutex<Waiting<J>>) -> MutexGuard<'_, Waiting<J>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_lanes_as_there_may_be_until_nothing_waits() {
        let queue = Queue::new(2);
        let mut first = queue.push(1).unwrap();
        let mut second = queue.push(2).unwrap();
        assert!(queue.push(3).is_none());
        assert_eq!(first.next(|jobs| jobs.drain(..2).collect()), Some(vec![1, 2]));
        assert_eq!(second.next(|jobs| jobs.drain(..).collect()), Some(vec![3]));
        assert_eq!(second.next(|jobs| jobs.drain(..).collect()), None);
        assert!(queue.push(4).is_some());
        assert_eq!(first.next(|jobs| jobs.drain(..).collect()), None);
    }

    #[test]
    fn a_lane_that_ends_before_its_time_leaves_nobody_waiting() {
        let queue = Queue::new(1);
        let job = Arc::new(());
        let lane = queue.push(Arc::clone(&job)).unwrap();
        assert!(queue.push(Arc::clone(&job)).is_none());
        drop(lane);
        assert_eq!(Arc::strong_count(&job), 1);
        assert!(queue.push(job).is_some());
    }
}
