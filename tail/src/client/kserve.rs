//! Any server of the Open Inference Protocol v2 with the binary tensor extension: `lacewing serve`, Triton, KServe's Python
//! server; not MLServer, which has not got it.

use core::time::Duration;
use std::time::Instant;

use lacewing_engine::PacketError;
use serde::Deserialize;

use super::{AnyFeatures, Link, LinkError, TailAnswer, left};
use crate::oip::{HEADER_LEN, Tensors, read_response, write_request};

/// Bytes of a response that are read.
const LONGEST: u64 = 1 << 20;

/// Requests over HTTP to one model of a server.
#[derive(Debug)]
pub struct KserveLink {
    agent: ureq::Agent,
    url: String,
    tensors: Tensors,
    body: Vec<u8>,
}

impl KserveLink {
    /// To `model` on the server at `url`, such as `http://127.0.0.1:8080`. Model names come from whoever sets the device up.
    #[must_use]
    pub fn new(url: &str, model: &str, tensors: Tensors) -> Self {
        // Errors of the server are told from its words; proxies are for those who browse.
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let url = format!("{}/v2/models/{model}/infer", url.trim_end_matches('/'));
        Self { agent: config.into(), url, tensors, body: Vec::new() }
    }
}

impl Link for KserveLink {
    fn ask(&mut self, features: &AnyFeatures<'_>, until: Instant) -> Result<TailAnswer, LinkError> {
        let (sequence, pair_id, numbers) = (features.sequence(), features.pair_id(), features.numbers());
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            return Err(PacketError::NotFinite { at }.into());
        }
        let header = write_request(&self.tensors, &numbers, pair_id, sequence, &mut self.body);
        let time: Duration = left(until)?;
        let request = self.agent.post(&self.url).config().timeout_global(Some(time)).build();
        let request = request.content_type("application/octet-stream").header(HEADER_LEN, header.to_string());
        let mut response = request.send(&self.body[..]).map_err(failed)?;
        let status = response.status().as_u16();
        let header = response.headers().get(HEADER_LEN).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(failed)?;
        if status != 200 {
            return Err(LinkError::Status { status, message: message(&body) });
        }
        read_response(&self.tensors, sequence, header, &body).map_err(LinkError::Response)
    }
}

fn failed(error: ureq::Error) -> LinkError {
    match error {
        ureq::Error::Timeout(_) => LinkError::TimedOut,
        ureq::Error::Io(error) => super::failed(error),
        other => LinkError::Io(std::io::Error::other(other)),
    }
}

/// The server's own words, where it has some.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Failure {
        error: String,
    }
    match serde_json::from_slice::<Failure>(body) {
        Ok(failure) => failure.error,
        Err(_) => String::from_utf8_lossy(body).chars().take(200).collect(),
    }
}
