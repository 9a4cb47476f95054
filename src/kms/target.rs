//! `X-Amz-Target`: which operation is called.

use hyper::header::{HeaderName, HeaderValue};

use super::error::Error;
use crate::spec::Operation;

/// The service's name in the header, from the time when it had no public one.
const PREFIX: &str = "TrentService.";

/// The header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-amz-target");

/// The operation that `header` names.
pub(super) fn operation(header: Option<&HeaderValue>) -> Result<Operation, Error> {
    let name = header.and_then(|header| header.to_str().ok());
    let name = name.and_then(|name| name.strip_prefix(PREFIX));
    name.and_then(|name| name.parse().ok()).ok_or_else(unknown)
}

/// What an operation that does not exist, or is not built, is answered.
pub(super) const fn unknown() -> Error {
    Error::bare("UnknownOperationException")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_operations_of_the_service_are_known() {
        let target = |text: &str| operation(Some(&HeaderValue::from_str(text).unwrap()));
        assert_eq!(target("TrentService.Decrypt"), Ok(Operation::Decrypt));
        for wrong in
            ["", "Decrypt", "TrentService.", "TrentService.decrypt", "trentservice.Decrypt"]
        {
            assert_eq!(target(wrong), Err(unknown()), "{wrong:?}");
        }
        assert_eq!(operation(None), Err(unknown()));
        assert_eq!(
            operation(HeaderValue::from_bytes(b"TrentService.\xff").ok().as_ref()),
            Err(unknown())
        );
    }
}
