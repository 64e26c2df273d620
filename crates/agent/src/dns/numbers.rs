//! The numbers of DNS that are spoken here, as IANA lists them.

/// Types of records, and of questions.
pub mod kind {
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// A name server.
    pub const NS: u16 = 2;
    /// What a zone is.
    pub const SOA: u16 = 6;
    /// The name of an address.
    pub const PTR: u16 = 12;
    /// Strings.
    pub const TXT: u16 = 16;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// Where a service is.
    pub const SRV: u16 = 33;
    /// EDNS, which is no record.
    pub const OPT: u16 = 41;
    /// A transfer of what is new in a zone.
    pub const IXFR: u16 = 251;
    /// A transfer of a zone.
    pub const AXFR: u16 = 252;
    /// All that there is.
    pub const ANY: u16 = 255;
}

/// The class of everything here.
pub const INTERNET: u16 = 1;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// The name exists, with or without such records.
    NoError = 0,
    /// What came cannot be read.
    FormErr = 1,
    /// There is no such name.
    NxDomain = 3,
    /// The operation is not known.
    NotImp = 4,
    /// It is not ours to answer.
    Refused = 5,
    /// EDNS of a version that is not known. It does not fit into a header; EDNS carries its upper bits.
    BadVers = 16,
}

impl Code {
    /// As it stands in a header.
    pub const fn low(self) -> u8 {
        self as u8 & 0x0f
    }

    /// As EDNS carries it.
    pub const fn high(self) -> u8 {
        self as u8 >> 4
    }
}
