//! `UpdateService.SimpleUpdate`: the controller fetches the image itself.
//!
//! Promises that the address is really asked, over plain HTTP; an image that cannot be fetched fails the job and is a
//! violation. It sends no credentials.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::super::bmc::Bmc;
use super::super::config::Kind;
use super::super::reply::Reply;
use super::Load;

/// How long fetching may take.
const FETCH: Duration = Duration::from_mins(1);

impl Bmc {
    /// The action.
    pub(in super::super) fn simple_update(self: &Arc<Self>, json: &Value) -> Reply {
        let kind = self.kind();
        let Some(uri) = json.get("ImageURI").and_then(Value::as_str) else {
            return Reply::refuse_base(kind, 400, "ActionParameterMissing", &["SimpleUpdate", "ImageURI"]);
        };
        let scheme = uri.split(':').next().unwrap_or_default().to_ascii_uppercase();
        let said = json.get("TransferProtocol").and_then(Value::as_str);
        if !["HTTP", "HTTPS"].contains(&scheme.as_str()) || said.is_some_and(|said| said != scheme) {
            return Reply::refuse_base(kind, 400, "ActionParameterNotSupported", &[uri, "ImageURI"]);
        }
        if let Some(reply) = self.taken() {
            return reply;
        }
        let at_boot = kind == Kind::DellIdrac9
            && json.get("@Redfish.OperationApplyTime").and_then(Value::as_str) == Some("OnReset");
        // The job is there before the image is: a placeholder that runs until it was fetched.
        let (bmc, uri) = (Arc::clone(self), uri.to_owned());
        let (reply, id) = self.begin_fetch();
        tokio::spawn(async move {
            let fetched =
                tokio::time::timeout(FETCH, fetch(&uri)).await.unwrap_or_else(|_| Err("it took too long".to_owned()));
            let load = match fetched {
                Ok(bytes) => Load::of(&bmc.state(), bmc.kind(), &bytes),
                Err(problem) => {
                    bmc.violation(format!("SimpleUpdate: `{uri}` could not be fetched: {problem}"));
                    None
                }
            };
            bmc.fetched(&id, load, at_boot);
        });
        reply
    }

    /// The image is here, or is not.
    fn fetched(self: &Arc<Self>, id: &str, load: Option<Load>, at_boot: bool) {
        let waits = at_boot && load.is_some();
        if let Some(job) = self.state().jobs.iter_mut().find(|job| job.id == id) {
            job.load.clone_from(&load);
            if waits {
                (job.state, job.percent) = ("Scheduled", 0);
            }
        }
        if !waits {
            self.after_a_while(id, load);
        }
    }
}

/// Over plain HTTP: what serves images in the tests speaks nothing else.
async fn fetch(uri: &str) -> Result<Bytes, String> {
    let uri: hyper::Uri = uri.parse().map_err(|error| format!("{error}"))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client.get(uri).await.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("status {}", answer.status()));
    }
    Ok(answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes())
}
