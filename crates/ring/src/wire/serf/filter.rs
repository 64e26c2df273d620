//! Whom a query means.
//!
//! ```text
//!   0 │ list of names
//!   1 │ {"Expr", "Tag"}
//! ```

use crate::wire::Error;
use crate::wire::message::{Name, name};
use crate::wire::msgpack::{Reader, Writer};

/// More names than fit into a query, by far.
const MAX_NAMES: usize = 64 * 1024;

/// One condition of a query. Whether a member meets it is decided elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// One of these members.
    Names(Vec<Name>),
    /// Whose tag has a value in which the expression is found; a tag that is not there has an empty value.
    Tag {
        /// The tag.
        tag: String,
        /// A regular expression in Go's syntax (RE2).
        expression: String,
    },
    /// A condition that this program does not know, by its number: nobody is meant.
    Unknown(u8),
}

const NAMES: u8 = 0;
const TAG: u8 = 1;

impl Filter {
    /// As it is in a query.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Names(names) => {
                let mut writer = Writer::after(vec![NAMES]);
                writer.array(names.len());
                for name in names {
                    writer.text(name);
                }
                writer.finish()
            }
            Self::Tag { tag, expression } => {
                let mut writer = Writer::after(vec![TAG]);
                writer.map(2).text("Expr").text(expression).text("Tag").text(tag);
                writer.finish()
            }
            Self::Unknown(kind) => vec![*kind],
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (kind, rest) = bytes.split_first().ok_or(Error::Truncated("a filter"))?;
        let mut reader = Reader::new(rest);
        match *kind {
            NAMES => reader.list("a filter of names", MAX_NAMES, |reader| name(reader, "a name")).map(Self::Names),
            TAG => {
                let (mut tag, mut expression) = (String::new(), String::new());
                reader.fields("a filter of a tag", |reader, field| {
                    match field {
                        b"Tag" => tag = reader.lossy("Tag")?,
                        b"Expr" => expression = reader.lossy("Expr")?,
                        _ => reader.skip()?,
                    }
                    Ok(())
                })?;
                Ok(Self::Tag { tag, expression })
            }
            kind => Ok(Self::Unknown(kind)),
        }
    }
}
