//! HTTP: a request's body within its limits, and an answer as one piece.

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use uuid::Uuid;

use super::body::AnswerBody;
use super::error::Error;
use super::guesses;
use crate::limits::REQUEST_BODY_BYTES_MAX;

/// What is sent.
pub(super) type HttpAnswer = Response<Full<AnswerBody>>;

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const XML: HeaderValue = HeaderValue::from_static("application/xml");
const NO_STORE: HeaderValue = HeaderValue::from_static(guesses::NO_STORE);
const X_AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The whole body; an error closes the connection with no answer but where AWS has one.
pub(super) async fn read_body(body: Incoming) -> Result<Bytes, BodyError> {
    // What is announced as too long is refused before it is sent.
    if body.size_hint().lower() > REQUEST_BODY_BYTES_MAX as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut body = Limited::new(body, REQUEST_BODY_BYTES_MAX);
    let first = next_data(&mut body).await?.unwrap_or_default();
    // Most bodies come in one piece, which then is the body.
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(more) = next_data(&mut body).await? {
        whole.extend_from_slice(&more);
    }
    Ok(whole.freeze())
}

/// The next piece of a body; trailers are passed over.
async fn next_data(body: &mut Limited<Incoming>) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(error) if error.is::<LengthLimitError>() => return Err(BodyError::TooLarge),
            Err(_) => return Err(BodyError::Incomplete),
        }
    }
    Ok(None)
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Longer than any request.
    TooLarge,
    /// Cut off, or not framed as HTTP says.
    Incomplete,
}

/// An answer of AWS JSON 1.1: the members, or an error. An operation without output has no body.
///
/// The answer's headers take the place of `headers`, which are done with: their map goes back to
/// hyper, which reads the next request into it, and none is made for either.
pub(super) fn json_answer(
    headers: HeaderMap,
    request_id: Uuid,
    outcome: Result<AnswerBody, Error>,
) -> HttpAnswer {
    match outcome {
        Ok(body) => answer(headers, StatusCode::OK, JSON, request_id, body),
        Err(error) => {
            let mut body = format!("{{\"__type\":\"{}\"", error.name);
            if let Some(message) = &error.message {
                body += ",\"message\":";
                body += &serde_json::Value::from(&**message).to_string();
            }
            body.push('}');
            answer(headers, error.status(), JSON, request_id, AnswerBody::new(body.into_bytes()))
        }
    }
}

/// The answer to a request that names no operation: the service's front door speaks XML.
pub(super) fn no_operation(headers: HeaderMap, request_id: Uuid) -> HttpAnswer {
    let body = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to \
                be authorized</Message>\n</AccessDeniedException>\n";
    let body = AnswerBody::new(body.as_bytes().to_vec());
    answer(headers, StatusCode::FORBIDDEN, XML, request_id, body)
}

fn answer(
    mut headers: HeaderMap,
    status: StatusCode,
    form: HeaderValue,
    request_id: Uuid,
    body: AnswerBody,
) -> HttpAnswer {
    let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = request_id.as_hyphenated().encode_lower(&mut id);
    headers.clear();
    headers.insert(CONTENT_TYPE, form);
    headers.insert(CACHE_CONTROL, NO_STORE);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(X_AMZN_REQUEST_ID, id);
    }
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}
