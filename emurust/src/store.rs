//! Machine states in a file: magic, version, how many, and each as its length and its bytes. Every
//! state carries the hash of its ROM and a checksum of its own.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, BufWriter, Error, ErrorKind, Write};
use std::path::Path;

use crate::state::{Field, Reader, StateError};

const MAGIC: &[u8; 8] = b"EMUSTORE";
const VERSION: u16 = 1;

/// Writes `count` states. They stand in a new file beside `path` until all are written; on an error
/// whatever was at `path` is still there.
pub fn write(path: &Path, count: usize, states: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let result = write_all(Path::new(&name), count, states).and_then(|()| fs::rename(&name, path));
    if result.is_err() {
        let _ = fs::remove_file(&name);
    }
    result
}

fn write_all(path: &Path, count: usize, states: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(MAGIC)?;
    file.write_all(&VERSION.to_le_bytes())?;
    file.write_all(&(count as u64).to_le_bytes())?;
    for state in states {
        file.write_all(&(state.len() as u64).to_le_bytes())?;
        file.write_all(&state)?;
    }
    file.into_inner()?.sync_all()
}

/// Reads the states of a file, each by `parse`. Errors: the system's; `InvalidData` says what is
/// wrong with the file.
pub fn read<T>(
    path: &Path,
    parse: impl FnMut(&[u8]) -> Result<T, StateError>,
) -> io::Result<Vec<T>> {
    parse_all(&fs::read(path)?, parse).map_err(|error| {
        Error::new(
            ErrorKind::InvalidData,
            format!("{}: {}", path.display(), error.0),
        )
    })
}

fn parse_all<T>(
    bytes: &[u8],
    mut parse: impl FnMut(&[u8]) -> Result<T, StateError>,
) -> Result<Vec<T>, StateError> {
    let mut reader = Reader::new(bytes);
    if !matches!(reader.take(MAGIC.len()), Ok(magic) if magic == MAGIC) {
        return Err(StateError::new("expected a file made by write_states"));
    }
    let (mut version, mut count) = (0u16, 0u64);
    version.get(&mut reader)?;
    if version != VERSION {
        return Err(StateError::new(format!(
            "expected a file of version {VERSION}, got version {version}"
        )));
    }
    count.get(&mut reader)?;
    let mut states = Vec::new();
    for number in 1..=count {
        let mut parse_next = || {
            let mut length = 0u64;
            length.get(&mut reader)?;
            parse(reader.take(usize::try_from(length).unwrap_or(usize::MAX))?)
        };
        states.push(
            parse_next().map_err(|error| {
                StateError::new(format!("state {number} of {count}: {}", error.0))
            })?,
        );
    }
    if reader.is_empty() {
        Ok(states)
    } else {
        Err(StateError::new(format!(
            "the file goes on after its {count} states"
        )))
    }
}
