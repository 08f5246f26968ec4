//! Firmware images for controllers that fetch them: `GET /firmware/<token>/<file>` on the public listener.
//!
//! Promises that only an image of the catalogue, unchanged since it was read, goes out, under a token that the update of one server made
//! and that ends with it. Nothing says whether a token is wrong, over, or of another file. Ranges are not served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::io::AsyncReadExt as _;

use crate::firmware::Known;
use crate::stage::Parts;
use crate::stage::update::pull;

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;

/// Set by a request that may last longer than others: an image on its way to a slow controller.
#[derive(Clone, Debug, Default)]
pub struct Patience(Arc<AtomicBool>);

impl Patience {
    /// Was it asked for?
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One image.
pub async fn image(
    State(parts): State<Arc<Parts>>,
    patience: Option<Extension<Patience>>,
    Path((token, file)): Path<(String, String)>,
) -> Response {
    let nothing = || (StatusCode::NOT_FOUND, "no image is offered here\n").into_response();
    let pull = match pull::allowed(parts.bus.as_ref(), &token).await {
        Ok(Some(pull)) => pull,
        Ok(None) => return nothing(),
        Err(error) => {
            tracing::warn!(%error, "a firmware image is not served");
            return (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer: try again\n").into_response();
        }
    };
    let Some(image) = parts.catalogue.by_digest(&pull.sha256).filter(|image| image.name() == file) else {
        return nothing();
    };
    if !image.unchanged() {
        let path = image.image.file.display().to_string();
        tracing::error!(server = %pull.server, file = path, "the image changed since the host started, and is not served");
        return nothing();
    }
    match open(image).await {
        Ok((length, body)) => {
            if let Some(Extension(patience)) = patience {
                patience.ask();
            }
            tracing::info!(server = %pull.server, file, "a controller fetches a firmware image");
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CONTENT_LENGTH, length.to_string()),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ];
            (headers, body).into_response()
        }
        Err(error) => {
            tracing::error!(server = %pull.server, file, %error, "a firmware image cannot be read");
            nothing()
        }
    }
}

async fn open(image: &Known) -> std::io::Result<(u64, Body)> {
    let file = tokio::fs::File::open(&image.image.file).await?;
    let length = file.metadata().await?.len();
    let chunks = stream::unfold(file, |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(chunk), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    Ok((length, Body::from_stream(chunks)))
}
