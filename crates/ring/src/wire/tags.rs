//! What a member says of itself: tags, in the application's bytes of its membership.
//!
//! ```text
//!   255 │ map from tag to value
//! ```
//!
//! Before there were tags, the bytes were the member's role. Source: `encodeTags` and `decodeTags` in Serf's `serf.go`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Error;
use super::msgpack::{Reader, Writer};

/// What a member says of itself.
pub type Tags = BTreeMap<String, String>;

/// The most bytes that tags may take when they are encoded (memberlist's `MetaMaxSize`).
pub const MAX_BYTES: usize = 512;

const TAGGED: u8 = 255;

/// Tags as bytes. Whoever takes them from a user compares their length with [`MAX_BYTES`].
pub fn encode(tags: &Tags) -> Bytes {
    let mut writer = Writer::after(vec![TAGGED]);
    write(&mut writer, tags);
    writer.finish().into()
}

/// Tags from bytes; what is not tagged is a role. No bytes are an empty role, as in Serf.
pub fn decode(bytes: &[u8]) -> Result<Tags, Error> {
    match bytes {
        [TAGGED, map @ ..] => read(&mut Reader::new(map), "the tags"),
        role => Ok(Tags::from([("role".to_owned(), String::from_utf8_lossy(role).into_owned())])),
    }
}

/// Writes a map of strings.
pub(crate) fn write(writer: &mut Writer, tags: &Tags) {
    writer.map(tags.len());
    for (tag, value) in tags {
        writer.text(tag).text(value);
    }
}

/// Reads a map of strings.
pub(crate) fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Tags, Error> {
    let mut tags = Tags::new();
    for _ in 0..reader.map(what)? {
        let tag = reader.lossy("a tag")?;
        tags.insert(tag, reader.lossy("the value of a tag")?);
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_are_read_as_the_serf_program_wrote_them() {
        let bytes = b"\xff\x82\xa4role\xa3web\xa2nr\xa13";
        let tags = decode(bytes).unwrap();
        assert_eq!(tags, Tags::from([("nr".to_owned(), "3".to_owned()), ("role".to_owned(), "web".to_owned())]));
        assert_eq!(decode(&encode(&tags)).unwrap(), tags);
    }

    #[test]
    fn bytes_from_before_there_were_tags_are_a_role() {
        assert_eq!(decode(b"web").unwrap()["role"], "web");
        assert_eq!(decode(b"").unwrap()["role"], "");
    }

    proptest! {
        #[test]
        fn tags_come_back(tags in prop::collection::btree_map(".{0,20}", ".{0,40}", 0..40)) {
            prop_assert_eq!(decode(&encode(&tags)).unwrap(), tags);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = decode(&[&[TAGGED], &bytes[..]].concat());
        }
    }
}
