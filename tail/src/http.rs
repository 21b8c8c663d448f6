//! HTTP: the protocol's addresses, and the limits around them.

use core::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::connections::Connection;
use crate::oip::{self, Facts, Limits, Results};
use crate::pool::{Busy, Job, NotFinite, Recipient};
use crate::serve::{Shared, count};

/// Bytes that the head of a request may have.
const HEAD: usize = 16 << 10;

/// Why a request gets no results.
struct Failure(StatusCode, String);

impl Failure {
    fn busy() -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, "too much work at once: try again in a second".to_owned())
    }
}

impl From<Busy> for Failure {
    fn from(_: Busy) -> Self {
        Self::busy()
    }
}

impl From<oip::BadRequest> for Failure {
    fn from(error: oip::BadRequest) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = with_json(self.0, &json!({ "error": self.1 }));
        if self.0 == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn with_json(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// The addresses of the protocol.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let model = |router: Router<Arc<Shared>>, at: &str| {
        router
            .route(at, get(metadata))
            .route(&format!("{at}/ready"), get(model_ready))
            .route(&format!("{at}/infer"), post(infer))
    };
    let router = Router::new()
        .route("/v2", get(async || with_json(StatusCode::OK, &oip::server_metadata())))
        .route("/v2/health/live", get(async || with_json(StatusCode::OK, &json!({ "live": true }))))
        .route("/v2/health/ready", get(ready));
    let router = model(router, "/v2/models/{model}");
    model(router, "/v2/models/{model}/versions/{version}")
        .fallback(async || Failure(StatusCode::NOT_FOUND, "there is nothing at this address".to_owned()))
        .method_not_allowed_fallback(async || {
            let failure = Failure(StatusCode::METHOD_NOT_ALLOWED, "this address has another method".to_owned());
            ([(ALLOW, "GET, POST")], failure)
        })
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

/// Speaks HTTP on one connection until it ends, or until it has answered after the server was told to stop.
pub(crate) async fn serve(stream: Connection, router: Router, shared: Arc<Shared>) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.idle)
        .max_header_size(HEAD)
        .max_buf_size(4 * HEAD);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shared.stop.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}

async fn ready(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    if shared.stop.is_stopped() {
        return Err(Failure(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping".to_owned()));
    }
    Ok(with_json(StatusCode::OK, &json!({ "ready": true })))
}

/// The name, and the version where the address has one.
type Named = Path<Vec<(String, String)>>;

fn find<'s>(shared: &'s Shared, named: &Named) -> Result<&'s (usize, Facts), Failure> {
    let not_found = |what: String| Failure(StatusCode::NOT_FOUND, what);
    let part = |key: &str| named.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let name = part("model").unwrap_or_default();
    let found = shared.models.get(name).ok_or_else(|| not_found(format!("there is no model {name:?}")))?;
    match part("version") {
        None | Some(oip::VERSION) => Ok(found),
        Some(other) => Err(not_found(format!("model {name:?} has version {} only, not {other:?}", oip::VERSION))),
    }
}

async fn metadata(State(shared): State<Arc<Shared>>, named: Named) -> Result<Response, Failure> {
    Ok(with_json(StatusCode::OK, &find(&shared, &named)?.1.metadata()))
}

async fn model_ready(State(shared): State<Arc<Shared>>, named: Named) -> Result<Response, Failure> {
    let (_, facts) = find(&shared, &named)?;
    Ok(with_json(StatusCode::OK, &json!({ "name": facts.name, "ready": true })))
}

async fn infer(State(shared): State<Arc<Shared>>, named: Named, request: Request) -> Response {
    match answer(&shared, &named, request).await {
        Ok(response) => {
            count(&shared.counters.requests);
            response
        }
        Err(failure) => {
            let busy = failure.0 == StatusCode::SERVICE_UNAVAILABLE;
            count(if busy { &shared.counters.busy } else { &shared.counters.refused });
            tracing::debug!(status = failure.0.as_u16(), error = failure.1, "refused");
            failure.into_response()
        }
    }
}

async fn answer(shared: &Shared, named: &Named, request: Request) -> Result<Response, Failure> {
    let (index, facts) = find(shared, named)?;
    let header = header_len(request.headers())?;
    let len = body_len(request.headers(), shared.limits.body)?;
    let room = shared.bodies.take(len).ok_or_else(Failure::busy)?;
    let body = read(request.into_body(), shared).await?;
    let limits = Limits { logits: shared.limits.body };
    let mut asked = oip::parse(facts, limits, header, &body)?;
    drop(body);
    let (reply, done) = oneshot::channel();
    let values = core::mem::take(&mut asked.values);
    shared.pool.submit(Job { model: *index, values, to: Recipient::Rows(reply) })?;
    let Ok(finished) = tokio::time::timeout(shared.limits.time, done).await else { return Err(Failure::busy()) };
    let failed = |_| Failure(StatusCode::INTERNAL_SERVER_ERROR, "the model gave no answer".to_owned());
    let finished = finished.map_err(failed)?.map_err(|NotFinite { row }| {
        let error =
            format!("the logits of row {row} are not finite: its features are too large for the model's f32 sums");
        Failure(StatusCode::UNPROCESSABLE_ENTITY, error)
    })?;
    let results = Results { answers: &finished.answers, logits: &finished.logits };
    let oip::Body { bytes, header } = oip::encode(facts, &asked, &results);
    // Whoever is slow to read it holds it for so long.
    let room = room.resized(bytes.len()).ok_or_else(Failure::busy)?;
    let mut response = Response::new(Body::from(room.with(bytes)));
    let kind = if header.is_some() { "application/octet-stream" } else { "application/json" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(header) = header {
        response.headers_mut().insert(HeaderName::from_static(oip::HEADER_LEN), HeaderValue::from(header));
    }
    Ok(response)
}

fn header_len(headers: &HeaderMap) -> Result<Option<usize>, Failure> {
    let Some(value) = headers.get(oip::HEADER_LEN) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || Failure(StatusCode::BAD_REQUEST, "Inference-Header-Content-Length is no number of bytes".to_owned());
    number.map(Some).ok_or_else(wrong)
}

/// Bytes to make room for: those said, or as many as may come.
fn body_len(headers: &HeaderMap, most: usize) -> Result<usize, Failure> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let error = "compressed bodies are not taken: send them as they are".to_owned();
        return Err(Failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match said {
        Some(said) if said > most => Err(too_large(most)),
        said => Ok(said.unwrap_or(most)),
    }
}

fn too_large(most: usize) -> Failure {
    Failure(StatusCode::PAYLOAD_TOO_LARGE, format!("a request's body has at most {most} bytes here"))
}

async fn read(body: Body, shared: &Shared) -> Result<Bytes, Failure> {
    let most = shared.limits.body;
    match tokio::time::timeout(shared.limits.time, axum::body::to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_limit(&error) => Err(too_large(most)),
        Ok(Err(error)) => Err(Failure(StatusCode::BAD_REQUEST, format!("the body did not come whole: {error}"))),
        Err(_) => Err(Failure(StatusCode::REQUEST_TIMEOUT, "the body did not come in time".to_owned())),
    }
}

/// Whether reading stopped because the body is longer than allowed.
fn is_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn core::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}
