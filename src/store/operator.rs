/// How many events of a namespace are in which state: what `count` of a store outside the process answers.
///
/// What is past its retention counts no more.
///
/// ```
/// use tower_webhook::store::Counts;
///
/// let counts = Counts { claimed: 1, free: 2, done: 40 };
/// assert_eq!(counts.claimed + counts.free + counts.done, 43);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "one number for each state of the contract")]
pub struct Counts {
    /// A handler runs, or its process died.
    pub claimed: u64,
    /// The last run failed, and the sender has not sent the event again yet.
    pub free: u64,
    /// Finished, whether handled or rejected.
    pub done: u64,
}
