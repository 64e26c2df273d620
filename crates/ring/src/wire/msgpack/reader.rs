//! Reading.

use rmp::Marker;

use crate::wire::error::{Error, malformed};

/// More fields than any structure has, by far.
const MAX_FIELDS: usize = 64;

/// How many values an unknown field may hold before it is refused instead of passed over.
const MAX_UNKNOWN_VALUES: usize = 256;

/// A place in bytes that hold msgpack. Where an error is returned, the place is lost.
///
/// nil stands for nothing of every type: no bytes, no entries, zero, `false`.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// At the beginning of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads a structure: `field` is called with each field's name and has to read its value, or
    /// [`skip`](Self::skip) it where it does not know the name.
    pub(crate) fn fields(
        &mut self,
        what: &'static str,
        mut field: impl FnMut(&mut Self, &'a [u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let count = self.map(what)?;
        if count > MAX_FIELDS {
            return Err(Error::TooLarge { what, limit: MAX_FIELDS });
        }
        for _ in 0..count {
            let name = self.raw(what)?;
            field(self, name)?;
        }
        Ok(())
    }

    /// Reads the head of a map: how many pairs follow. That many need not be there.
    pub(crate) fn map(&mut self, what: &'static str) -> Result<usize, Error> {
        match self.marker(what)? {
            Marker::Null => Ok(0),
            Marker::FixMap(count) => Ok(usize::from(count)),
            Marker::Map16 => self.length(what, 2),
            Marker::Map32 => self.length(what, 4),
            _ => Err(malformed(what, "a map")),
        }
    }

    /// Reads the head of a list: how many values follow. That many need not be there.
    pub(crate) fn array(&mut self, what: &'static str) -> Result<usize, Error> {
        match self.marker(what)? {
            Marker::Null => Ok(0),
            Marker::FixArray(count) => Ok(usize::from(count)),
            Marker::Array16 => self.length(what, 2),
            Marker::Array32 => self.length(what, 4),
            _ => Err(malformed(what, "a list")),
        }
    }

    /// Reads a list of at most `limit` values.
    pub(crate) fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        mut value: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let count = self.array(what)?;
        if count > limit {
            return Err(Error::TooLarge { what, limit });
        }
        // Every value takes a byte at least, so this is bounded by what has come.
        let mut values = Vec::with_capacity(count.min(self.rest.len()));
        for _ in 0..count {
            values.push(value(self)?);
        }
        Ok(values)
    }

    /// Whether nil follows; it is read then, and nothing otherwise.
    pub(crate) fn nil(&mut self) -> bool {
        match self.rest {
            [0xc0, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads a string or bytes: the older programs do not tell them apart.
    pub(crate) fn raw(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let length = match self.marker(what)? {
            Marker::Null => 0,
            Marker::FixStr(length) => usize::from(length),
            Marker::Str8 | Marker::Bin8 => self.length(what, 1)?,
            Marker::Str16 | Marker::Bin16 => self.length(what, 2)?,
            Marker::Str32 | Marker::Bin32 => self.length(what, 4)?,
            _ => return Err(malformed(what, "a string or bytes")),
        };
        self.take(what, length)
    }

    /// Reads text that names something, and so has to be exact.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, Error> {
        std::str::from_utf8(self.raw(what)?).map_err(|_| malformed(what, "text in UTF-8"))
    }

    /// Reads text for people; what is not UTF-8 in it is replaced.
    pub(crate) fn lossy(&mut self, what: &'static str) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(self.raw(what)?).into_owned())
    }

    /// Reads a number that is not negative and fits.
    pub(crate) fn unsigned<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, Error> {
        let number = self.integer(what)?;
        u64::try_from(number)
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| malformed(what, "a number in its bounds"))
    }

    /// Reads a number.
    pub(crate) fn signed(&mut self, what: &'static str) -> Result<i64, Error> {
        i64::try_from(self.integer(what)?).map_err(|_| malformed(what, "a number in its bounds"))
    }

    /// Reads a number with a fraction. Whole numbers are taken too.
    #[expect(clippy::cast_precision_loss, reason = "whoever writes a fraction as a whole number means a small one")]
    pub(crate) fn float(&mut self, what: &'static str) -> Result<f64, Error> {
        let mut ahead = self.clone();
        match ahead.marker(what)? {
            Marker::F64 => {
                *self = ahead;
                Ok(f64::from_be_bytes(self.array_of(what)?))
            }
            Marker::F32 => {
                *self = ahead;
                Ok(f64::from(f32::from_be_bytes(self.array_of(what)?)))
            }
            _ => Ok(self.integer(what)? as f64),
        }
    }

    /// Reads a truth.
    pub(crate) fn boolean(&mut self, what: &'static str) -> Result<bool, Error> {
        match self.marker(what)? {
            Marker::Null | Marker::False => Ok(false),
            Marker::True => Ok(true),
            _ => Err(malformed(what, "true or false")),
        }
    }

    /// Passes over a value of any type, with all that it holds.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        const WHAT: &str = "an unknown field";
        let mut due = 1_usize;
        for _ in 0..MAX_UNKNOWN_VALUES {
            if due == 0 {
                return Ok(());
            }
            due -= 1;
            let bytes = match self.marker(WHAT)? {
                Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => 0,
                Marker::U8 | Marker::I8 => 1,
                Marker::U16 | Marker::I16 | Marker::FixExt1 => 2,
                Marker::FixExt2 => 3,
                Marker::U32 | Marker::I32 | Marker::F32 => 4,
                Marker::FixExt4 => 5,
                Marker::U64 | Marker::I64 | Marker::F64 => 8,
                Marker::FixExt8 => 9,
                Marker::FixExt16 => 17,
                Marker::FixStr(length) => usize::from(length),
                Marker::Str8 | Marker::Bin8 => self.length(WHAT, 1)?,
                Marker::Str16 | Marker::Bin16 => self.length(WHAT, 2)?,
                Marker::Str32 | Marker::Bin32 => self.length(WHAT, 4)?,
                // One byte more: the type.
                Marker::Ext8 => self.length(WHAT, 1)?.saturating_add(1),
                Marker::Ext16 => self.length(WHAT, 2)?.saturating_add(1),
                Marker::Ext32 => self.length(WHAT, 4)?.saturating_add(1),
                Marker::FixArray(count) => {
                    due += usize::from(count);
                    0
                }
                Marker::Array16 => {
                    due = due.saturating_add(self.length(WHAT, 2)?);
                    0
                }
                Marker::Array32 => {
                    due = due.saturating_add(self.length(WHAT, 4)?);
                    0
                }
                Marker::FixMap(count) => {
                    due += 2 * usize::from(count);
                    0
                }
                Marker::Map16 => {
                    due = due.saturating_add(self.length(WHAT, 2)?.saturating_mul(2));
                    0
                }
                Marker::Map32 => {
                    due = due.saturating_add(self.length(WHAT, 4)?.saturating_mul(2));
                    0
                }
                Marker::Reserved => return Err(malformed(WHAT, "msgpack")),
            };
            self.take(WHAT, bytes)?;
        }
        if due == 0 { Ok(()) } else { Err(Error::TooLarge { what: WHAT, limit: MAX_UNKNOWN_VALUES }) }
    }

    fn integer(&mut self, what: &'static str) -> Result<i128, Error> {
        Ok(match self.marker(what)? {
            Marker::Null => 0,
            Marker::FixPos(number) => i128::from(number),
            Marker::FixNeg(number) => i128::from(number),
            Marker::U8 => i128::from(u8::from_be_bytes(self.array_of(what)?)),
            Marker::U16 => i128::from(u16::from_be_bytes(self.array_of(what)?)),
            Marker::U32 => i128::from(u32::from_be_bytes(self.array_of(what)?)),
            Marker::U64 => i128::from(u64::from_be_bytes(self.array_of(what)?)),
            Marker::I8 => i128::from(i8::from_be_bytes(self.array_of(what)?)),
            Marker::I16 => i128::from(i16::from_be_bytes(self.array_of(what)?)),
            Marker::I32 => i128::from(i32::from_be_bytes(self.array_of(what)?)),
            Marker::I64 => i128::from(i64::from_be_bytes(self.array_of(what)?)),
            _ => return Err(malformed(what, "a number")),
        })
    }

    fn marker(&mut self, what: &'static str) -> Result<Marker, Error> {
        let [byte] = self.array_of(what)?;
        Ok(Marker::from_u8(byte))
    }

    fn length(&mut self, what: &'static str, size: usize) -> Result<usize, Error> {
        let bytes = self.take(what, size)?;
        Ok(bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    fn array_of<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(Error::Truncated(what))?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn take(&mut self, what: &'static str, length: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Error::Truncated(what))?;
        self.rest = rest;
        Ok(bytes)
    }
}
