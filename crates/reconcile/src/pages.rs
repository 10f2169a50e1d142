//! Lists that come in pages, as one stream that ends.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    future::{Future, poll_fn, ready},
    hash::{BuildHasher as _, RandomState},
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::{StreamExt as _, stream::try_unfold};
use url::Url;

use crate::{Error, ErrorKind};

/// How many ids are remembered to leave out what a shifted page brings again.
const RECENT: usize = 1024;

/// How many pages in a row may bring nothing new.
const MAX_IDLE_PAGES: usize = 3;

/// The entries of a list, page after page, as a [`Stream`].
///
/// A page is fetched when the entries before it have been taken. New entries shift the pages of a
/// list that is read by offset, so that an entry comes twice: it is left out the second time if it
/// was among the last 1,024.
///
/// The stream ends after an error. It always ends: a list whose next page was read before, whose
/// pages bring nothing new three times in a row, or that has more pages than
/// [`Options::max_pages`](crate::Options::max_pages) ends with
/// [`ErrorKind::Endless`](crate::ErrorKind::Endless), and a next page on another host with
/// [`ErrorKind::ForeignHost`](crate::ErrorKind::ForeignHost).
///
/// # Cancel safety
/// [`next`](Self::next) loses no entry when it is dropped: the fetch goes on with the next call.
#[must_use = "a list is fetched only when its entries are taken"]
pub struct Pages<T>(Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>);

impl<T> Pages<T> {
    /// A list of your own, page after page, for a [`Source`](crate::reconciler::Source). `fetch`
    /// gets where a page begins, at first `first`, and returns the page's entries and where the
    /// next one begins, if there is one. It bounds nothing: it must come to an end.
    ///
    /// ```
    /// use tower_webhook_reconcile::Pages;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let numbers = Pages::fetched(0, |first: u32| async move {
    ///     Ok((vec![first, first + 1], (first < 4).then_some(first + 2)))
    /// });
    /// assert_eq!(numbers.collect().await?, [0, 1, 2, 3, 4, 5]);
    /// # Ok::<(), tower_webhook_reconcile::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn fetched<P, F, Fut>(first: P, fetch: F) -> Self
    where
        T: Send + 'static,
        P: Send + 'static,
        F: Fn(P) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(Vec<T>, Option<P>), Error>> + Send + 'static,
    {
        let state = (Some(first), VecDeque::new(), fetch);
        let stream = try_unfold(state, |(mut next, mut entries, fetch)| async move {
            loop {
                if let Some(entry) = entries.pop_front() {
                    return Ok(Some((entry, (next, entries, fetch))));
                }
                let Some(page) = next.take() else {
                    return Ok(None);
                };
                let (fetched, after): (Vec<T>, Option<P>) = fetch(page).await?;
                (entries, next) = (fetched.into(), after);
            }
        });
        Self(Box::pin(stream))
    }

    /// The entries as something else; the list ends before the first for which there is nothing.
    pub(crate) fn map_while<U>(self, map: impl FnMut(T) -> Option<U> + Send + 'static) -> Pages<U>
    where
        T: Send + 'static,
        U: Send + 'static,
    {
        let mut map = map;
        let mapped = self.0.map(move |entry| match entry {
            Ok(entry) => map(entry).map(Ok),
            Err(error) => Some(Err(error)),
        });
        Pages(Box::pin(
            mapped.take_while(|entry| ready(entry.is_some())).filter_map(ready),
        ))
    }

    /// The next entry.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        poll_fn(|context| self.0.as_mut().poll_next(context)).await
    }

    /// All entries at once. For lists that fit into memory.
    ///
    /// # Errors
    /// A page could not be fetched or read, or the list does not end.
    pub async fn collect(mut self) -> Result<Vec<T>, Error> {
        let mut entries = Vec::new();
        while let Some(entry) = self.next().await {
            entries.push(entry?);
        }
        Ok(entries)
    }
}

impl<T> Stream for Pages<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// One page, and where the next is.
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) next: Option<Url>,
}

/// A list that starts at `first`. `id` tells its entries apart.
pub(crate) fn pages<T, F, Fut>(first: Result<Url, Error>, max_pages: usize, id: fn(&T) -> &str, fetch: F) -> Pages<T>
where
    T: Send + 'static,
    F: Fn(Url) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Page<T>, Error>> + Send + 'static,
{
    let state = State {
        next: first.map(Some),
        entries: VecDeque::new(),
        bounds: Bounds::new(max_pages),
    };
    let stream = try_unfold((state, fetch), move |(mut state, fetch)| async move {
        loop {
            if let Some(entry) = state.entries.pop_front() {
                return Ok(Some((entry, (state, fetch))));
            }
            let Some(url) = std::mem::replace(&mut state.next, Ok(None))? else {
                return Ok(None);
            };
            state.bounds.enter(&url)?;
            let page = fetch(url).await?;
            let entries = state.bounds.keep_new(page.entries, id);
            if page.next.is_some() {
                state.bounds.check_progress(!entries.is_empty())?;
            }
            state.entries = entries;
            state.next = Ok(page.next);
        }
    });
    Pages(Box::pin(stream))
}

struct State<T> {
    /// An address that could not be made is the stream's first entry.
    next: Result<Option<Url>, Error>,
    entries: VecDeque<T>,
    bounds: Bounds,
}

/// Makes sure that a list ends, in memory that does not grow with the list's entries.
struct Bounds {
    max_pages: usize,
    /// Hashes of the pages' addresses: at most `max_pages` of 8 bytes.
    read: HashSet<u64>,
    hasher: RandomState,
    idle: usize,
    recent: HashSet<String>,
    order: VecDeque<String>,
}

impl Bounds {
    fn new(max_pages: usize) -> Self {
        Self {
            max_pages,
            read: HashSet::new(),
            hasher: RandomState::new(),
            idle: 0,
            recent: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    fn enter(&mut self, url: &Url) -> Result<(), Error> {
        let endless = |message: String| Err(Error::new(ErrorKind::Endless, message));
        if self.read.len() >= self.max_pages {
            return endless(format!(
                "the list of {} has more than {} pages; expected it to end: \
                 narrow it, or raise Options::max_pages",
                url.path(),
                self.max_pages,
            ));
        }
        if !self.read.insert(self.hasher.hash_one(url.as_str())) {
            return endless(format!(
                "the list of {} leads back to a page that was read before; expected each page once",
                url.path(),
            ));
        }
        Ok(())
    }

    /// Leaves out what the pages before had.
    fn keep_new<T>(&mut self, mut entries: Vec<T>, id: fn(&T) -> &str) -> VecDeque<T> {
        entries.retain(|entry| {
            let id = id(entry);
            if self.recent.contains(id) {
                return false;
            }
            self.recent.insert(id.to_owned());
            self.order.push_back(id.to_owned());
            true
        });
        while self.order.len() > RECENT {
            if let Some(oldest) = self.order.pop_front() {
                self.recent.remove(&oldest);
            }
        }
        entries.into()
    }

    fn check_progress(&mut self, is_new: bool) -> Result<(), Error> {
        self.idle = if is_new { 0 } else { self.idle + 1 };
        if self.idle < MAX_IDLE_PAGES {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Endless,
            format!("{MAX_IDLE_PAGES} pages of the list in a row brought nothing new; expected it to end"),
        ))
    }
}
