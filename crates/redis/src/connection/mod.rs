//! One connection for all operations, replaced when it breaks. Only this folder and `client` know
//! the crate `redis`.
//!
//! The crate has a manager that reconnects, but not in three cases that last: where the server
//! falls silent and its machine is gone, where it refused the password once, and where it became a
//! replica of the one that took its place. Here every connection that shows one of these is given
//! up, and the next operation makes another: of sentinels it asks anew who is the primary, of a
//! cluster which nodes there are.

mod failure;
mod nodes;
mod wire;

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redis::{AsyncConnectionConfig, Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::{Instant, timeout, timeout_at};

use tower_webhook::store::StoreError;

use self::{
    failure::{Failure, is_elsewhere, is_end, is_replica, may_be_elsewhere},
    wire::Node,
};
pub(crate) use self::{
    nodes::{NodeSelection, ServerChoice},
    wire::Wire,
};
use crate::client::RedisClient;

/// After a failed attempt to connect, or to find a primary, how long all operations get its error:
/// a server that is down or refuses is asked ten times a second, not once for each delivery.
const PAUSE: Duration = Duration::from_millis(100);
/// A caller that gives up after this time without a reply presumes the connection dead.
const SILENCE: Duration = Duration::from_millis(250);
/// How many commands may wait to be written: as many as the layer has requests in flight by
/// default.
const QUEUE: usize = 1024;
/// The texts of a reply in their order, those of nested arrays too; `None` for nil.
pub(crate) type Reply = Vec<Option<String>>;

/// A script, known to the server by its digest.
#[derive(Debug)]
pub(crate) struct Script(redis::Script, &'static str);

impl Script {
    pub(crate) fn new(code: &'static str) -> Self {
        Self(redis::Script::new(code), code)
    }
}

/// Whether an operation may be sent again after the connection broke before its reply arrived. The
/// first one may have been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resend {
    /// Applying it twice has the effect of applying it once.
    Yes,
    No,
}

pub(crate) struct Connection {
    client: RedisClient,
    config: AsyncConnectionConfig,
    /// How long an operation may take, connecting included.
    limit: Duration,
    current: Mutex<Option<Live>>,
    /// The error of the latest attempt to connect, unless one has succeeded since.
    failure: Mutex<Option<String>>,
    /// Held by the one operation that connects for all.
    attempts: tokio::sync::Mutex<Attempts>,
}

#[derive(Clone)]
struct Live {
    /// Which connection it is, counted from the first.
    number: u64,
    connection: Wire,
}

#[derive(Default)]
struct Attempts {
    succeeded: u64,
    failed: Option<(Instant, RedisError)>,
}

/// A request that awaits its reply. If the caller drops it after `SILENCE`, because its own timeout
/// is shorter, the connection is presumed dead.
struct PendingRequest<'c> {
    connection: &'c Connection,
    number: u64,
    at: Instant,
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        if self.at.elapsed() >= SILENCE {
            self.connection.give_up(self.number);
        }
    }
}

impl Connection {
    /// Does not connect yet.
    pub(crate) fn new(url: &str, limit: Duration) -> Result<Self, StoreError> {
        let client =
            RedisClient::new(url, limit).map_err(|error| StoreError::config(format!("the URL of redis: {error}")))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        Ok(Self {
            client,
            config,
            limit,
            current: Mutex::default(),
            failure: Mutex::default(),
            attempts: tokio::sync::Mutex::default(),
        })
    }

    /// Host and port: no user, no password.
    pub(crate) fn server(&self) -> &str {
        self.client.server()
    }

    /// The number of the server's database.
    pub(crate) fn database(&self) -> i64 {
        self.client.database()
    }

    /// Runs a script on its one key.
    pub(crate) async fn run(
        &self,
        script: &Script,
        key: &str,
        args: &[&str],
        again: Resend,
    ) -> Result<Reply, StoreError> {
        let deadline = Instant::now() + self.limit;
        let command = |name: &str, code: &str| {
            let mut command = redis::cmd(name);
            command.arg(code).arg(1).arg(key).arg(args);
            command
        };
        let by_digest = command("EVALSHA", script.0.get_hash());
        let mut reply = self.send(&by_digest, &ServerChoice(None), deadline, again).await;
        // The server has not seen it yet, or not since its restart. It keeps what it has evaluated
        // once.
        if let Err(Failure::Redis(error)) = &reply
            && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        {
            reply = self
                .send(&command("EVAL", script.1), &ServerChoice(None), deadline, again)
                .await;
        }
        reply.map_err(|failure| self.error(failure))
    }

    /// Asks a command that changes nothing.
    pub(crate) async fn ask(&self, at: &ServerChoice, words: &[&str]) -> Result<Reply, StoreError> {
        self.ask_if_allowed(at, words)
            .await?
            .map_err(|refusal| StoreError::unavailable(format!("redis at {}: {refusal}", self.server_at(at))))
    }

    /// Like `ask`. The inner error is the server's reply that it does not know the command or
    /// forbids it.
    pub(crate) async fn ask_if_allowed(
        &self,
        at: &ServerChoice,
        words: &[&str],
    ) -> Result<Result<Reply, String>, StoreError> {
        match self
            .send(&command(words), at, Instant::now() + self.limit, Resend::Yes)
            .await
        {
            Ok(reply) => Ok(Ok(reply)),
            Err(Failure::Redis(error)) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => {
                Ok(Err(error.to_string()))
            }
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// Asks many commands that change nothing, in one round trip.
    pub(crate) async fn ask_all(&self, at: &ServerChoice, commands: &[Vec<&str>]) -> Result<Vec<Reply>, StoreError> {
        let mut pipeline = redis::pipe();
        for words in commands {
            pipeline.add_command(command(words));
        }
        let pipeline = &pipeline;
        let ask = move |connection: Wire| async move {
            let mut connection = connection.at(at.0.as_ref());
            pipeline.query_async::<Vec<Value>>(&mut connection).await
        };
        match self
            .on_a_connection(ask, Instant::now() + self.limit, Resend::Yes)
            .await
        {
            Ok(replies) => Ok(replies.into_iter().map(flatten).collect()),
            Err(failure) => Err(self.error(failure)),
        }
    }

    async fn send(&self, command: &Cmd, at: &ServerChoice, deadline: Instant, again: Resend) -> Result<Reply, Failure> {
        let ask = move |connection: Wire| async move {
            let mut connection = connection.at(at.0.as_ref());
            match command.query_async::<Value>(&mut connection).await {
                // The slot is being moved, and the key is there already.
                Err(error) if may_be_elsewhere(&error) => {
                    let Some(node) = Node::redirected_to(&error) else {
                        return Err(error);
                    };
                    let mut asking = redis::pipe();
                    asking.cmd("ASKING").ignore().add_command(command.clone());
                    let replies = asking
                        .query_async::<Vec<Value>>(&mut connection.at(Some(&node)))
                        .await?;
                    Ok(replies.into_iter().next().unwrap_or(Value::Nil))
                }
                reply => reply,
            }
        };
        self.on_a_connection(ask, deadline, again).await.map(flatten)
    }

    async fn on_a_connection<A, F>(
        &self,
        ask: impl Fn(Wire) -> F + Send,
        deadline: Instant,
        again: Resend,
    ) -> Result<A, Failure>
    where
        F: Future<Output = RedisResult<A>> + Send,
    {
        let mut is_retry = false;
        loop {
            let live = timeout_at(deadline, self.live()).await.map_err(|_| Failure::Silent)??;
            let asked = PendingRequest {
                connection: self,
                number: live.number,
                at: Instant::now(),
            };
            let reply = timeout_at(deadline, ask(live.connection)).await;
            let error = match reply {
                Ok(reply) => {
                    mem::forget(asked);
                    match reply {
                        Ok(reply) => return Ok(reply),
                        Err(error) => error,
                    }
                }
                Err(_) => {
                    self.give_up(live.number);
                    return Err(Failure::Silent);
                }
            };
            // The connection has begun to read anew which node has which slot.
            let is_moved = self.client.is_cluster() && is_elsewhere(&error);
            if is_end(&error) {
                self.give_up(live.number);
            }
            // A replica has applied nothing, nor has another node; where the connection broke,
            // nobody knows.
            let may_try = is_moved || is_replica(&error) || (again == Resend::Yes && error.is_connection_dropped());
            if is_retry || !may_try {
                if is_replica(&error) {
                    self.pause(&error);
                }
                return Err(error.into());
            }
            is_retry = true;
        }
    }

    /// The connection, or a new one.
    async fn live(&self) -> Result<Live, Failure> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        // The wait is capped well below the caller's timeout. Otherwise, after an outage, every
        // waiting operation reaches the front with too little time left to connect, drops the
        // half-made connection, and the store never recovers.
        let mut attempts = timeout(self.limit / 2, self.attempts.lock())
            .await
            .map_err(|_| Failure::Silent)?;
        // Another operation may have connected, or failed to, while this one waited.
        if let Some(live) = self.current() {
            return Ok(live);
        }
        if let Some((at, error)) = &attempts.failed
            && at.elapsed() < PAUSE
        {
            return Err(error.clone().into());
        }
        match self.client.connect(&self.config).await {
            Ok(connection) => {
                attempts.succeeded += 1;
                attempts.failed = None;
                let live = Live {
                    number: attempts.succeeded,
                    connection,
                };
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                self.note(None);
                Ok(live)
            }
            Err(error) => {
                attempts.failed = Some((Instant::now(), error.clone()));
                self.note(Some(format!("redis at {}: {error}", self.server())));
                Err(error.into())
            }
        }
    }

    /// If a new connection led to a server that refuses, another one would now, too.
    fn pause(&self, error: &RedisError) {
        // The holder of the lock is connecting, and will see.
        if let Ok(mut attempts) = self.attempts.try_lock() {
            attempts.failed = Some((Instant::now(), error.clone()));
        }
    }

    pub(crate) fn last_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    fn current(&self) -> Option<Live> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the next operation make a connection, unless one has since.
    fn give_up(&self, number: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| current.number == number) {
            *current = None;
        }
    }
}

fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(word);
    }
    command
}

fn flatten(value: Value) -> Reply {
    fn add(value: Value, to: &mut Reply) {
        match value {
            Value::Array(values) => values.into_iter().for_each(|value| add(value, to)),
            Value::BulkString(bytes) => to.push(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Value::SimpleString(text) => to.push(Some(text)),
            Value::Int(number) => to.push(Some(number.to_string())),
            _ => to.push(None),
        }
    }
    let mut reply = Reply::new();
    add(value, &mut reply);
    reply
}
