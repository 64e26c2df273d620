//! msgpack, as far as the programs of this protocol write it.
//!
//! They encode a structure as a map from field names, in alphabetical order, to values; numbers in the shortest form
//! that holds them; absent lists and bytes as nil. Strings and bytes are one type, "raw", of the first version of
//! msgpack: shorter than 32 bytes with the length in the marker, otherwise with a length of two or four bytes. Later
//! versions added `str8` and `bin`. Both are read here; members do not send them to each other, as programs built with
//! an old codec stop at them, and agents and their clients do.
//!
//! A reader takes nothing on trust: a length is compared with what is there before anything is made of it.

mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;
