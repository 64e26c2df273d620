//! `cargo xtask build-static`: a release binary that runs on any Linux, and the proof that it is static and small.

use std::path::Path;
use std::process::Command;

use crate::checkout::{cargo, root, target};
use crate::command;

/// Megabytes of a binary that a newcomer downloads without a second thought.
const LIMIT_MEGABYTES: usize = 25;

/// The C library that becomes part of the binary.
enum Library {
    /// Made for that.
    Musl,
    /// That of the system, which is what there is where nobody has installed musl. Looking up names it still loads what
    /// the system's nsswitch.conf names beside `files` and `dns`: agents do not, and whoever runs `up` elsewhere may.
    Glibc,
}

/// Builds and checks the binary.
pub(crate) fn run(_: &[String]) -> Result<(), String> {
    let root = root()?;
    let here = host()?;
    let musl = here.replace("-gnu", "-musl");
    let library = library(&musl)?;
    let mut build = cargo(&root);
    build.args(["build", "--release", "--locked", "--package", "pontoon", "--target"]);
    let (triple, name) = match library {
        Library::Musl => (musl, "musl"),
        Library::Glibc => {
            println!("linked with glibc; `rustup target add {musl}` and `musl-gcc` (Debian: musl-tools) make it musl");
            build.env("RUSTFLAGS", "-C target-feature=+crt-static");
            (here, "glibc")
        }
    };
    command::run(build.arg(&triple))?;
    let path = target(&root).join(triple).join("release/pontoon");
    let megabytes = check(&path)?;
    println!("{}: static, with {name}, {megabytes} MB", path.display());
    Ok(())
}

/// The platform that the compiler runs on, such as `x86_64-unknown-linux-gnu`.
fn host() -> Result<String, String> {
    let said = command::output(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "`rustc -vV` does not say what it runs on".to_owned())
}

/// musl where there is Rust's standard library for it, and the compiler for the little C in ring.
fn library(musl: &str) -> Result<Library, String> {
    let installed = command::output(Command::new("rustup").args(["target", "list", "--installed"]))?;
    let is_there = installed.lines().any(|line| line == musl) && command::is_there("musl-gcc", &["--version"]);
    Ok(if is_there { Library::Musl } else { Library::Glibc })
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
