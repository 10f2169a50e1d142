//! Entries on their way into the table.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout_at},
};
use tower_webhook::delivery_log::DeliveryLogEntry;

use super::{Shared, row};

/// The largest batch, and the longest an entry waits for one.
const BATCH: usize = 500;
const LINGER: Duration = Duration::from_millis(200);
const PURGE_EVERY: Duration = Duration::from_secs(3600);
/// Between two attempts to write, the second time twice as long, and so on; and how many there are
/// for a batch: five minutes' worth.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 36;
/// How many there are once nobody records any more.
const LAST_ATTEMPTS: u32 = 3;

pub(super) enum Message {
    DeliveryLogEntry(Box<DeliveryLogEntry>),
    /// Told when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// Writes until nobody records any more.
pub(super) async fn write_all(shared: Arc<Shared>, mut queue: mpsc::Receiver<Message>, retention: Duration) {
    let mut purge_at = Instant::now();
    loop {
        // However much comes.
        if Instant::now() >= purge_at {
            purge(&shared, retention).await;
            purge_at += PURGE_EVERY;
        }
        let message = match timeout_at(purge_at, queue.recv()).await {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(_) => continue,
        };
        let (batch, flush) = gather(message, &mut queue).await;
        if !batch.is_empty() {
            write(&shared, &batch, &queue).await;
        }
        if let Some(flush) = flush {
            let _ = flush.send(()); // whoever waited may have gone
        }
    }
}

/// The entries that come within a moment, up to a batch, or to a flush.
async fn gather(
    first: Message,
    queue: &mut mpsc::Receiver<Message>,
) -> (Vec<Box<DeliveryLogEntry>>, Option<oneshot::Sender<()>>) {
    let until = Instant::now() + LINGER;
    let mut batch = Vec::new();
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::DeliveryLogEntry(entry) => batch.push(entry),
            Message::Flush(flush) => return (batch, Some(flush)),
        }
        if batch.len() >= BATCH {
            break;
        }
        next = timeout_at(until, queue.recv()).await.ok().flatten();
    }
    (batch, None)
}

async fn write(shared: &Shared, batch: &[Box<DeliveryLogEntry>], queue: &mpsc::Receiver<Message>) {
    let rows = row::write(batch);
    let mut pause = PAUSE;
    for attempt in 1..=ATTEMPTS {
        let failure = shared.table.insert(&rows).await.err();
        let is_written = failure.is_none();
        shared.note(failure);
        if is_written {
            return;
        }
        if queue.is_closed() && attempt >= LAST_ATTEMPTS {
            break;
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
    shared.lose(batch.len());
}

/// Deletes what is too old. Where that fails, it is done in an hour.
async fn purge(shared: &Shared, retention: Duration) {
    let Some(before) = SystemTime::now().checked_sub(retention) else {
        return;
    };
    let _ = shared.table.purge(row::micros(before)).await;
}
