//! Effects in a file.

use std::{io::Write as _, path::PathBuf};

use tower_webhook::{Delivery, HandlerError};

use super::shared::{Book, Booked};
use crate::endpoint::Event;

/// A file of lines, each of which is added by one write: it is there, or it is not.
#[derive(Clone)]
pub(super) struct File(pub(super) PathBuf);

impl File {
    pub(super) fn booked(&self) -> Vec<Booked> {
        let text = std::fs::read_to_string(&self.0).unwrap();
        assert!(text.ends_with('\n'), "a line was written in part");
        text.lines()
            .map(|line| {
                let (id, process) = line.split_once(' ').unwrap();
                (id.to_owned(), process.parse().unwrap())
            })
            .collect()
    }
}

impl Book for File {
    async fn book(&self, delivery: &Delivery<Event>, process: u64) -> Result<(), HandlerError> {
        let mut file = std::fs::File::options().create(true).append(true).open(&self.0)?;
        file.write_all(format!("{} {process}\n", delivery.event().id()).as_bytes())?;
        Ok(())
    }
}
