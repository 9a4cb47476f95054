//! JSON written piece by piece, for what is written with every call: names that are known, and texts
//! of which hardly one has anything to escape.

use core::fmt::Display;
use std::io::Write;

/// Appends JSON to a text. What stands between pieces is added; what was begun before the first is for
/// the caller to end.
#[derive(Debug)]
pub(super) struct Json<'o>(pub(super) &'o mut Vec<u8>);

impl Json<'_> {
    /// Begins a member, whose name has nothing to escape.
    pub(super) fn member(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        self
    }

    /// As [`member`](Self::member), with a small letter in front.
    pub(super) fn camel_member(&mut self, name: &str) -> &mut Self {
        self.member(name);
        let start = self.0.len() - name.len() - 2;
        self.0[start].make_ascii_lowercase();
        self
    }

    /// A text, with what must be escaped.
    pub(super) fn text(&mut self, text: &str) {
        // One pass that never stops early is done many bytes at a time.
        let is_plain = text.bytes().fold(true, |plain, byte| plain & !must_be_escaped(byte));
        if is_plain {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
        } else {
            serde_json::to_writer(&mut *self.0, text).expect("a text in memory");
        }
    }

    /// A text, or null.
    pub(super) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }

    /// A text as its `Display` says, which has nothing to escape.
    pub(super) fn shown(&mut self, text: impl Display) {
        write!(self.0, "\"{text}\"").expect("a text in memory");
    }

    /// What is JSON already.
    pub(super) fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// An object of the members that `write` writes.
    pub(super) fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.0.push(b'{');
        write(self);
        self.0.push(b'}');
    }

    /// An array of an object for each of `items`.
    pub(super) fn objects<T>(
        &mut self,
        items: impl Iterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        self.0.push(b'[');
        for item in items {
            self.separate();
            self.object(|json| write(json, item));
        }
        self.0.push(b']');
    }

    fn separate(&mut self) {
        if !matches!(self.0.last(), Some(b'{' | b'[')) {
            self.0.push(b',');
        }
    }
}

const fn must_be_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let texts =
            ["", "plain", "\"", "back\\slash", "line\nend", "\u{1f}", "\u{7f}\u{e9}\u{1f600}"];
        let mut out = Vec::new();
        Json(&mut out).object(|json| {
            json.camel_member("Empty").object(|_| ());
            json.member("none").text_or_null(None);
            json.member("shown").shown(7);
            json.member("raw").raw("[1, 2]");
            json.member("texts").objects(texts.iter(), |json, text| {
                json.member("text").text(text);
                json.camel_member("Text2").text_or_null(Some(text));
            });
        });
        let texts = texts.map(|text| serde_json::json!({"text": text, "text2": text}));
        let expected = serde_json::json!({
            "empty": {}, "none": null, "shown": "7", "raw": [1, 2], "texts": texts,
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), expected);
    }
}
