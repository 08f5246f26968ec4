//! Signing in, tokens and the gate, over real listeners. One program, since linking it is what takes long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod access {
    mod limits;
    mod oidc;
    mod sessions;
    mod support;
    mod tls;
    mod tokens;
}
