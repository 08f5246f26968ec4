//! Runs jobs on the one connection: each all or nothing, each answered only when it is on the disk.
//!
//! A file has its own thread, which puts the jobs that wait into one transaction (one fsync for all of them). `:memory:` runs
//! a job where it is called: without a disk there is nothing to wait for, and a simulation under a paused clock stays
//! deterministic.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::BusError;

/// Jobs put into one transaction at most.
const GROUP: usize = 64;

type Answer = Box<dyn FnOnce(Result<(), BusError>) + Send>;
/// Run with the connection, or with the reason why there is no transaction to run in.
type Job = Box<dyn FnOnce(Result<&Connection, BusError>) -> Answer + Send>;

/// The way to the connection.
pub enum Engine {
    /// Jobs run in the caller.
    Inline(Mutex<Connection>),
    /// Jobs run on the store's thread; it ends when the sender is dropped.
    Thread(Mutex<Sender<Job>>),
}

impl Engine {
    /// Run on a thread of its own.
    pub fn thread(connection: Connection) -> Result<Self, BusError> {
        let (sender, receiver) = mpsc::channel();
        std::thread::Builder::new()
            .name("bus".to_owned())
            .spawn(move || serve(&connection, &receiver))
            .map_err(|error| BusError::Unreachable(format!("start the store's thread: {error}")))?;
        Ok(Self::Thread(Mutex::new(sender)))
    }

    /// Run one job: its changes are kept if it answers `Ok`, undone otherwise.
    pub async fn run<T, F>(&self, job: F) -> Result<T, BusError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, BusError> + Send + 'static,
    {
        match self {
            Self::Inline(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                begin(&connection)?;
                let result = savepoint(&connection, job);
                commit(&connection)?;
                result
            }
            Self::Thread(sender) => {
                let (reply, answer) = oneshot::channel();
                let job: Job = Box::new(move |connection| {
                    let result = connection.and_then(|connection| savepoint(connection, job));
                    Box::new(move |committed| drop(reply.send(committed.and(result))))
                });
                let sent = sender.lock().unwrap_or_else(PoisonError::into_inner).send(job);
                sent.map_err(|_| ended())?;
                answer.await.map_err(|_| ended())?
            }
        }
    }
}

fn ended() -> BusError {
    BusError::Unreachable("the store's thread has ended; the log says why".to_owned())
}

fn serve(connection: &Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        if let Err(error) = begin(connection) {
            first(Err(error))(Ok(()));
            continue;
        }
        let mut answers = vec![first(Ok(connection))];
        while let Some(job) = (answers.len() < GROUP).then(|| jobs.try_recv().ok()).flatten() {
            answers.push(job(Ok(connection)));
        }
        let committed = commit(connection).map_err(|error| error.to_string());
        if let Err(error) = &committed {
            tracing::error!(%error, "the store did not take a group of changes");
        }
        for answer in answers {
            answer(committed.clone().map_err(BusError::Unreachable));
        }
    }
}

fn begin(connection: &Connection) -> Result<(), BusError> {
    // Deferred: no other process writes, and a connection for reading only cannot begin otherwise.
    connection.execute_batch("BEGIN").map_err(sql)
}

fn commit(connection: &Connection) -> Result<(), BusError> {
    connection.execute_batch("COMMIT").map_err(|error| {
        if let Err(error) = connection.execute_batch("ROLLBACK") {
            tracing::debug!(%error, "nothing to roll back");
        }
        sql(error)
    })
}

fn savepoint<T>(connection: &Connection, job: impl FnOnce(&Connection) -> Result<T, BusError>) -> Result<T, BusError> {
    connection.execute_batch("SAVEPOINT job").map_err(sql)?;
    let result = job(connection);
    let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    connection.execute_batch(end).map_err(sql)?;
    result
}

/// What SQLite said, in the port's words.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
pub fn sql(error: rusqlite::Error) -> BusError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            BusError::Corrupt { key: "bus.db".to_owned(), problem: error.to_string() }
        }
        Some(rusqlite::ErrorCode::ReadOnly) => BusError::Unusable {
            problem: "it is open for reading only".to_owned(),
            hint: "changes go through the running host: start it, or ask it".to_owned(),
        },
        Some(rusqlite::ErrorCode::DiskFull) => BusError::Unreachable("the disk under `state_dir` is full".to_owned()),
        _ => BusError::Unreachable(error.to_string()),
    }
}
