//! `Listener`: a Unix socket that only the server's own user can use.

use core::time::Duration;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

/// A socket under a name, which is taken away with it.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens at `path`, with mode 0600; takes the place of a socket that nobody listens on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`] if somebody does, [`io::ErrorKind::AlreadyExists`] if something
    /// else has the name, or what the system says.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let socket = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// The socket itself, for an event loop; it does not block.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn socket(&self) -> io::Result<UnixListener> {
        self.socket.try_clone()
    }

    /// The next connection of this user or root; none if none came within `patience`.
    pub fn accept(&self, patience: Duration) -> io::Result<Option<UnixStream>> {
        let patience = Timespec {
            tv_sec: patience.as_secs().cast_signed(),
            tv_nsec: patience.subsec_nanos().into(),
        };
        poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&patience))?;
        let (stream, _) = match self.socket.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            accepted => accepted?,
        };
        let peer = socket_peercred(&stream)?.uid;
        Ok((peer == geteuid() || peer.is_root()).then_some(stream))
    }
}

/// Takes away a socket that a killed server left.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there, and no socket"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "a running server listens there")),
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Gone already, or not ours to remove: nothing depends on it.
        let _ = std::fs::remove_file(&self.path);
    }
}
