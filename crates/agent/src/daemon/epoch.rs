//! The number of this start of the agent, greater than at every start before, whatever the clock says.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

/// Why there is no number: it counts only where it is kept.
#[derive(Debug, Error)]
#[error("cannot keep the number of this start in `{}`", path.display())]
pub struct EpochError {
    path: PathBuf,
    source: io::Error,
}

impl EpochError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        (self.source.kind() == io::ErrorKind::PermissionDenied)
            .then(|| "the directory has to belong to the user that the agent runs as".to_owned())
    }
}

/// The number of this start. It is kept in the file before anybody hears of it.
pub(super) async fn next(path: PathBuf) -> Result<u64, EpochError> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let file = path.clone();
    let kept = tokio::task::spawn_blocking(move || after(&file, clock));
    kept.await.map_err(io::Error::other).flatten().map_err(|source| EpochError { path, source })
}

/// The seconds of the clock, or one more than the last number where the clock is not beyond it. A file that holds
/// something else is as good as none: others notice by the seals.
fn after(path: &Path, clock: u64) -> io::Result<u64> {
    let last: u64 = match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().unwrap_or(0),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => 0,
        Err(error) => return Err(error),
    };
    let next = clock.max(last.saturating_add(1));
    let beside = path.with_extension("new");
    let mut file = std::fs::File::create(&beside)?;
    writeln!(file, "{next}")?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_even_where_the_clock_went_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("epoch");
        assert_eq!(after(&path, 1000).unwrap(), 1000);
        assert_eq!(after(&path, 900).unwrap(), 1001);
        assert_eq!(after(&path, 1001).unwrap(), 1002);
        assert_eq!(after(&path, 2000).unwrap(), 2000);
        std::fs::write(&path, "rubbish").unwrap();
        assert_eq!(after(&path, 7).unwrap(), 7);
    }

    #[tokio::test]
    async fn where_it_cannot_be_kept_there_is_none() {
        let error = next("/nowhere/epoch".into()).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot keep the number of this start in `/nowhere/epoch`");
    }
}
