//! `pontoon schema`: the JSON Schema of the file.

use pontoon_core::spec;

use crate::exit::{Exit, Failure};
use crate::show::{self, Output, Reader};

/// Prints the schema: for people over many lines, for programs on one.
#[allow(clippy::unnecessary_wraps, reason = "every verb has this form")]
pub(crate) fn run(output: &Output) -> Result<Exit, Failure> {
    let schema = spec::schema();
    match output.reader {
        Reader::Program => show::print_json(&schema),
        Reader::Person => show::print(&format!("{schema:#}\n")),
    }
    Ok(Exit::Done)
}
