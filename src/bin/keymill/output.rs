//! Standard output is data, standard error is talk.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::failure::{Code, Failure};

/// Prints a line of talk.
pub fn say(line: impl std::fmt::Display) {
    eprintln!("keymill: {line}");
}

/// Prints `text` on standard output; a reader that has gone away is no fault.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Code::Io, format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a report: `value` as JSON if that was asked for, else the text `human` makes of it.
pub fn report<T: Serialize>(
    json: bool,
    value: &T,
    human: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::new(Code::Internal, error))?;
        print(&(text + "\n"))
    } else {
        print(&human(value))
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1234567` as `1.2 MiB`.
pub fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}
