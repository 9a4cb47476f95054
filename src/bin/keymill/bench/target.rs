//! `Target`: where requests go.

use core::fmt;
use core::str::FromStr;

use hyper::Uri;
use hyper::header::HeaderValue;

/// An endpoint's URL, taken apart.
#[derive(Clone, Debug)]
pub struct Target {
    text: String,
    /// Name or address, and port.
    pub address: (String, u16),
    /// The Host header.
    pub host: HeaderValue,
    /// Whether it is spoken to in TLS.
    pub is_encrypted: bool,
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "give a URL without a path, like http://127.0.0.1:8181";
        let url: Uri = text.parse().map_err(|_| FORM)?;
        let is_encrypted = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(FORM),
        };
        let authority = url.authority().ok_or(FORM)?;
        let is_root = matches!(url.path(), "" | "/") && url.query().is_none();
        if !is_root || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(FORM);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| FORM)?;
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        Ok(Self { text: text.to_owned(), address: (name, port), host, is_encrypted })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, name, port, is_encrypted) in [
            ("http://127.0.0.1:8181", "127.0.0.1", 8181, false),
            ("http://localhost/", "localhost", 80, false),
            ("https://kms.test", "kms.test", 443, true),
            ("http://[::1]:9", "::1", 9, false),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.address, (name.to_owned(), port), "{text}");
            assert_eq!(target.is_encrypted, is_encrypted, "{text}");
        }
        for wrong in ["", "127.0.0.1:8181", "ftp://x", "http://", "http://x/kms", "http://a@x"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong:?}");
        }
    }
}
