//! The plugin engine and the endpoint broker.
//!
//! Promises: whatever a component does, the host stays up, the next call works, and nothing leaves the host but requests to
//! the one endpoint a call was lent. Knows nothing of stages.
//!
//! [`Plugins`] loads a folder and ranks drivers; [`Driver`] has the typed calls; [`Broker`] lends the endpoints for them.

pub mod broker;
mod call;
mod dynamic;
mod engine;
mod error;
mod imports;
mod kv;
mod limits;
mod load;
mod rank;
mod registry;
mod service;
mod state;
mod stderr;
mod told;
mod value;
pub mod wit;

pub use broker::{
    Broker, ControllerAuth, Endpoint, EndpointError, Exchange, FilePins, Fingerprint, Forwarded, Images, Login,
    MemoryPins, PinStore, Secrets, Target, auth_word,
};
pub use call::{Driver, Lend, grant};
pub use dynamic::{DynamicError, Signature};
pub use engine::EngineError;
pub use error::CallError;
pub use kv::{Drawer, Kv};
pub use load::LoadProblem;
pub use registry::{Plugin, Plugins};
pub use service::{Service, server_ref};
pub use state::{Progress, Settings};
pub use told::Calls;
