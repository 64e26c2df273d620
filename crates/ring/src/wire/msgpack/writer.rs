//! Writing.

/// Bytes to which msgpack is written.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    dialect: Dialect,
}

/// Which msgpack is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Dialect {
    /// Strings and bytes are one type, as members send them to each other.
    #[default]
    Raw,
    /// Bytes have a type of their own, as agents and their clients speak (`WriteExt`).
    Extended,
}

impl Writer {
    /// Behind these bytes.
    pub(crate) const fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, dialect: Dialect::Raw }
    }

    /// For an agent or its client.
    pub(crate) const fn extended() -> Self {
        Self { bytes: Vec::new(), dialect: Dialect::Extended }
    }

    /// All that was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// The head of a map of so many pairs.
    pub(crate) fn map(&mut self, pairs: usize) -> &mut Self {
        self.head(pairs, 0x80, 0xde, 0xdf)
    }

    /// The head of a list of so many values.
    pub(crate) fn array(&mut self, values: usize) -> &mut Self {
        self.head(values, 0x90, 0xdc, 0xdd)
    }

    /// A list of these values, nil where there are none.
    pub(crate) fn list<T>(
        &mut self,
        values: impl ExactSizeIterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) -> &mut Self {
        if values.len() == 0 {
            return self.nil();
        }
        self.array(values.len());
        for value in values {
            write(self, value);
        }
        self
    }

    /// A string, or the name of a field.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        match u8::try_from(text.len()) {
            Ok(length) if length < 32 => self.bytes.push(0xa0 | length),
            Ok(length) if self.dialect == Dialect::Extended => self.bytes.extend_from_slice(&[0xd9, length]),
            _ => self.long(text.len(), 0xda, 0xdb),
        }
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// Bytes.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        match (self.dialect, u8::try_from(bytes.len())) {
            (Dialect::Raw, Ok(length)) if length < 32 => self.bytes.push(0xa0 | length),
            (Dialect::Raw, _) => self.long(bytes.len(), 0xda, 0xdb),
            (Dialect::Extended, Ok(length)) => self.bytes.extend_from_slice(&[0xc4, length]),
            (Dialect::Extended, Err(_)) => self.long(bytes.len(), 0xc5, 0xc6),
        }
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Bytes; nil where there are none.
    pub(crate) fn raw_or_nil(&mut self, bytes: &[u8]) -> &mut Self {
        if bytes.is_empty() { self.nil() } else { self.raw(bytes) }
    }

    /// A number that is not negative.
    pub(crate) fn unsigned(&mut self, number: impl Into<u64>) -> &mut Self {
        let number = number.into();
        if let Ok(small) = u8::try_from(number) {
            if small > 0x7f {
                self.bytes.push(0xcc);
            }
            self.bytes.push(small);
        } else if let Ok(small) = u16::try_from(number) {
            self.bytes.push(0xcd);
            self.bytes.extend_from_slice(&small.to_be_bytes());
        } else if let Ok(small) = u32::try_from(number) {
            self.bytes.push(0xce);
            self.bytes.extend_from_slice(&small.to_be_bytes());
        } else {
            self.bytes.push(0xcf);
            self.bytes.extend_from_slice(&number.to_be_bytes());
        }
        self
    }

    /// How long something is.
    pub(crate) fn length(&mut self, length: usize) -> &mut Self {
        self.unsigned(length as u64)
    }

    /// A number with a fraction.
    pub(crate) fn float(&mut self, number: f64) -> &mut Self {
        self.bytes.push(0xcb);
        self.bytes.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// A truth.
    pub(crate) fn boolean(&mut self, truth: bool) -> &mut Self {
        self.bytes.push(if truth { 0xc3 } else { 0xc2 });
        self
    }

    /// Nothing.
    pub(crate) fn nil(&mut self) -> &mut Self {
        self.bytes.push(0xc0);
        self
    }

    fn head(&mut self, count: usize, short: u8, long: u8, longest: u8) -> &mut Self {
        match u8::try_from(count) {
            Ok(count) if count < 16 => self.bytes.push(short | count),
            _ => self.long(count, long, longest),
        }
        self
    }

    /// What does not fit into four bytes cannot be held in memory by any of these programs.
    fn long(&mut self, length: usize, two: u8, four: u8) {
        if let Ok(length) = u16::try_from(length) {
            self.bytes.push(two);
            self.bytes.extend_from_slice(&length.to_be_bytes());
        } else {
            self.bytes.push(four);
            self.bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}
