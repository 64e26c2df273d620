//! What a service brings along: its image and its cloud-config.

use std::sync::Arc;

use serde_saphyr::granit_parser::ScalarStyle;

use super::super::Files;
use super::super::diagnostic::{Diagnostic, Place, Report, SourceText};
use super::super::model::{ContainerImage, Engine};
use super::super::tree::{self, Dialect, Scalar, Value};

/// The simplestreams servers behind the remotes that LXD's and Incus's own clients know, by the remote's name.
const SERVERS: [(&str, &str); 2] = [("ubuntu", "https://cloud-images.ubuntu.com/releases/"), ("images", INCUS_IMAGES)];
/// What `images:` means to Incus. The Linux Containers project serves LXD no more.
const INCUS_IMAGES: &str = "https://images.linuxcontainers.org";
/// What `images:` means to LXD.
const LXD_IMAGES: &str = "https://images.lxd.canonical.com";

/// The image as the engine that will run it gets it: the same name leads to another server for each of the two.
pub(super) fn as_served_to(engine: Engine, image: &ContainerImage) -> ContainerImage {
    match (engine, image) {
        (Engine::Lxd, ContainerImage::Simplestreams { server, alias }) if server == INCUS_IMAGES => {
            ContainerImage::Simplestreams { server: LXD_IMAGES.to_owned(), alias: alias.clone() }
        }
        _ => image.clone(),
    }
}

/// The image that `text` names, in the notation of the engines' own clients or as a file.
pub(super) fn image(
    service: &str,
    text: &str,
    place: &Place,
    files: &dyn Files,
    report: &Report,
) -> Option<ContainerImage> {
    if let Some(path) = file_name(text) {
        return files
            .sha256(path)
            .map(|sha256| ContainerImage::File { path: path.to_owned(), fingerprint: sha256.to_lowercase() })
            .map_err(|reason| {
                report.error(|| {
                    let message = format!("cannot read the image `{path}` of service `{service}`: {reason}");
                    Diagnostic::error(place, message)
                        .expected("the name of a unified image tarball")
                        .hint("the path is relative to the file that describes the stack")
                });
            })
            .ok();
    }
    let (remote, alias) = text.split_once(':').unwrap_or(("", text));
    let server = SERVERS.iter().find(|(name, _)| *name == remote).map(|(_, url)| *url);
    if let Some(server) = server.filter(|_| !alias.is_empty() && !alias.contains(char::is_whitespace)) {
        return Some(ContainerImage::Simplestreams { server: server.to_owned(), alias: alias.to_owned() });
    }
    report.error(|| {
        Diagnostic::error(place, format!("the image `{text}` of service `{service}` is not known"))
            .expected("`ubuntu:ALIAS`, `images:ALIAS` or a file")
            .hint(match (remote, alias) {
                ("ubuntu", _) => "name the release, such as `ubuntu:24.04`".to_owned(),
                ("images", _) => "name the image, such as `images:debian/12`".to_owned(),
                ("", _) if text.starts_with(|c: char| c.is_ascii_digit()) => format!("did you mean `ubuntu:{text}`?"),
                ("", _) if text.contains('/') => format!("did you mean `images:{text}`?"),
                (distribution, release) if !distribution.is_empty() && !release.is_empty() => {
                    format!("did you mean `images:{distribution}/{release}`?")
                }
                _ => "such as `ubuntu:24.04`, `images:debian/12` or `./hugo.tar.zst`".to_owned(),
            })
    });
    None
}

/// The path in `text`, where it names a file and no alias.
fn file_name(text: &str) -> Option<&str> {
    if let Some(path) = text.strip_prefix("file:") {
        return Some(path);
    }
    let name = text.rsplit('/').next().unwrap_or(text);
    let archive = [".squashfs", ".tar"].iter().any(|suffix| name.ends_with(suffix)) || name.contains(".tar.");
    (archive || ["./", "../", "/"].iter().any(|prefix| text.starts_with(prefix))).then_some(text)
}

/// cloud-init takes a document for a cloud-config by this first line alone.
const FIRST_LINE: &str = "#cloud-config";

/// As much as Nova would take for a host (65,535 characters of base64). The engines have no such limit; more than this
/// in a container's configuration belongs into an image.
const MOST_BYTES: usize = 48 * 1024;

/// The cloud-config that field `user_data` holds or names, checked as far as cloud-init would silently ignore it.
pub(super) fn user_data(
    service: &str,
    scalar: &Scalar,
    place: &Place,
    files: &dyn Files,
    report: &Report,
) -> Option<String> {
    let written = &scalar.text;
    if written.starts_with('#') || written.contains('\n') {
        let (source, from) = inline(scalar, place);
        return checked(service, written, place, &source, from, report);
    }
    let name = written.trim();
    if name.is_empty() {
        report.error(|| {
            Diagnostic::error(place, format!("`user_data` of service `{service}` is empty"))
                .expected("the name of a file, or a text that begins with `#cloud-config`")
                .hint("leave the field out if there is nothing to do")
        });
        return None;
    }
    match files.text(name) {
        Ok(text) => {
            let source = Arc::new(SourceText::new(name, text.clone()));
            checked(service, &text, &Place::new(&source, 0, end_of_line(&text)), &source, 0, report)
        }
        Err(reason) => {
            report.error(|| {
                Diagnostic::error(
                    place,
                    format!("cannot read `{name}`, the user_data of service `{service}`: {reason}"),
                )
                .expected("the name of a `#cloud-config` file")
                .hint("the path is relative to the file that describes the stack")
            });
            None
        }
    }
}

/// `text`, which is at `head` and which lies in `source` from byte `from` on.
fn checked(
    service: &str,
    text: &str,
    head: &Place,
    source: &Arc<SourceText>,
    from: usize,
    report: &Report,
) -> Option<String> {
    if text.lines().next().is_none_or(|line| line.trim_end() != FIRST_LINE) {
        report.error(|| {
            Diagnostic::error(head, format!("the user_data of service `{service}` is no cloud-config"))
                .expected(format!("`{FIRST_LINE}` as the first line"))
                .hint("cloud-init silently ignores a document without that line; put it first")
        });
        return None;
    }
    if text.len() > MOST_BYTES {
        report.error(|| {
            Diagnostic::error(head, format!("the user_data of service `{service}` has {} bytes", text.len()))
                .expected(format!("at most {MOST_BYTES} bytes (48 KiB)"))
                .hint("let the containers fetch what is large, or build it into an image")
        });
        return None;
    }
    match tree::parse(source, from, Dialect::CloudConfig, report) {
        Ok(root) if matches!(root.value, Value::Map(_) | Value::Null) => Some(text.to_owned()),
        Ok(root) => {
            report.error(|| {
                let message = format!("the user_data of service `{service}` is {}", root.value.kind());
                Diagnostic::error(&root.place, message)
                    .expected("the fields of a cloud-config, such as `packages:`")
                    .hint("cloud-init takes a table of its modules' fields")
            });
            None
        }
        Err(error) => {
            report.error(|| *error);
            None
        }
    }
}

/// The text of a scalar as a source of its own whose positions are still those of the file: a literal block (`|`)
/// stands in the file line by line and so can be read in place. Any other notation is known by the name of its field.
fn inline(scalar: &Scalar, place: &Place) -> (Arc<SourceText>, usize) {
    if scalar.style == ScalarStyle::Literal
        && let Some((head, body)) = literal_body(place, scalar)
    {
        return (Arc::new(SourceText::new(place.file(), format!("{head}{body}"))), head.len());
    }
    (Arc::new(SourceText::new(format!("user_data at {place}"), scalar.text.clone())), 0)
}

/// What stands before the literal block at `place`, and the block with its indentation, which YAML reads the same way.
fn literal_body(place: &Place, scalar: &Scalar) -> Option<(String, String)> {
    let text = &place.source().text;
    let first = scalar.text.lines().next()?;
    let start = place.start() + text.get(place.start()..)?.find(first)?;
    let line = text.get(..start)?.rfind('\n')? + 1;
    // What was found has to be the block itself and not, say, a comment behind the `|`.
    if !text.get(line..start)?.trim().is_empty() {
        return None;
    }
    let lines = text.get(line..)?.split_inclusive('\n').take(scalar.text.lines().count());
    Some((text.get(..line)?.to_owned(), lines.collect()))
}

fn end_of_line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}
