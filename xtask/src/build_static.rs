//! `cargo xtask build-static`: a release binary that runs on any Linux, and the proof that it is static and small.

use std::path::Path;

use crate::checkout::{cargo, root, target};
use crate::command;

const TRIPLE: &str = "x86_64-unknown-linux-musl";

/// Megabytes of a binary that a newcomer downloads without a second thought.
const LIMIT_MEGABYTES: usize = 25;

/// Builds and checks the binary.
pub(crate) fn run(_: &[String]) -> Result<(), String> {
    let root = root()?;
    let installed = command::output(std::process::Command::new("rustup").args(["target", "list", "--installed"]))?;
    if !installed.lines().any(|line| line == TRIPLE) {
        return Err(format!("the standard library for {TRIPLE} is missing; get it with `rustup target add {TRIPLE}`"));
    }
    if !command::is_there("musl-gcc", &["--version"]) {
        return Err(
            "`musl-gcc` is missing, which compiles the little C in ring; Debian has it in musl-tools".to_owned()
        );
    }
    command::run(cargo(&root).args(["build", "--release", "--locked", "--package", "pontoon", "--target", TRIPLE]))?;
    let path = target(&root).join(TRIPLE).join("release/pontoon");
    let megabytes = check(&path)?;
    println!("{}: static, {megabytes} MB", path.display());
    Ok(())
}

fn check(path: &Path) -> Result<usize, String> {
    let binary = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match wants_interpreter(&binary) {
        Some(false) => {}
        Some(true) => return Err(format!("{} is not static: it asks for a dynamic linker", path.display())),
        None => return Err(format!("{} is no 64-bit ELF file", path.display())),
    }
    let megabytes = binary.len().div_ceil(1_000_000);
    if megabytes > LIMIT_MEGABYTES {
        return Err(format!("{} has {megabytes} MB; the limit is {LIMIT_MEGABYTES}", path.display()));
    }
    Ok(megabytes)
}

/// Whether an ELF file has a program header of type PT_INTERP, which names its dynamic linker (elf(5)). A static
/// binary has none, a position-independent one included. `None` where the bytes are no such file.
fn wants_interpreter(binary: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    const LITTLE_ENDIAN_64: &[u8] = b"\x7fELF\x02\x01";
    if !binary.starts_with(LITTLE_ENDIAN_64) {
        return None;
    }
    let u16_at = |at: usize| binary.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    let headers_at: [u8; 8] = binary.get(32..40)?.try_into().ok()?;
    let headers_at = usize::try_from(u64::from_le_bytes(headers_at)).ok()?;
    let (size, count) = (usize::from(u16_at(54)?), usize::from(u16_at(56)?));
    let headers = binary.get(headers_at..)?.get(..size * count)?;
    let kind = |header: &[u8]| header.get(..4)?.try_into().ok().map(u32::from_le_bytes);
    Some(headers.chunks(size.max(1)).any(|header| kind(header) == Some(PT_INTERP)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An ELF file of nothing but program headers of the given types.
    fn elf(kinds: &[u8]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(64, 0);
        file[32] = 64;
        file[54] = 56;
        file[56] = u8::try_from(kinds.len()).unwrap();
        for kind in kinds {
            file.push(*kind);
            file.resize(file.len() + 55, 0);
        }
        file
    }

    #[test]
    fn a_binary_that_names_a_dynamic_linker_is_not_static() {
        assert_eq!(wants_interpreter(&elf(&[1, 3])), Some(true));
        assert_eq!(wants_interpreter(&elf(&[1, 2])), Some(false));
    }

    #[test]
    fn what_is_no_elf_file_or_cut_short_is_not_called_static() {
        assert_eq!(wants_interpreter(b"#!/bin/sh"), None);
        assert_eq!(wants_interpreter(&elf(&[1, 2])[..100]), None);
    }
}
