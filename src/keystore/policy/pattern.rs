//! `Pattern`: text with `*` (any characters) and `?` (one character).

/// A pattern, and whether it ignores the case of ASCII letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: Box<str>,
    ignores_case: bool,
}

impl Pattern {
    /// Letters as they stand.
    pub(super) fn exact_case(text: &str) -> Self {
        Self { text: text.into(), ignores_case: false }
    }

    /// Letters of either case.
    pub(super) fn any_case(text: &str) -> Self {
        Self { text: text.into(), ignores_case: true }
    }

    /// Whether the whole of `text` fits.
    ///
    /// Only the last `*` is ever tried again, further on: what the ones before it took is the
    /// shortest that fits, and no longer choice can help. So time is the product of the lengths at
    /// the worst.
    pub(super) fn meets(&self, text: &str) -> bool {
        let same = |a: char, b: char| a == b || self.ignores_case && a.eq_ignore_ascii_case(&b);
        let (mut pattern, mut rest) = (self.text.chars(), text.chars());
        let mut retry = None;
        loop {
            let mut ahead = pattern.clone();
            match (ahead.next(), rest.clone().next()) {
                (Some('*'), _) => {
                    retry = Some((ahead.clone(), rest.clone()));
                    pattern = ahead;
                    continue;
                }
                (None, None) => return true,
                (Some(p), Some(t)) if p == '?' || same(p, t) => {
                    pattern = ahead;
                    rest.next();
                    continue;
                }
                _ => {}
            }
            let Some((after_star, mut longer)) = retry.take() else { return false };
            if longer.next().is_none() {
                return false;
            }
            (pattern, rest) = (after_star.clone(), longer.clone());
            retry = Some((after_star, longer));
        }
    }
}

/// A pattern for an ARN: the six fields are matched one by one, so that a `*` stays in its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArnPattern([Pattern; 6]);

impl ArnPattern {
    /// `None` if the text has not the six fields of an ARN.
    pub(super) fn new(text: &str) -> Option<Self> {
        let fields = fields(text)?;
        (fields[0] == "arn").then(|| Self(fields.map(Pattern::exact_case)))
    }

    pub(super) fn meets(&self, text: &str) -> bool {
        fields(text).is_some_and(|fields| self.0.iter().zip(fields).all(|(p, t)| p.meets(t)))
    }
}

/// Partition and so on of an ARN; the last field may hold colons itself.
fn fields(text: &str) -> Option<[&str; 6]> {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next();
    Some([next()?, next()?, next()?, next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_meet_what_they_should() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("*ab", "aab", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("*?*", "", false),
            ("kms:Generate*Pair*", "kms:GenerateDataKeyPairWithoutPlaintext", true),
            ("\u{e4}?*", "\u{e4}\u{f6}", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Pattern::exact_case(pattern).meets(text), expected, "{pattern} on {text}");
        }
        assert!(Pattern::any_case("kms:decrypt").meets("KMS:Decrypt"));
        assert!(!Pattern::exact_case("a").meets("A"));
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern = Pattern::exact_case(&"*a".repeat(2000));
        assert!(!pattern.meets(&"a".repeat(1999)));
        assert!(!pattern.meets(&("a".repeat(4000) + "b")));
    }

    #[test]
    fn a_star_stays_in_its_field_of_an_arn() {
        let pattern = ArnPattern::new("arn:aws:iam::*:role/*").expect("six fields");
        assert!(pattern.meets("arn:aws:iam::111122223333:role/a:b"));
        assert!(!pattern.meets("arn:aws:iam:eu:1:111122223333:role/a"));
        assert!(!pattern.meets("arn:aws:sts::111122223333:role/a"));
        assert_eq!(ArnPattern::new("arn:aws:iam"), None);
    }
}
