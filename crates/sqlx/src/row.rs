//! A record as the row of a table: what the stores that speak SQL share. No driver is named here.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tower_webhook::{
    event::Fingerprint,
    store::{ClaimRequest, Completion, Record, Schedule, Stage, State, StoreError, Token},
};

/// The columns of a row, as both databases give them; times in microseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) state: String,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) token: Option<Vec<u8>>,
    pub(crate) generation: i64,
    pub(crate) attempts: i64,
    pub(crate) changed_at: i64,
    pub(crate) lease_until: Option<i64>,
    pub(crate) expires_at: i64,
    /// What a worker goes by, where the delivery is stored.
    pub(crate) stored: bool,
    pub(crate) due_at: Option<i64>,
    pub(crate) crashes: i64,
}

/// What a statement that changed nothing saw instead: the store's time, and the record, if there is
/// one.
pub(crate) struct Seen {
    pub(crate) now: SystemTime,
    pub(crate) record: Option<Record>,
}

impl Columns {
    pub(crate) fn into_record(self) -> Result<Record, StoreError> {
        let generation = counted(self.generation);
        let attempts = small(self.attempts);
        let done = |completion| State::Done {
            completion,
            at: time(self.changed_at),
        };
        let state = match (self.state.as_str(), &self.token, self.lease_until) {
            ("claimed", Some(token), Some(lease_until)) => State::Claimed {
                token: Token::from_bytes(sixteen(token, "token")?),
                generation,
                attempts,
                lease_until: time(lease_until),
            },
            ("free", ..) => State::Free { generation, attempts },
            ("dead", ..) => State::Dead {
                generation,
                attempts,
                at: time(self.changed_at),
            },
            ("handled", ..) => done(Completion::Handled),
            ("rejected", ..) => done(Completion::Rejected),
            (state, ..) => {
                return Err(StoreError::unavailable(format!(
                    "a row is in the state {state:?}; expected free, handled, rejected, dead, or claimed with a token and a lease"
                )));
            }
        };
        let fingerprint = Fingerprint::from_bytes(sixteen(&self.fingerprint, "fingerprint")?);
        let schedule = self
            .stored
            .then(|| Schedule::new(self.due_at.map(time), small(self.crashes), generation));
        Ok(Record::new(state, fingerprint, time(self.expires_at)).with_schedule(schedule))
    }
}

pub(crate) fn sixteen(bytes: &[u8], column: &str) -> Result<[u8; 16], StoreError> {
    bytes
        .try_into()
        .map_err(|_| StoreError::unavailable(format!("a row's {column} has {} bytes; expected 16", bytes.len())))
}

/// How long the bodies of finished deliveries are kept by default: for as long as an operator may
/// want to look at one, or to replay it.
pub(crate) const KEEP_BODIES: Duration = Duration::from_secs(7 * 24 * 3600);

/// The stage of a state, as the tables name it.
pub(crate) fn stage(state: &str) -> Stage {
    match state {
        "free" => Stage::Waiting,
        "claimed" => Stage::Running,
        "dead" => Stage::Dead,
        _ => Stage::Done,
    }
}

/// A small number that a database counted.
pub(crate) fn small(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

pub(crate) fn counted(number: i64) -> u64 {
    number.max(0).unsigned_abs()
}

/// A time that a database gave, in microseconds since 1970.
pub(crate) fn time(micros: i64) -> SystemTime {
    let distance = Duration::from_micros(micros.unsigned_abs());
    let time = if micros < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Milliseconds, rounded up so that nothing ends early. Beyond a thousand years all durations are
/// alike: sums of them stay within what every database can say.
pub(crate) fn millis(duration: Duration) -> i64 {
    const LONGEST: i64 = 1000 * 365 * 24 * 3600 * 1000;
    i64::try_from(duration.as_nanos().div_ceil(1_000_000)).map_or(LONGEST, |millis| millis.min(LONGEST))
}

/// A claim that somebody else has by now, or nobody.
pub(crate) fn lost(claim_request: &ClaimRequest) -> StoreError {
    StoreError::not_held(format!(
        "the lease of {} was lost, and another run may have the event: roll back",
        claim_request.key.id()
    ))
}

/// How often an operation begins anew that was refused by a record which then was gone. Each time
/// another run has got ahead.
#[cfg(feature = "postgres")]
pub(crate) const ATTEMPTS: usize = 16;

#[cfg(feature = "postgres")]
pub(crate) fn overtaken() -> StoreError {
    StoreError::unavailable(format!("the record changed {ATTEMPTS} times while it was looked at"))
}

/// The name of the table in the statements as they are written.
const WRITTEN: &str = "webhook_events";
/// The tables beside it, as they are written, and what is behind the table's own name where that is
/// another.
const BESIDE: [(&str, &str); 2] = [("webhook_bodies", "_bodies"), ("webhook_attempts", "_attempts")];
/// The indexes: what is behind the table's name.
const INDEXES: [&str; 7] = [
    "_expires_at",
    "_suspects",
    "_due",
    "_dead",
    "_received",
    "_finished",
    "_history",
];
/// Databases allow 63 bytes for a name; the index has the longest, with `_expires_at`
/// behind the table's.
const LONGEST_NAME: usize = 50;

/// A table's name, checked: it becomes part of statements.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Table {
    schema: Option<String>,
    name: String,
}

impl Table {
    pub(crate) fn new(name: &str) -> Result<Self, StoreError> {
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, name),
        };
        if !schema.is_none_or(is_name) || !is_name(table) {
            return Err(StoreError::config(format!(
                "{name:?} is no name for its table; expected a to z, 0 to 9 and _, not beginning with a digit, at most {LONGEST_NAME}; \
                 in Postgres after a schema and a dot, if you like"
            )));
        }
        Ok(Self {
            schema: schema.map(str::to_owned),
            name: table.to_owned(),
        })
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The statement for this table.
    pub(crate) fn in_statement(&self, sql: &str) -> String {
        let mut statement = sql.replace(WRITTEN, &self.to_string());
        for index in INDEXES {
            // An index has no schema before its name: it is the table's.
            statement = statement.replace(&format!("{self}{index}"), &format!("\"{}{index}\"", self.name));
        }
        for (written, suffix) in BESIDE {
            statement = statement.replace(written, &self.beside(written, suffix));
        }
        statement
    }

    /// The name of a table beside this one: its own, or made of this one's.
    fn beside(&self, written: &str, suffix: &str) -> String {
        let name = if self.name == WRITTEN {
            written.to_owned()
        } else {
            format!("{}{suffix}", self.name)
        };
        let schema = self.schema.clone();
        Self { schema, name }.to_string()
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            schema: None,
            name: WRITTEN.to_owned(),
        }
    }
}

/// As statements name it: quoted, so that no word of the language is in the way.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "\"{schema}\".")?;
        }
        write!(f, "\"{}\"", self.name)
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The offset that tests add to the store's time; without the feature `test-util`, nothing can.
#[derive(Debug, Default)]
pub(crate) struct Offset(#[cfg(feature = "test-util")] std::sync::atomic::AtomicI64);

impl Offset {
    pub(crate) fn millis(&self) -> i64 {
        #[cfg(feature = "test-util")]
        return self.0.load(std::sync::atomic::Ordering::SeqCst);
        #[cfg(not(feature = "test-util"))]
        return 0;
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), std::sync::atomic::Ordering::SeqCst);
    }
}
