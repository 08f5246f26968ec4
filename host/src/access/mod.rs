//! Who someone is, and what that allows.
//!
//! Promises that a decision depends on the role, the sites and the tenant alone, never on how somebody signed in. It knows no HTTP.

mod audit;
mod permission;
mod principal;
mod token;

pub use audit::{Auditor, Record};
pub use permission::Permission;
pub use principal::{Means, Principal, Role};
pub use token::{DEFAULT_LIFE, LONGEST_LIFE, NewToken, Refusal, Token, TokenError, Tokens, covers, digest, hex};
