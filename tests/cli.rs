//! The command line as its users meet it: what is said, where, and with which exit code.
//!
//! `tests/cmd/*.md` are transcripts, one subject a file and one behaviour a section, each run in
//! an empty folder of its own with its keystore in `home`. They show both streams in order of
//! writing, `[..]` for what no two runs share, and slashes where a backslash was printed. After
//! an intended change `TRYCMD=overwrite cargo test --test cli` writes them anew. What a
//! transcript cannot stage, damaged files and held locks, is in the tables here.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const KEYMILL: &str = env!("CARGO_BIN_EXE_keymill");

#[test]
fn transcripts() {
    let folder = Path::new(KEYMILL).parent().expect("a program lies in a folder");
    let path = env::var("PATH").expect("PATH is set");
    trycmd::TestCases::new()
        .register_bin("sh", Path::new("/bin/sh"))
        .env("KEYMILL_HOME", "home")
        .env("PATH", format!("{}:{path}", folder.display()))
        .case("tests/cmd/*.md");
}

/// Runs keymill in `folder`, with its keystore in `home` there.
fn keymill(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(KEYMILL)
        .args(arguments)
        .current_dir(folder)
        .env("KEYMILL_HOME", "home")
        .stdin(Stdio::null())
        .output()
        .expect("keymill starts")
}

/// An empty folder.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A place in a file of two slots.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many bytes from the start of the file.
    Start(u64),
    /// So many bytes from the start of this slot.
    Slot(u64, u64),
    /// So many bytes before the end of this slot.
    SlotEnd(u64, u64),
    /// So many bytes from the end of the last slot.
    Tail(u64),
    /// So many bytes before the end of the file.
    End(u64),
}

/// What happens to the file.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    /// One bit of the byte here is turned.
    Flip(Place),
    /// The file ends here.
    Cut(Place),
    /// The page that holds this place is zeroed.
    Zero(Place),
    /// A byte is added behind the end.
    Grow,
}

/// The parts of a finished file.
struct Regions {
    prefix: u64,
    slot: u64,
    bytes: u64,
}

impl Regions {
    fn of(file: &[u8], slots: u64) -> Self {
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("4 bytes"));
        // The magic, then the marker, length and flatbuffer of the schema message.
        let prefix = 16 + u64::from(word(12));
        let bytes = file.len() as u64;
        Self { prefix, slot: (bytes - prefix) / slots / 4096 * 4096, bytes }
    }

    fn offset(&self, place: Place) -> u64 {
        match place {
            Place::Start(at) => at,
            Place::Slot(slot, at) => self.prefix + slot * self.slot + at,
            Place::SlotEnd(slot, before) => self.prefix + (slot + 1) * self.slot - before,
            Place::Tail(at) => self.prefix + 2 * self.slot + at,
            Place::End(before) => self.bytes - before,
        }
    }

    fn apply(&self, path: &Path, mutation: Mutation) {
        let file = OpenOptions::new().read(true).write(true).open(path).expect("a file");
        match mutation {
            Mutation::Flip(place) => {
                let at = self.offset(place);
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).expect("inside the file");
                file.write_all_at(&[byte[0] ^ 0x10], at).expect("inside the file");
            }
            Mutation::Cut(place) => file.set_len(self.offset(place)).expect("a new length"),
            Mutation::Zero(place) => {
                let page = self.offset(place) / 4096 * 4096;
                file.write_all_at(&[0; 4096], page).expect("inside the file");
            }
            Mutation::Grow => file.write_all_at(&[0], self.bytes).expect("behind the end"),
        }
    }
}

/// A damage, a command on the damaged file, and the exit code and standard error it ends with,
/// line by line without the `keymill: ` in front.
type Case = (Mutation, &'static [&'static str], i32, &'static [&'static str]);

use Mutation::{Cut, Flip, Grow, Zero};
use Place::{End, Slot, SlotEnd, Start, Tail};

const VERIFY: &[&str] = &["verify", "keys.arrow"];
const INSPECT: &[&str] = &["inspect", "keys.arrow"];
const FIRST: &[&str] = &["decrypt", "keys.arrow", "--row", "0"];
const LAST: &[&str] = &["decrypt", "keys.arrow", "--row", "4096"];
const AGAIN: &[&str] =
    &["generate", "--key-pair-spec", "ECC_NIST_P256", "--count", "4097", "-o", "keys.arrow"];

/// What a repeated command says to a published file that is broken.
const BROKEN: &[&str] =
    &["error: keys.arrow: is damaged: it was published whole and is so no longer; \
     move it away to start again"];

#[rustfmt::skip]
const DAMAGED: &[Case] = &[
    (Cut(Start(0)), INSPECT, 65, &[
        "error: keys.arrow: is not a file of wrapped key pairs; choose another path",
    ]),
    (Cut(Start(5)), INSPECT, 65, &[
        "error: keys.arrow: is not a file of wrapped key pairs; choose another path",
    ]),
    (Cut(Start(100)), INSPECT, 65, &[
        "error: keys.arrow: is damaged: it ends inside its schema message; move it away to start again",
    ]),
    (Cut(Slot(0, 0)), VERIFY, 65, &[
        "keys.arrow: slot 0: the file ends before it does",
        "keys.arrow: the file: it is cut off",
        "error: 2 faults in keys.arrow",
    ]),
    (Cut(Slot(0, 100)), VERIFY, 65, &[
        "keys.arrow: slot 0: the file ends before it does",
        "keys.arrow: slot 1: the file ends before it does",
        "keys.arrow: the file: it is cut off",
        "error: 3 faults in keys.arrow",
    ]),
    (Cut(Slot(0, 4096)), FIRST, 65, &[
        "error: row 0 is missing or damaged; verify says how much is",
    ]),
    (Cut(Slot(1, 0)), FIRST, 0, &[]),
    (Cut(Slot(1, 0)), LAST, 65, &[
        "error: row 4096 is missing or damaged; verify says how much is",
    ]),
    (Cut(Slot(1, 0)), VERIFY, 65, &[
        "keys.arrow: slot 1: the file ends before it does",
        "keys.arrow: the file: it is cut off",
        "error: 2 faults in keys.arrow",
    ]),
    (Cut(Slot(1, 0)), AGAIN, 65, BROKEN),
    (Cut(Tail(0)), VERIFY, 65, &[
        "keys.arrow: the file: it is cut off",
        "error: 1 faults in keys.arrow",
    ]),
    (Cut(Tail(0)), AGAIN, 65, BROKEN),
    (Cut(Tail(9)), VERIFY, 65, &[
        "keys.arrow: the file: its footer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Cut(End(1)), VERIFY, 65, &[
        "keys.arrow: the file: its footer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Grow, VERIFY, 65, &[
        "keys.arrow: the file: its footer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Grow, AGAIN, 65, BROKEN),
    (Flip(Start(0)), INSPECT, 65, &[
        "error: keys.arrow: is not a file of wrapped key pairs; choose another path",
    ]),
    (Flip(Start(6)), VERIFY, 65, &[
        "error: keys.arrow: is not a file of wrapped key pairs; choose another path",
    ]),
    (Flip(Start(8)), INSPECT, 65, &[
        "error: keys.arrow: is not a file of wrapped key pairs; choose another path",
    ]),
    (Flip(Start(13)), INSPECT, 0, &[]),
    (Flip(Start(13)), VERIFY, 65, &[
        "keys.arrow: slot 0: its first word is no commit marker",
        "keys.arrow: slot 1: the file ends before it does",
        "keys.arrow: the file: it is cut off",
        "error: 3 faults in keys.arrow",
    ]),
    (Flip(Start(13)), FIRST, 65, &["error: row 0 is missing or damaged; verify says how much is"]),
    (Flip(Start(40)), VERIFY, 65, &[
        "keys.arrow: slot 0: its trailer names another slot or file",
        "keys.arrow: slot 1: its trailer names another slot or file",
        "keys.arrow: the file: its footer is damaged",
        "error: 3 faults in keys.arrow",
    ]),
    (Flip(Start(1000)), VERIFY, 65, &[
        "error: keys.arrow: is damaged: its schema message is not valid; move it away to start again",
    ]),
    (Flip(Slot(0, 0)), VERIFY, 65, &[
        "keys.arrow: slot 0: its first word is no commit marker",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(Slot(0, 0)), FIRST, 65, &["error: row 0 is missing or damaged; verify says how much is"]),
    (Flip(Slot(0, 0)), LAST, 0, &[]),
    (Flip(Slot(0, 4)), VERIFY, 65, &[
        "keys.arrow: slot 0: its header is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(Slot(0, 40)), VERIFY, 65, &[
        "keys.arrow: slot 0: its header is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(Slot(0, 600)), VERIFY, 65, &[
        "keys.arrow: slot 0: its rows do not match their checksum",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(Slot(0, 600)), FIRST, 65, &[
        "error: row 0 is missing or damaged; verify says how much is",
    ]),
    (Flip(Slot(1, 500_000)), VERIFY, 65, &[
        "keys.arrow: slot 1: its rows do not match their checksum",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(Slot(1, 1_200_000)), VERIFY, 65, &[
        "keys.arrow: slot 1: its rows do not match their checksum",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(SlotEnd(0, 65)), VERIFY, 65, &[
        "keys.arrow: slot 0: its rows do not match their checksum",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(SlotEnd(0, 64)), VERIFY, 65, &[
        "keys.arrow: slot 0: its trailer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(SlotEnd(0, 56)), VERIFY, 65, &[
        "keys.arrow: slot 0: its trailer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(SlotEnd(0, 40)), VERIFY, 65, &[
        "keys.arrow: slot 0: its trailer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(SlotEnd(0, 5)), VERIFY, 65, &[
        "keys.arrow: slot 0: its trailer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(SlotEnd(0, 1)), VERIFY, 65, &[
        "keys.arrow: slot 0: its trailer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Zero(Slot(1, 0)), VERIFY, 65, &[
        "keys.arrow: slot 1: it was begun and never committed",
        "error: 1 faults in keys.arrow",
    ]),
    (Zero(SlotEnd(0, 1)), VERIFY, 65, &[
        "keys.arrow: slot 0: its trailer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Zero(Start(0)), INSPECT, 65, &[
        "error: keys.arrow: is not a file of wrapped key pairs; choose another path",
    ]),
    (Flip(Tail(0)), VERIFY, 65, &[
        "keys.arrow: the file: its footer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(Tail(20)), VERIFY, 65, &[
        "keys.arrow: the file: its footer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(End(100)), VERIFY, 65, &[
        "keys.arrow: the file: its footer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(End(10)), VERIFY, 65, &[
        "keys.arrow: the file: its footer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
    (Flip(End(10)), AGAIN, 65, BROKEN),
    (Flip(End(1)), VERIFY, 65, &[
        "keys.arrow: the file: its footer is damaged",
        "error: 1 faults in keys.arrow",
    ]),
];

#[test]
fn damaged_files() {
    let folder = folder();
    let made = keymill(folder.path(), AGAIN);
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let path = folder.path().join("keys.arrow");
    let whole = fs::read(&path).expect("the file just made");
    let regions = Regions::of(&whole, 2);
    let mut wrong = String::new();
    for &(mutation, arguments, code, lines) in DAMAGED {
        fs::write(&path, &whole).expect("a copy");
        regions.apply(&path, mutation);
        let output = keymill(folder.path(), arguments);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        let message: String = lines.iter().map(|line| ["keymill: ", line, "\n"].concat()).collect();
        if output.status.code() != Some(code) || said != message {
            wrong += &format!(
                "{mutation:?}, {}\nexpected {code}\n{message}but {}\n{said}\n",
                arguments.join(" "),
                output.status.code().unwrap_or(-1)
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Asserts what a command says and how it ends, with nothing on standard output.
fn assert_refused(output: &Output, code: i32, message: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), message);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(output.status.code(), Some(code));
}

#[test]
fn keystore_in_use_by_another_process() {
    use keymill::keystore::{Keystore, OpenOptions};
    let folder = folder();
    let home = folder.path().join("home");
    let _held = Keystore::open_or_create(&home, OpenOptions::default()).expect("a keystore");
    let message = "\
keymill: error: home/keystore.redb: in use by another process; try again
keymill: hint: another keymill has the keystore open; try again when it is done";
    assert_refused(&keymill(folder.path(), AGAIN), 75, message);
}

#[test]
fn output_in_use_by_another_process() {
    let folder = folder();
    let temporary = File::create(folder.path().join("keys.arrow.tmp")).expect("a file");
    temporary.lock().expect("a lock");
    assert_eq!(keymill(folder.path(), &["init"]).status.code(), Some(0));
    let message = "\
keymill: error: keys.arrow.tmp: another process is at work on it; wait for it";
    assert_refused(&keymill(folder.path(), AGAIN), 75, message);
}
