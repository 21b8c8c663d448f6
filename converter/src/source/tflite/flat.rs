//! FlatBuffers, read in place: tables, vectors and numbers, each access checked against the buffer.

use bytes::Bytes;

use crate::source::Refusal;

/// A table: where it is in the buffer. What is not there, or not in the buffer, is the default.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    bytes: Bytes,
    at: usize,
}

/// A vector: where its elements begin, and how many there are; they are in the buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Vector {
    bytes: Bytes,
    start: usize,
    len: usize,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Where the offset at `at` leads.
fn follow(bytes: &[u8], at: usize) -> Option<usize> {
    let offset = usize::try_from(u32::from_le_bytes(number(bytes, at)?)).ok()?;
    at.checked_add(offset).filter(|at| *at < bytes.len())
}

impl Table {
    /// The table that a buffer begins with.
    pub(super) fn root(bytes: Bytes) -> Option<Self> {
        let at = follow(&bytes, 0)?;
        Some(Self { bytes, at })
    }

    /// Where field `slot` is.
    fn field(&self, slot: usize) -> Option<usize> {
        let back = i32::from_le_bytes(number(&self.bytes, self.at)?);
        let table = usize::try_from(i64::try_from(self.at).ok()? - i64::from(back)).ok()?;
        let length = usize::from(u16::from_le_bytes(number(&self.bytes, table)?));
        let entry = 4 + 2 * slot;
        if entry + 2 > length {
            return None;
        }
        let offset = usize::from(u16::from_le_bytes(number(&self.bytes, table.checked_add(entry)?)?));
        if offset == 0 { None } else { self.at.checked_add(offset) }
    }

    pub(super) fn byte(&self, slot: usize, default: i8) -> i8 {
        self.field(slot).and_then(|at| number(&self.bytes, at)).map_or(default, i8::from_le_bytes)
    }

    pub(super) fn int(&self, slot: usize, default: i32) -> i32 {
        self.field(slot).and_then(|at| number(&self.bytes, at)).map_or(default, i32::from_le_bytes)
    }

    pub(super) fn long(&self, slot: usize, default: u64) -> u64 {
        self.field(slot).and_then(|at| number(&self.bytes, at)).map_or(default, u64::from_le_bytes)
    }

    pub(super) fn float(&self, slot: usize, default: f32) -> f32 {
        self.field(slot).and_then(|at| number(&self.bytes, at)).map_or(default, f32::from_le_bytes)
    }

    pub(super) fn table(&self, slot: usize) -> Option<Self> {
        let at = follow(&self.bytes, self.field(slot)?)?;
        Some(Self { bytes: self.bytes.clone(), at })
    }

    /// A vector of elements of `size` bytes; the empty one where there is none.
    ///
    /// # Errors
    /// It has more than `most` elements, or reaches past the end of the buffer.
    pub(super) fn vector(&self, slot: usize, size: usize, most: usize) -> Result<Vector, Refusal> {
        let Some(field) = self.field(slot) else { return Ok(Vector::default()) };
        let found = follow(&self.bytes, field).and_then(|at| {
            let len = usize::try_from(u32::from_le_bytes(number(&self.bytes, at)?)).ok()?;
            let end = at.checked_add(4)?.checked_add(len.checked_mul(size)?)?;
            (end <= self.bytes.len()).then_some((at + 4, len))
        });
        match found {
            Some((_, len)) if len > most => Err(Refusal::Unsupported(format!(
                "a list of {len} entries, where at most {most} are read: convert a network of fully connected layers alone"
            ))),
            Some((start, len)) => Ok(Vector { bytes: self.bytes.clone(), start, len }),
            None => Err("a list that reaches past the end of the file".into()),
        }
    }

    /// Whether the field is there at all.
    pub(super) fn has(&self, slot: usize) -> bool {
        self.field(slot).is_some()
    }
}

impl Vector {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Its bytes, of elements of `size` bytes.
    pub(super) fn slice(&self, size: usize) -> Bytes {
        // The vector is in the buffer.
        self.bytes.slice(self.start..self.start + self.len * size)
    }

    pub(super) fn ints(&self) -> impl Iterator<Item = i32> {
        self.slice(4).as_chunks().0.to_vec().into_iter().map(i32::from_le_bytes)
    }

    pub(super) fn longs(&self) -> impl Iterator<Item = i64> {
        self.slice(8).as_chunks().0.to_vec().into_iter().map(i64::from_le_bytes)
    }

    pub(super) fn floats(&self) -> impl Iterator<Item = f32> {
        self.slice(4).as_chunks().0.to_vec().into_iter().map(f32::from_le_bytes)
    }

    /// Its elements, tables.
    ///
    /// # Errors
    /// One lies outside the buffer.
    pub(super) fn tables(&self) -> Result<Vec<Table>, Refusal> {
        let table = |number| {
            let at = follow(&self.bytes, self.start + 4 * number)?;
            Some(Table { bytes: self.bytes.clone(), at })
        };
        (0..self.len).map(table).collect::<Option<_>>().ok_or_else(|| "an entry outside the file".into())
    }
}
