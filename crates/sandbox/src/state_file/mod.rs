//! The state in a SQLite file: one table of entries, written by one task.
//!
//! Each change is noted here, in memory, by the code that makes it. The writer takes all that was
//! noted and writes it in one transaction. A response to a request waits until what it has changed
//! is in the file.

mod file;
mod writer;

use std::{collections::BTreeMap, future::Future, path::Path, pin::Pin, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use self::file::File;
use crate::{
    Error,
    clock::Reading,
    keep::{Book, Keeper, Kept, Opened},
};

/// The changes that are not in the file yet, by kind and place.
type Changes = BTreeMap<(&'static str, u64), Option<String>>;

/// The changes that wait to be written.
struct Notes {
    noted: Mutex<Noted>,
    wake: Notify,
    written: watch::Sender<Written>,
}

#[derive(Default)]
struct Noted {
    /// The changes that came while operations are under way.
    unfinished: Changes,
    /// How many operations are under way.
    open: usize,
    finished: Changes,
    /// How many changes there were, and how many of them before the last moment at which nobody was
    /// in the middle of something.
    count: u64,
    finished_count: u64,
    closed: bool,
}

/// How far the writer has come.
#[derive(Clone, Default)]
struct Written {
    /// How many changes are in the file.
    count: u64,
    failures: u64,
    error: String,
    ended: bool,
}

impl Book for Notes {
    fn note(&self, kind: &'static str, place: u64, entry: Option<String>) {
        let mut noted = self.noted.lock();
        noted.count += 1;
        if noted.open > 0 {
            noted.unfinished.insert((kind, place), entry);
            return;
        }
        noted.finished.insert((kind, place), entry);
        noted.finished_count = noted.count;
        drop(noted);
        self.wake.notify_one();
    }

    fn begin(&self) {
        self.noted.lock().open += 1;
    }

    fn end(&self) {
        let mut noted = self.noted.lock();
        noted.open -= 1;
        // An operation that is still under way may have changed the same entries.
        if noted.open == 0 && !noted.unfinished.is_empty() {
            let mut changes = std::mem::take(&mut noted.unfinished);
            noted.finished.append(&mut changes);
            noted.finished_count = noted.count;
            drop(noted);
            self.wake.notify_one();
        }
    }

    fn kept(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async {
            let count = self.noted.lock().count;
            let mut written = self.written.subscribe();
            let failures = written.borrow_and_update().failures;
            loop {
                {
                    let written = written.borrow_and_update();
                    if written.count >= count {
                        return Ok(());
                    }
                    if written.ended {
                        return Err("the sandbox has stopped".to_owned());
                    }
                    if written.failures > failures {
                        return Err(written.error.clone());
                    }
                }
                // What could not be written is tried again.
                self.wake.notify_one();
                if written.changed().await.is_err() {
                    return Err("nobody writes it any more".to_owned());
                }
            }
        })
    }

    fn close(&self) {
        self.noted.lock().closed = true;
        self.wake.notify_one();
    }
}

impl Notes {
    /// Moves finished changes to `changes`. Returns how many changes that makes, and whether these
    /// are the last.
    fn take(&self, changes: &mut Changes) -> (u64, bool) {
        let mut noted = self.noted.lock();
        changes.append(&mut noted.finished);
        (noted.finished_count, noted.closed)
    }
}

/// Opens the file, or makes it, and reads what an earlier sandbox knew, and its time.
pub(crate) async fn open(path: &Path) -> Result<Opened, Error> {
    let (file, entries) = File::open(path).await?;
    let notes = Arc::new(Notes {
        noted: Mutex::default(),
        wake: Notify::new(),
        written: watch::Sender::default(),
    });
    let keeper = Keeper::new(Arc::clone(&notes) as Arc<dyn Book>);
    let mut kept = Kept { keeper, entries };
    let reading: Option<(u64, Reading)> = kept.take(Reading::KIND)?.pop();
    Ok(Opened {
        kept,
        now: reading.map(|(_, reading)| reading.now()),
        write: Some(Box::new(|clock| {
            Box::pin(async move { writer::write(file, &notes, &clock).await })
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> Notes {
        Notes {
            noted: Mutex::default(),
            wake: Notify::new(),
            written: watch::Sender::default(),
        }
    }

    fn note(notes: &Notes, place: u64) {
        notes.note("kind", place, Some(String::new()));
    }

    /// The places that would be written now, and how many changes that covers.
    fn taken(notes: &Notes) -> (Vec<u64>, u64) {
        let mut changes = Changes::new();
        let (count, _) = notes.take(&mut changes);
        (changes.keys().map(|(_, place)| *place).collect(), count)
    }

    #[test]
    fn what_belongs_together_is_written_together() {
        let notes = notes();
        note(&notes, 1);
        notes.begin();
        note(&notes, 2);
        assert_eq!(taken(&notes), (vec![1], 1));
        // Somebody else begins before the first has ended.
        notes.begin();
        notes.end();
        note(&notes, 3);
        assert_eq!(taken(&notes), (vec![], 1));
        notes.end();
        assert_eq!(taken(&notes), (vec![2, 3], 3));
    }

    #[tokio::test]
    async fn who_waits_is_told_that_nobody_writes_any_more() {
        let notes = notes();
        note(&notes, 1);
        let waiting = notes.kept();
        notes.written.send_modify(|written| written.ended = true);
        assert_eq!(waiting.await, Err("the sandbox has stopped".to_owned()));
    }
}
