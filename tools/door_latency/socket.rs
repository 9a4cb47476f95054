//! `Socket`: a Unix socket to a thread that blocks in `read`, as servers do.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use keymill::spec::KeyPairSpec;

use crate::work::{ANSWER, REQUEST, Work, request};

/// The client's end, and the thread at the other.
pub struct Socket {
    stream: UnixStream,
    server: JoinHandle<()>,
}

impl Socket {
    pub fn start(work: Work) -> Self {
        let (stream, theirs) = UnixStream::pair().unwrap();
        Self { stream, server: thread::spawn(move || serve(theirs, work)) }
    }

    pub fn call(&self, spec: KeyPairSpec) {
        let mut stream = &self.stream;
        stream.write_all(&request(spec)).unwrap();
        stream.read_exact(&mut [0; ANSWER]).unwrap();
    }

    pub fn end(self) {
        drop(self.stream);
        self.server.join().unwrap();
    }
}

fn serve(mut stream: UnixStream, mut work: Work) {
    let mut request = [0; REQUEST];
    while stream.read_exact(&mut request).is_ok() {
        let mut answer = [0; ANSWER];
        work.answer(&request, &mut answer);
        stream.write_all(&answer).unwrap();
    }
}
