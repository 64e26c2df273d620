//! The socket of one container: a file in the container's own directory.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket};

/// What it is called there.
pub(super) const NAME: &str = "socket";
/// Everybody in the container may speak for it, and nobody else sees it.
const MODE: u32 = 0o666;

/// So many wait to be let in; the kernel refuses others. They are let in at a pace, and one that floods and ends should
/// not have filled the queue for long.
const QUEUE: u32 = 32;

/// A socket's file; it goes with this, unless another one has taken its place.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    file: File,
}

/// Which file on which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct File(u64, u64);

impl Socket {
    /// Listens in this directory. It is bound under another name and then moved: whoever sees it can connect, and one
    /// that a dead agent has left is replaced.
    pub(super) fn bind(directory: &Path) -> io::Result<(UnixListener, Self)> {
        let path = directory.join(NAME);
        if fs::symlink_metadata(&path).is_ok_and(|there| !there.file_type().is_socket()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "`socket` is there and is no socket"));
        }
        let beside = directory.join(".socket");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixSocket::new_stream()?;
        socket.bind(&beside)?;
        let listener = socket.listen(QUEUE)?;
        fs::set_permissions(&beside, Permissions::from_mode(MODE))?;
        let file = file(&beside)?;
        fs::rename(&beside, &path)?;
        Ok((listener, Self { path, file }))
    }

    /// Whether it can still be found: the directory may have been taken away and made anew.
    pub(super) fn is_there(&self) -> bool {
        file(&self.path).is_ok_and(|file| file == self.file)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_there() {
            // Left behind, it would refuse to connect, and the next agent would replace it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn file(path: &Path) -> io::Result<File> {
    fs::symlink_metadata(path).map(|there| File(there.dev(), there.ino()))
}
