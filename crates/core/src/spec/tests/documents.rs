//! What a service brings along: its image and its cloud-config.

use super::*;
use crate::spec::model::ContainerImage;

const BESIDE: &str = "the path is relative to the file that describes the stack";

/// [`GOOD`] with this user_data file has one error: at what `«»` mark in the file, with this message and hint.
#[track_caller]
fn wrong_file(marked: &str, message: &str, hint: &str) {
    let (text, position) = unmarked(marked);
    let stack = changed("port: 8080", "port: 8080\n    user_data: hugo.yaml");
    let result = load(&sources(&stack), &Shelf::with("hugo.yaml", &text));
    one_error(result, "hugo.yaml", position, message, hint);
}

#[test]
fn user_data_is_read_from_the_file_beside() {
    let stack = changed("port: 8080", "port: 8080\n    user_data: hugo.yaml");
    let text = "#cloud-config\npackages: [hugo]\n";
    let loaded = load(&sources(&stack), &Shelf::with("hugo.yaml", text)).unwrap();
    assert_eq!(loaded.stack.services["hugo"].user_data.as_deref(), Some(text));
}

#[test]
fn user_data_can_stand_in_the_file() {
    let stack = changed("port: 8080", "port: 8080\n    user_data: |\n      #cloud-config\n      packages: [hugo]");
    assert_eq!(stack_of(&stack).services["hugo"].user_data.as_deref(), Some("#cloud-config\npackages: [hugo]\n"));
}

#[test]
fn a_missing_user_data_file_is_pointed_at() {
    wrong(
        "port: 8080",
        "port: 8080\n    user_data: «hugo.yaml»",
        "cannot read `hugo.yaml`, the user_data of service `hugo`: no such file",
        BESIDE,
    );
    wrong(
        "port: 8080",
        "port: 8080\n    user_data: «''»",
        "`user_data` of service `hugo` is empty",
        "leave the field out if there is nothing to do",
    );
}

#[test]
fn user_data_has_to_be_a_cloud_config() {
    let no = "the user_data of service `hugo` is no cloud-config";
    let put = "cloud-init silently ignores a document without that line; put it first";
    wrong_file("«packages: [hugo]»\n", no, put);
    wrong_file("«#!/bin/sh»\nexit\n", no, put);
    wrong_file("«»", no, put);
    wrong_file(
        "#cloud-config\n«- packages»\n",
        "the user_data of service `hugo` is a list",
        "cloud-init takes a table of its modules' fields",
    );
    wrong("port: 8080", "port: 8080\n    user_data: «\"#!/bin/sh\"»", no, put);
}

#[test]
fn user_data_has_to_be_yaml_and_the_error_points_into_it() {
    let shelf = Shelf::with("hugo.yaml", "#cloud-config\npackages: [hugo\nruncmd:\n  - true\n");
    let stack = changed("port: 8080", "port: 8080\n    user_data: hugo.yaml");
    let errors = load(&sources(&stack), &shelf).unwrap_err();
    let [error] = &errors.list[..] else { panic!("{}", errors.render()) };
    assert_eq!((error.place.file(), error.place.line()), ("hugo.yaml", 3));
    assert!(error.message.starts_with("not valid YAML"), "{}", error.message);

    wrong_twice("#cloud-config\nruncmd: [a]\npackages: [b]\n«runcmd»: [c]\n");
}

#[track_caller]
fn wrong_twice(marked: &str) {
    let (text, (line, column, _)) = unmarked(marked);
    let stack = changed("port: 8080", "port: 8080\n    user_data: hugo.yaml");
    let errors = load(&sources(&stack), &Shelf::with("hugo.yaml", &text)).unwrap_err();
    let error = &errors.list[0];
    assert_eq!((error.place.file(), error.place.line(), error.place.column()), ("hugo.yaml", line, column));
    assert_eq!(error.message, "`runcmd` is given twice");
}

#[test]
fn an_error_in_user_data_that_stands_in_the_file_points_at_the_line_of_the_file() {
    let stack = changed(
        "port: 8080",
        "port: 8080\n    user_data: |\n      #cloud-config\n      packages: [a]\n      runcmd:\n      \t- x",
    );
    let errors = load_text(&stack).unwrap_err();
    let [error] = &errors.list[..] else { panic!("{}", errors.render()) };
    assert_eq!((error.place.file(), error.place.line()), ("pontoon.yaml", 20));
    assert_eq!(error.hint.as_deref(), Some("indent with spaces; YAML allows no tabs there"));
}

#[test]
fn user_data_in_quotes_or_behind_a_comment_is_read_all_the_same() {
    for value in ["| #cloud-config\n      #cloud-config\n      packages: [a]", "\"#cloud-config\\npackages: [a]\\n\""] {
        let stack = stack_of(&changed("port: 8080", &format!("port: 8080\n    user_data: {value}")));
        assert_eq!(stack.services["hugo"].user_data.as_deref(), Some("#cloud-config\npackages: [a]\n"));
    }
    let quoted = changed("port: 8080", "port: 8080\n    user_data: \"#cloud-config\\n- a\\n\"");
    assert_eq!(load_text(&quoted).unwrap_err().list[0].place.to_string(), "user_data at pontoon.yaml:16:16:2:1");
}

#[test]
fn user_data_has_a_limit() {
    let text = |bytes: usize| format!("#cloud-config\n#{}\n", "x".repeat(bytes - 16));
    let stack = changed("port: 8080", "port: 8080\n    user_data: hugo.yaml");
    load(&sources(&stack), &Shelf::with("hugo.yaml", &text(48 * 1024))).unwrap();
    one_error(
        load(&sources(&stack), &Shelf::with("hugo.yaml", &text(48 * 1024 + 1))),
        "hugo.yaml",
        (1, 1, 13),
        "the user_data of service `hugo` has 49153 bytes",
        "let the containers fetch what is large, or build it into an image",
    );
}

#[test]
fn an_image_is_an_alias_or_a_file() {
    let image = |text: &str| {
        let stack = changed("image: ubuntu:24.04", &format!("image: {text}"));
        let shelf = Shelf(["./x.tar.zst", "x.tar.xz", "y", "z.squashfs"].map(|f| (f.to_owned(), f.to_owned())).into());
        load(&sources(&stack), &shelf).unwrap_or_else(|errors| panic!("{}", errors.render())).stack.services["hugo"]
            .image
            .clone()
    };
    let alias = |server: &str, alias: &str| ContainerImage::Simplestreams {
        server: server.to_owned(),
        alias: alias.to_owned(),
    };
    assert_eq!(image("ubuntu:24.04"), alias("https://cloud-images.ubuntu.com/releases/", "24.04"));
    // The file's hosts run LXD; Incus has the server of the Linux Containers project.
    assert_eq!(image("images:debian/12"), alias("https://images.lxd.canonical.com", "debian/12"));
    for (text, path) in
        [("./x.tar.zst", "./x.tar.zst"), ("x.tar.xz", "x.tar.xz"), ("file:y", "y"), ("z.squashfs", "z.squashfs")]
    {
        let ContainerImage::File { path: found, fingerprint } = image(text) else { panic!("{text} is a file") };
        assert_eq!(found, path);
        assert_eq!(fingerprint.len(), 64);
        assert_eq!(fingerprint, fingerprint.to_lowercase());
    }
}

#[test]
fn an_image_that_is_not_known_is_pointed_at() {
    let case = |text: &str, hint: &str| {
        let message = format!("the image `{text}` of service `hugo` is not known");
        wrong("image: ubuntu:24.04", &format!("image: «{text}»"), &message, hint);
    };
    case("debian:12", "did you mean `images:debian/12`?");
    case("debian/12", "did you mean `images:debian/12`?");
    case("24.04", "did you mean `ubuntu:24.04`?");
    case("hugo", "such as `ubuntu:24.04`, `images:debian/12` or `./hugo.tar.zst`");
    wrong(
        "image: ubuntu:24.04",
        "image: «'ubuntu:'»",
        "the image `ubuntu:` of service `hugo` is not known",
        "name the release, such as `ubuntu:24.04`",
    );
    wrong(
        "image: ubuntu:24.04",
        "image: «./hugo.tar.zst»",
        "cannot read the image `./hugo.tar.zst` of service `hugo`: no such file",
        BESIDE,
    );
}
