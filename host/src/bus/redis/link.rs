//! A connection that comes back, and the answers that come over it.
//!
//! Promises that a broken link costs one error, not the connection: the next call makes a new one. A call that may be
//! repeated is repeated here, a few times, and then reported. It knows nothing of what is called; the one thing it knows of
//! the library is how to load it again where it is missing (a fresh or a flushed server).

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

use super::super::BusError;
use super::library::Library;

/// Tries of a call that may be repeated.
const TRIES: u32 = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// One connection.
pub struct Link {
    client: Client,
    config: AsyncConnectionConfig,
    state: tokio::sync::Mutex<State>,
    reconnected: std::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Of the connection; counts those made.
    generation: u64,
}

impl Link {
    /// Nothing is connected before the first call. An answer that takes longer than `patience` breaks the link.
    pub fn new(client: &Client, patience: Duration) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(patience));
        Self {
            client: client.clone(),
            config,
            state: tokio::sync::Mutex::default(),
            reconnected: std::sync::Mutex::default(),
        }
    }

    /// When the link last came back; `None` while it has never been lost.
    pub fn reconnected(&self) -> Option<Instant> {
        *self.reconnected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), RedisError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((connection.clone(), state.generation));
        }
        let connection = self.client.get_multiplexed_async_connection_with_config(&self.config).await?;
        state.connection = Some(connection.clone());
        state.generation += 1;
        if state.generation > 1 {
            *self.reconnected.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        Ok((connection, state.generation))
    }

    /// Send one command, once.
    pub async fn once(&self, command: &Cmd) -> Result<Value, RedisError> {
        let (mut connection, generation) = self.connection().await?;
        let answer = connection.send_packed_command(command).await.and_then(Value::extract_error);
        if answer.as_ref().is_err_and(breaks_link) {
            let mut state = self.state.lock().await;
            if state.generation == generation {
                state.connection = None;
            }
        }
        answer
    }

    /// Send a command that may be repeated.
    pub async fn query(&self, command: &Cmd) -> Result<Value, BusError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.once(command).await {
                Err(error) if breaks_link(&error) && tried < TRIES => {
                    tracing::debug!(%error, tried, "the link to the store broke, the call is repeated");
                    tokio::time::sleep(Duration::from_millis(50) * tried).await;
                }
                answer => return answer.map_err(|error| say(&error)),
            }
        }
    }

    /// Call a function of the library once; where it is not loaded, load it first.
    pub async fn call_once(&self, library: &Library, call: &Cmd) -> Result<Value, RedisError> {
        match self.once(call).await {
            Err(error) if is_missing_function(&error) => {
                library.load(self).await?;
                self.once(call).await
            }
            answer => answer,
        }
    }

    /// Call a function of the library that may be repeated.
    pub async fn call(&self, library: &Library, call: &Cmd) -> Result<Value, BusError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.call_once(library, call).await {
                Err(error) if breaks_link(&error) && tried < TRIES => {
                    tracing::debug!(%error, tried, "the link to the store broke, the call is repeated");
                    tokio::time::sleep(Duration::from_millis(50) * tried).await;
                }
                answer => return answer.map_err(|error| say(&error)),
            }
        }
    }
}

fn is_missing_function(error: &RedisError) -> bool {
    error.to_string().contains("Function not found")
}

/// Is the connection of no use after this? A server that became a replica or is loading is one to leave, too.
pub fn breaks_link(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain};
    let server = matches!(
        error.kind(),
        ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | ReadOnly | TryAgain) | ErrorKind::Parse
    );
    server
        || error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
}

/// What Redis said, in the port's words.
pub fn say(error: &RedisError) -> BusError {
    let text = error.to_string();
    let unusable = |hint: &str| BusError::Unusable { problem: text.clone(), hint: hint.to_owned() };
    match error.kind() {
        ErrorKind::AuthenticationFailed => unusable("check `bus.username` and the password"),
        _ if text.contains("WRONGPASS") || text.contains("NOAUTH") => unusable("check `bus.username` and the password"),
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            unusable("the user needs `~netbox:* ~farrier:* ~bm:events:* +@all -@admin`")
        }
        ErrorKind::InvalidClientConfig => unusable("check `bus.url`"),
        _ if text.contains("WRONGTYPE") => unusable("something else was written to a key of the bus; move it away"),
        _ => BusError::Unreachable(text),
    }
}

/// The answer is not what the library answers.
fn odd(value: &Value) -> BusError {
    let problem = format!("{value:?}").chars().take(120).collect();
    BusError::Corrupt { key: "an answer of the store".to_owned(), problem }
}

/// A list.
pub fn list(value: Value) -> Result<Vec<Value>, BusError> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        other => Err(odd(&other)),
    }
}

/// A text; what is not UTF-8 is shown as such.
pub fn text(value: &Value) -> Result<String, BusError> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text.clone()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Okay => Ok("OK".to_owned()),
        other => Err(odd(other)),
    }
}

/// A number that is not negative.
pub fn number(value: &Value) -> Result<u64, BusError> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| odd(value)),
        Value::Double(_) | Value::BulkString(_) | Value::SimpleString(_) => {
            let text = if let Value::Double(double) = value { format!("{double:.0}") } else { text(value)? };
            text.parse().map_err(|_| odd(value))
        }
        other => Err(odd(other)),
    }
}

/// Texts two by two.
pub fn pairs(value: Value) -> Result<Vec<(String, String)>, BusError> {
    list(value)?
        .chunks(2)
        .map(|pair| match pair {
            [key, value] => Ok((text(key)?, text(value)?)),
            _ => Err(odd(&Value::Nil)),
        })
        .collect()
}
