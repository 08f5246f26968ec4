//! The provider: what it says of itself, kept for an hour; its keys, fetched anew when a token is signed by one that is not known.
//!
//! Promises that a token is taken only with a signature by a key of the provider, of its issuer, for this client, in its time give or take a minute,
//! and with the nonce of its sign-in. HMAC and `none` are never taken. While the provider does not answer, what it said last serves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, StandardErrorResponse, StandardTokenResponse, TokenResponse as _, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;

use super::web::{Web, WebError};
use crate::config::Oidc;
use crate::fault::chain;

/// How long what the provider says of itself serves.
const FRESH: Duration = Duration::from_hours(1);
/// Keys are not fetched more often than this, whatever tokens name.
const KEYS_EVERY: Duration = Duration::from_secs(10);
/// Clocks differ by this much.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// Every claim, also those of no standard.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct AllClaims {
    #[serde(flatten)]
    all: Map<String, Value>,
}

impl AdditionalClaims for AllClaims {}

type Fields = IdTokenFields<
    AllClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type OurClient = Client<
    AllClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// It cannot be used as configured.
    #[error("{0}")]
    Setup(String),
    /// It does not answer, or not as a provider does.
    #[error("the provider does not answer as it should: {0}")]
    Away(String),
    /// It refused the code: used, expired, of another client.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// What it said does not prove anything.
    #[error("the provider's token does not serve: {0}")]
    Untrusted(String),
}

/// What must be kept between leaving for the provider and coming back.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pending {
    /// Comes back in the address.
    pub state: String,
    nonce: String,
    verifier: String,
}

/// The provider of the configuration.
pub struct Provider {
    config: Oidc,
    redirect: RedirectUrl,
    web: Web,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    metadata: Arc<CoreProviderMetadata>,
    at: Instant,
    /// When a token's unknown key last had it fetched anew.
    asked_again: Option<Instant>,
}

impl Provider {
    /// Nothing is asked yet. `base`: where browsers find this host.
    pub fn new(config: &Oidc, base: &str) -> Result<Self, OidcError> {
        let web = Web::new(config.ca_file.as_deref()).map_err(|error| OidcError::Setup(error.to_string()))?;
        let redirect = RedirectUrl::new(format!("{base}/auth/callback"));
        let redirect = redirect.map_err(|error| OidcError::Setup(error.to_string()))?;
        Ok(Self { config: config.clone(), redirect, web, kept: Mutex::new(None) })
    }

    /// Where the browser goes, and what must be kept until it comes back.
    pub async fn leave(&self) -> Result<(Url, Pending), OidcError> {
        let client = self.client(&*self.metadata(false).await?)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        for scope in &self.config.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        let pending = Pending {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
        };
        Ok((url, pending))
    }

    /// Who came back with this code: every claim there is about them.
    pub async fn arrive(&self, code: String, pending: Pending) -> Result<Value, OidcError> {
        let metadata = self.metadata(false).await?;
        let client = self.client(&metadata)?;
        let http = |request| {
            let web = self.web.clone();
            async move { web.send(request).await }
        };
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| OidcError::Away(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier));
        let answer = request.request_async(&http).await.map_err(exchange)?;
        let token = answer.id_token().ok_or_else(|| OidcError::Untrusted("there is no ID token".to_owned()))?;
        let nonce = Nonce::new(pending.nonce);
        let verified = match Self::verify(&client, token, &nonce) {
            // Its keys were changed since they were fetched.
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                let client = self.client(&*self.metadata(true).await?)?;
                Self::verify(&client, token, &nonce)
            }
            verified => verified,
        };
        let verified = verified.map_err(|error| OidcError::Untrusted(error.to_string()))?;
        let mut claims = serde_json::to_value(&verified).map_err(|error| OidcError::Untrusted(error.to_string()))?;
        // Many providers tell groups only there.
        if metadata.userinfo_endpoint().is_some() {
            let subject = verified.subject().clone();
            let request = client
                .user_info(answer.access_token().clone(), Some(subject))
                .map_err(|error| OidcError::Away(error.to_string()))?;
            let more: UserInfoClaims<AllClaims, CoreGenderClaim> =
                request.request_async(&http).await.map_err(|error| OidcError::Away(chain(&error)))?;
            let more = serde_json::to_value(more).map_err(|error| OidcError::Untrusted(error.to_string()))?;
            merge(&mut claims, more);
        }
        Ok(claims)
    }

    fn verify(
        client: &OurClient,
        token: &openidconnect::IdToken<
            AllClaims,
            CoreGenderClaim,
            CoreJweContentEncryptionAlgorithm,
            CoreJwsSigningAlgorithm,
        >,
        nonce: &Nonce,
    ) -> Result<openidconnect::IdTokenClaims<AllClaims, CoreGenderClaim>, ClaimsVerificationError> {
        use CoreJwsSigningAlgorithm as Alg;
        let asymmetric = [
            Alg::RsaSsaPkcs1V15Sha256,
            Alg::RsaSsaPkcs1V15Sha384,
            Alg::RsaSsaPkcs1V15Sha512,
            Alg::RsaSsaPssSha256,
            Alg::RsaSsaPssSha384,
            Alg::RsaSsaPssSha512,
            Alg::EcdsaP256Sha256,
            Alg::EcdsaP384Sha384,
            Alg::EdDsa,
        ];
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(asymmetric)
            .set_time_fn(|| Utc::now() - SKEW)
            .set_issue_time_verifier_fn(|issued| {
                if issued > Utc::now() + SKEW { Err("it was issued in the future".to_owned()) } else { Ok(()) }
            });
        token.claims(&verifier, nonce).cloned()
    }

    /// What the provider says of itself; what it said before, where it does not answer now. `again`: its keys were changed, as it seems.
    async fn metadata(&self, again: bool) -> Result<Arc<CoreProviderMetadata>, OidcError> {
        let mut kept = self.kept.lock().await;
        let mut asked_again = None;
        if let Some(kept) = &*kept {
            let just_asked = kept.asked_again.is_some_and(|at| at.elapsed() < KEYS_EVERY);
            if kept.at.elapsed() < FRESH && (!again || just_asked) {
                return Ok(kept.metadata.clone());
            }
            asked_again = kept.asked_again;
        }
        if again {
            asked_again = Some(Instant::now());
        }
        // The URL type adds a slash to a bare host; providers name themselves without.
        let issuer = self.config.issuer.as_str();
        let bare = self.config.issuer.path() == "/" && self.config.issuer.query().is_none();
        let issuer = if bare { issuer.trim_end_matches('/') } else { issuer };
        let issuer = IssuerUrl::new(issuer.to_owned()).map_err(|error| OidcError::Setup(error.to_string()))?;
        let http = |request| {
            let web = self.web.clone();
            async move { web.send(request).await }
        };
        match CoreProviderMetadata::discover_async(issuer, &http).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *kept = Some(Kept { metadata: metadata.clone(), at: Instant::now(), asked_again });
                Ok(metadata)
            }
            Err(error) => {
                let text = chain(&error);
                let Some(before) = kept.as_mut() else { return Err(OidcError::Away(text)) };
                before.asked_again = asked_again;
                tracing::warn!(error = text, "the OpenID provider does not answer; what it said before serves");
                Ok(before.metadata.clone())
            }
        }
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Result<OurClient, OidcError> {
        let secret = match self.config.secret() {
            Some(reference) => {
                let secret = reference.read().map_err(|error| OidcError::Setup(error.to_string()))?;
                Some(ClientSecret::new(secret.expose().to_owned()))
            }
            None => None,
        };
        let ways = metadata.token_endpoint_auth_methods_supported();
        let has = |way| ways.is_some_and(|ways| ways.contains(&way));
        let in_body = has(CoreClientAuthMethod::ClientSecretPost) && !has(CoreClientAuthMethod::ClientSecretBasic);
        let client_id = ClientId::new(self.config.client_id.clone());
        let client = Client::from_provider_metadata(metadata.clone(), client_id, secret);
        let auth = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok(client.set_auth_type(auth).set_redirect_uri(self.redirect.clone()))
    }
}

/// Everything the ID token does not say; where both say something, the signed one counts.
fn merge(claims: &mut Value, more: Value) {
    let (Value::Object(claims), Value::Object(more)) = (claims, more) else { return };
    for (name, value) in more {
        let known = claims.entry(name).or_insert(Value::Null);
        if known.is_null() {
            *known = value;
        }
    }
}

fn exchange(error: RequestTokenError<WebError, StandardErrorResponse<CoreErrorResponseType>>) -> OidcError {
    match error {
        RequestTokenError::ServerResponse(answer) => OidcError::Refused(answer.to_string()),
        error => OidcError::Away(chain(&error)),
    }
}
