//! The gateway's way up: packets become requests to a server of the Open Inference Protocol v2, such as Triton or KServe.

use core::time::Duration;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lacewing_engine::{Answer, ExitId, Model, Q15};
use thiserror::Error;

use crate::config::Limits;
use crate::oip::{self, Described, HEADER_LEN};
use crate::packets::{Asked, Tail};

/// Bytes of a response that are read.
const LONGEST: usize = 1 << 20;

/// The server behind a gateway, and the model there that is the tail.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The server, such as `http://127.0.0.1:8000`.
    pub url: String,
    /// The model's name there.
    pub model: String,
    /// The head's facts, where they are known here; else the server has to say them, as `lacewing serve` does.
    pub head: Option<HeadFacts>,
}

/// What a gateway has to know about the head whose packets it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadFacts {
    /// The pair id.
    pub pair_id: u32,
    /// Trunk junctions in it.
    pub split: u8,
    /// Exits in it: the server's answer counts as the next.
    pub exits: u8,
    /// Values that it hands over.
    pub features: usize,
}

impl HeadFacts {
    /// Of a head.
    #[must_use]
    pub fn of(head: &Model<'_>) -> Self {
        let exits = u8::try_from(head.exits().count()).unwrap_or(u8::MAX);
        Self { pair_id: head.pair_id(), split: head.split(), exits, features: head.features_len() }
    }
}

/// A gateway cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The address is none of the web's.
    #[error("{0:?} is no http:// address (TLS to the server is a proxy's business)")]
    Url(String),
    /// The server does not answer, or not with a model's metadata.
    #[error("model {model} at {url}: {cause}")]
    Describe {
        /// The model's name.
        model: String,
        /// The server.
        url: String,
        /// What went wrong.
        cause: String,
    },
    /// Nobody says which head's packets the model takes.
    #[error("the server does not say which head model {0} belongs to: give the head with --head")]
    WhichHead(String),
    /// The model takes other inputs than the head gives.
    #[error("the head hands over {head} values, model {model} takes {server}")]
    Width {
        /// The head's.
        head: usize,
        /// The model's name.
        model: String,
        /// The server's.
        server: usize,
    },
    /// The head given is not the model's.
    #[error("the head has pair id {head:08x}, model {model} has pair id {server:08x}")]
    Pair {
        /// The head's.
        head: u32,
        /// The model's name.
        model: String,
        /// The server's.
        server: u32,
    },
}

/// Requests to one model of one server, over as many connections as there are requests at once.
pub(crate) struct Requests {
    client: Client<HttpConnector, Full<Bytes>>,
    infer: Uri,
    described: Described,
    pair_id: u32,
    exit: ExitId,
    time: Duration,
}

impl Requests {
    /// Asks the server what the model is; it has to be there when a gateway starts.
    pub(crate) async fn connect(upstream: &Upstream, limits: &Limits) -> Result<(Self, Tail), UpstreamError> {
        let Upstream { url, model, head } = upstream;
        let base = url.trim_end_matches('/');
        let uri = |rest: &str| {
            let uri = format!("{base}/v2/models/{model}{rest}").parse::<Uri>().ok();
            let uri = uri.filter(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some());
            uri.ok_or_else(|| UpstreamError::Url(url.clone()))
        };
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(limits.time));
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(limits.idle).build(connector);
        let (metadata, infer) = (uri("")?, uri("/infer")?);
        let request = Request::builder().method(Method::GET).uri(metadata).body(Full::default());
        let described = match request {
            Ok(request) => call(&client, request, limits.time).await.and_then(|(_, body)| oip::read_metadata(&body)),
            Err(error) => Err(error.to_string()),
        };
        let described = described.map_err(|cause| {
            let (model, url) = (model.clone(), url.clone());
            UpstreamError::Describe { model, url, cause }
        })?;
        let (pair_id, split) = upstream.check(&described)?;
        let exit = ExitId(head.map_or(1, |head| head.exits.saturating_add(1)));
        let tail = Tail { model: 0, pair_id, split, width: described.width, input: None };
        Ok((Self { client, infer, described, pair_id, exit, time: limits.time }, tail))
    }

    /// The reply to a packet whose values are `values`. The error says why the server gave no answer.
    pub(crate) async fn finish(&self, values: &[f32], asked: &Asked, room: usize) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        let header = oip::write_request(&self.described.tensors, values, self.pair_id, asked.sequence(), &mut body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.infer.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(HEADER_LEN, header)
            .body(Full::from(body))
            .map_err(|error| error.to_string())?;
        let answer = call(&self.client, request, self.time)
            .await
            .and_then(|(header, body)| oip::read_response(&self.described.tensors, asked.sequence(), header, &body));
        let answer = answer.inspect_err(|cause| tracing::warn!(cause, "the server gave no answer"))?;
        let confidence = answer.confidence.unwrap_or_else(|| max_probability(&answer.logits));
        let first = Answer { class: answer.class, exit: answer.exit.unwrap_or(self.exit), confidence };
        let mut out = Vec::new();
        asked.reply(Some(&first), &answer.logits, room, &mut out);
        Ok(out)
    }
}

impl Upstream {
    /// Pair id and split, from whoever knows them, and that all who know them agree.
    fn check(&self, described: &Described) -> Result<(u32, u8), UpstreamError> {
        let Some(head) = self.head else {
            return described.pair.ok_or_else(|| UpstreamError::WhichHead(self.model.clone()));
        };
        if let Some((server, _)) = described.pair.filter(|(server, _)| *server != head.pair_id) {
            return Err(UpstreamError::Pair { head: head.pair_id, model: self.model.clone(), server });
        }
        if head.features != described.width {
            let (head, server) = (head.features, described.width);
            return Err(UpstreamError::Width { head, model: self.model.clone(), server });
        }
        Ok((head.pair_id, head.split))
    }
}

/// A response's body, and how many of its bytes are JSON where others follow. The error is in words.
async fn call(
    client: &Client<HttpConnector, Full<Bytes>>,
    request: Request<Full<Bytes>>,
    time: Duration,
) -> Result<(Option<usize>, Bytes), String> {
    let call = async {
        let response = client.request(request).await.map_err(|error| in_words(&error))?;
        let (status, headers) = (response.status(), response.headers());
        let header = headers.get(HEADER_LEN).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(|error| error.to_string())?;
        let body = body.to_bytes();
        if status.is_success() {
            Ok((header, body))
        } else {
            Err(format!("{status}: {}", String::from_utf8_lossy(body.get(..200).unwrap_or(&body))))
        }
    };
    tokio::time::timeout(time, call).await.map_err(|_| "it did not answer in time".to_owned())?
}

/// An error and its causes.
fn in_words(error: &dyn core::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", in_words(cause)),
        None => error.to_string(),
    }
}

/// How sure the logits are: the largest probability of their softmax.
fn max_probability(logits: &[f32]) -> Q15 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    Q15::from_f32(1.0 / logits.iter().map(|logit| (logit - top).exp()).sum::<f32>())
}
