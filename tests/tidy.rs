//! The rules of the house, read off its sources: one stair, few unsafe places, short files.
//!
//! Every failure names the file and line: `src/x.rs:12: pool climbs to pipeline`. The reader here
//! is a line reader, not a compiler; it knows comments and `crate::{...}`, and that is enough to
//! catch what slips in by habit.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::fs;
use std::path::{Path, PathBuf};

/// The stair: a room may use rooms on lower steps only; those on the lowest may use each other.
const STAIR: [(&str, u8); 10] = [
    ("limits", 0),
    ("secret", 0),
    ("spec", 0),
    ("sys", 1),
    ("crypto", 2),
    ("pool", 3),
    ("keystore", 3),
    ("pipeline", 4),
    ("kms", 5),
    ("door", 5),
];

/// Within `crypto`: who must not be known to whom.
const CRYPTO_STRANGERS: [(&str, &[&str]); 4] = [
    ("arith", &["prime", "rsa", "ec"]),
    ("prime", &["rsa", "ec"]),
    ("rsa", &["ec"]),
    ("ec", &["prime", "rsa"]),
];

/// The only files that may hold unsafe code.
const UNSAFE_FILES: [&str; 10] = [
    "src/sys/counters.rs",
    "src/sys/mapping.rs",
    "src/sys/priority.rs",
    "src/sys/secret_memory.rs",
    "src/sys/shared_memory.rs",
    "src/sys/warm.rs",
    "src/crypto/arith/ifma.rs",
    "src/crypto/ec/ifma.rs",
    "src/crypto/seal/ghash.rs",
    "tools/taint/main.rs",
];

const LINES_MAX: usize = 700;

/// One source file, its comments blanked out in `code` without moving a line.
struct Source {
    name: String,
    text: String,
    code: String,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let bytes = fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let code = text.lines().map(|line| without_comment(line).to_owned() + "\n").collect();
        Self { name, text, code }
    }

    /// The modules it lies in, its own last: `pipeline`, `sink`, `arrow`, `reader`.
    fn modules(&self) -> Vec<&str> {
        let inner = self.name.trim_start_matches("src/").trim_end_matches(".rs");
        inner.split('/').filter(|part| !matches!(*part, "mod" | "lib")).collect()
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    fn fault(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.name)
    }

    /// Every place at which `word` stands alone in the code.
    fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
            !self.code[..at].ends_with(in_word)
                && !self.code[at + word.len()..].starts_with(in_word)
        })
    }

    /// The absolute paths the code names, as line and modules from the crate's root on.
    fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut paths = Vec::new();
        for at in self.words("crate") {
            if let Some(rest) = self.code[at..].strip_prefix("crate::") {
                let line = self.line_of(at);
                paths.extend(branches(rest).into_iter().map(|path| (line, path)));
            }
        }
        let modules = self.modules();
        for at in self.words("super") {
            let mut rest = &self.code[at..];
            if self.code[..at].ends_with("super::") {
                continue;
            }
            let mut depth = modules.len();
            while let Some(above) = rest.strip_prefix("super::") {
                (rest, depth) = (above, depth.saturating_sub(1));
            }
            let base: Vec<String> = modules[..depth].iter().map(ToString::to_string).collect();
            let line = self.line_of(at);
            paths.extend(branches(rest).into_iter().map(|path| (line, [&*base, &*path].concat())));
        }
        paths
    }
}

/// The line up to a `//` that stands outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut previous = ' ';
    for (at, c) in line.char_indices() {
        match c {
            '"' if previous != '\\' && previous != '\'' => quoted = !quoted,
            '/' if previous == '/' && !quoted => return &line[..at - 1],
            _ => {}
        }
        previous = c;
    }
    line
}

/// The first two names of every path in `a::b`, `{a, b::{c, d}}`.
fn branches(text: &str) -> Vec<Vec<String>> {
    if let Some(inner) = text.strip_prefix('{') {
        return list(inner).iter().flat_map(|item| branches(item)).collect();
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let head = text[..end].to_owned();
    let tails = text[end..].strip_prefix("::").map(|tail| {
        let tail = if tail.starts_with('{') { branches(tail) } else { vec![first(tail)] };
        tail.into_iter().map(|tail| [vec![head.clone()], tail].concat()).collect()
    });
    tails.unwrap_or_else(|| vec![vec![head]])
}

fn first(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').take(1).map(str::to_owned).collect()
}

/// The items of a list whose opening brace is gone, up to its closing one.
fn list(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut depth = 0;
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        items.last_mut().unwrap().push(c);
    }
    items.retain(|item| !item.is_empty());
    items
}

/// All Rust files below `folder`, in order of name.
fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| Source::read(root, path)).collect()
}

/// All code of the house: library, program, tests, measurements.
fn all_sources() -> Vec<Source> {
    ["src", "tests", "benches"].into_iter().flat_map(sources).collect()
}

fn expect_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn step(room: &str) -> Option<u8> {
    STAIR.iter().find(|(name, _)| *name == room).map(|(_, step)| *step)
}

/// What is wrong with `room` using `other`, if anything.
fn climb(room: &str, other: &str) -> Option<String> {
    let (from, to) = (step(room)?, step(other)?);
    let is_allowed = room == other || to < from || (from, to) == (0, 0);
    let verb = if from == to { "knows" } else { "climbs to" };
    (!is_allowed).then(|| format!("{room} {verb} {other}"))
}

fn climb_in_crypto(part: &str, other: &str) -> Option<String> {
    let (_, strangers) = CRYPTO_STRANGERS.iter().find(|(name, _)| *name == part)?;
    strangers.contains(&other).then(|| format!("crypto::{part} knows crypto::{other}"))
}

#[test]
fn imports_go_down_only() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let modules = source.modules();
        let Some(room) = modules.first().filter(|room| **room != "bin") else { continue };
        if step(room).is_none() {
            faults.push(source.fault(1, format!("the room {room} is not on the stair")));
        }
        for (line, path) in source.paths() {
            let other = path.first().map_or("", String::as_str);
            faults.extend(climb(room, other).map(|what| source.fault(line, what)));
            if let (&["crypto", part, ..], [other, inner, ..]) = (&*modules, &*path)
                && other == "crypto"
            {
                faults.extend(climb_in_crypto(part, inner).map(|what| source.fault(line, what)));
            }
        }
    }
    expect_none(&faults);
}

/// The rule above is only as good as its reader.
#[test]
fn climbing_is_seen_in_every_spelling() {
    let source = |name: &str, text: &str| Source {
        name: name.to_owned(),
        text: text.to_owned(),
        code: text.lines().map(|line| without_comment(line).to_owned() + "\n").collect(),
    };
    for (text, line) in [
        ("use crate::pipeline::job;", 1),
        ("use crate::{\n    limits,\n    pipeline::{job, plan},\n};", 1),
        ("fn f() {\n    crate::pipeline::job::run();\n}", 2),
        ("use super::super::pipeline;", 1),
    ] {
        let source = source("src/keystore/key.rs", text);
        let found = source.paths().into_iter().find(|(_, path)| path[0] == "pipeline");
        assert_eq!(found.map(|(line, _)| line), Some(line), "{text}");
    }
    let inner = source("src/crypto/arith/lanes.rs", "use super::super::{der, prime::sieve};");
    assert!(inner.paths().contains(&(1, vec!["crypto".into(), "prime".into(), "sieve".into()])));
    for text in ["// crate::pipeline", "/// [`x`](crate::pipeline)", "mycrate::pipeline::x();"] {
        assert!(source("src/keystore/key.rs", text).paths().is_empty(), "{text}");
    }
    assert_eq!(climb("pool", "pipeline").unwrap(), "pool climbs to pipeline");
    assert_eq!(climb("pool", "keystore").unwrap(), "pool knows keystore");
    assert_eq!(climb("limits", "spec"), None);
    assert_eq!(climb("pipeline", "crypto"), None);
    assert_eq!(climb_in_crypto("arith", "rsa").unwrap(), "crypto::arith knows crypto::rsa");
    assert_eq!(climb_in_crypto("rsa", "prime"), None);
}

#[test]
fn unsafe_code_has_few_places() {
    let mut faults = Vec::new();
    for source in all_sources() {
        if UNSAFE_FILES.contains(&source.name.as_str()) || source.name == "tests/tidy.rs" {
            continue;
        }
        let places = source.words("unsafe").map(|at| source.line_of(at));
        faults.extend(places.map(|line| source.fault(line, "unsafe code outside of its places")));
    }
    expect_none(&faults);
}

#[test]
fn files_are_short() {
    let too_long = |source: &Source| {
        let lines = source.text.lines().count();
        let what = format!("{lines} lines, {LINES_MAX} are the most");
        (lines > LINES_MAX).then(|| source.fault(lines, what))
    };
    expect_none(&all_sources().iter().filter_map(too_long).collect::<Vec<_>>());
}

#[test]
fn sources_are_ascii() {
    let mut faults = Vec::new();
    for source in all_sources() {
        for (line, text) in source.text.lines().enumerate() {
            if let Some(c) = text.chars().find(|c| !c.is_ascii()) {
                let what = format!("{} is not ASCII; write it as an escape", c.escape_unicode());
                faults.push(source.fault(line + 1, what));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn nothing_is_left_to_do() {
    let mut faults = Vec::new();
    for source in all_sources().iter().filter(|source| source.name != "tests/tidy.rs") {
        for (line, code) in source.code.lines().enumerate() {
            for left in ["todo!", "unimplemented!", "dbg!"] {
                if code.contains(left) {
                    faults.push(source.fault(line + 1, left));
                }
            }
            if code.contains("#[ignore]") {
                faults.push(source.fault(line + 1, "a test is ignored without a reason"));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn every_file_says_what_it_is() {
    let silent = |source: &Source| {
        let first = source.text.lines().next().unwrap_or_default();
        let is_said = first.starts_with("//! ") || first.starts_with("#![doc = include_str!(");
        (!is_said).then(|| source.fault(1, "no header: what it is, in a //! paragraph"))
    };
    expect_none(&all_sources().iter().filter_map(silent).collect::<Vec<_>>());
}
