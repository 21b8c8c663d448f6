//! Numbers that stay while others are read: in memory where they are few, else in a file without a name, mapped. Of a network
//! larger than memory one tensor has to fit, not all.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use bytemuck::Pod;
use thiserror::Error;

use crate::map::{Map, Unnamed};

/// Bytes of what stays in memory, and of the pieces in which more is put aside.
const FEW: usize = 1 << 18;

/// Numbers that were put aside cannot be had again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "numbers put aside in a temporary file cannot be read again ({0}): set TMPDIR to a folder on a sound disk, with room for \
     three times the network"
)]
pub struct SettleError(
    /// What the system says.
    pub std::io::ErrorKind,
);

/// Numbers that do not change any more.
#[derive(Clone)]
pub struct Settled<T>(Kept<T>);

#[derive(Clone)]
enum Kept<T> {
    Memory(Vec<T>),
    /// As many as the map holds whole.
    File(Map, PhantomData<T>),
}

impl<T: Pod> Settled<T> {
    /// Lets go of the memory behind numbers that are in a file; they come back when they are looked at.
    pub(crate) fn release(&self) {
        self.map().into_iter().for_each(Map::release);
    }

    /// The map of numbers that are in a file.
    pub(crate) const fn map(&self) -> Option<&Map> {
        match &self.0 {
            Kept::File(map, _) => Some(map),
            Kept::Memory(_) => None,
        }
    }
}

impl<T: Pod> Deref for Settled<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Kept::Memory(numbers) => numbers,
            // Whole numbers were written, and a map begins at a page.
            Kept::File(map, _) => bytemuck::try_cast_slice(map.as_ref()).unwrap_or_default(),
        }
    }
}

impl<T: Pod> AsRef<[T]> for Settled<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T> Default for Settled<T> {
    fn default() -> Self {
        Self(Kept::Memory(Vec::new()))
    }
}

impl<T> From<Vec<T>> for Settled<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self(Kept::Memory(numbers))
    }
}

impl<T: Pod> From<Settled<T>> for Vec<T> {
    fn from(settled: Settled<T>) -> Self {
        match settled.0 {
            Kept::Memory(numbers) => numbers,
            Kept::File(..) => settled.to_vec(),
        }
    }
}

impl<T: Pod + PartialEq> PartialEq for Settled<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Settled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Numbers that are still being made, one after the other.
pub(crate) struct Settling<T> {
    /// Those that are not in the file yet.
    last: Vec<T>,
    /// The others, of which there are `put_aside`.
    file: Option<Unnamed>,
    put_aside: usize,
    /// Whether no file takes more.
    stays: bool,
    lost: Option<SettleError>,
}

impl<T: Pod> Settling<T> {
    pub(crate) const fn new() -> Self {
        Self { last: Vec::new(), file: None, put_aside: 0, stays: false, lost: None }
    }

    /// All of them, settled.
    pub(crate) fn of(numbers: impl IntoIterator<Item = T>) -> Result<Settled<T>, SettleError> {
        let mut settling = Self::new();
        numbers.into_iter().for_each(|number| settling.push(number));
        settling.settled()
    }

    pub(crate) const fn len(&self) -> usize {
        self.put_aside + self.last.len()
    }

    pub(crate) fn push(&mut self, number: T) {
        self.last.push(number);
        self.put_aside_from(FEW);
    }

    pub(crate) fn extend(&mut self, numbers: &[T]) {
        // What is large already needs no copy beside it.
        for piece in numbers.chunks(FEW / size_of::<T>().max(1)) {
            self.last.extend_from_slice(piece);
            self.put_aside_from(FEW);
        }
    }

    /// They stay from here on.
    pub(crate) fn settled(mut self) -> Result<Settled<T>, SettleError> {
        if self.file.is_some() {
            self.put_aside_from(1);
        }
        if let Some(lost) = self.lost {
            return Err(lost);
        }
        match self.file {
            None => Ok(self.last.into()),
            Some(file) => {
                let map = file.into_map().map_err(|error| SettleError(error.kind()))?;
                Ok(Settled(Kept::File(map, PhantomData)))
            }
        }
    }

    /// Puts the last ones aside where they are so many bytes or more. Where no file can be had, or it takes no more, all of them
    /// are in memory from then on.
    fn put_aside_from(&mut self, bytes: usize) {
        let new: &[u8] = bytemuck::cast_slice(&self.last);
        if self.stays || new.len() < bytes {
            return;
        }
        if self.file.is_none() {
            self.file = Unnamed::new().ok();
        }
        let Some(file) = &mut self.file else {
            self.stays = true;
            return;
        };
        if file.put(new).is_ok() {
            self.put_aside += self.last.len();
            self.last.clear();
            return;
        }
        let mut all = vec![T::zeroed(); self.put_aside];
        match file.read_again(bytemuck::cast_slice_mut(&mut all)) {
            Ok(()) => {
                all.append(&mut self.last);
                self.last = all;
            }
            Err(error) => self.lost = Some(SettleError(error.kind())),
        }
        (self.file, self.put_aside, self.stays) = (None, 0, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_stay_in_memory_and_many_go_to_a_file() {
        for many in [0, 1, 1000, FEW / 4 - 1, FEW / 4, FEW / 4 + 1, FEW] {
            let numbers: Vec<f32> = (0..many).map(|at| at as f32).collect();
            let pushed = Settling::of(numbers.iter().copied()).unwrap();
            let mut settling = Settling::new();
            numbers.chunks(70_001).for_each(|some| settling.extend(some));
            assert_eq!(settling.len(), many);
            let extended = settling.settled().unwrap();
            for settled in [&pushed, &extended] {
                assert_eq!(**settled, *numbers);
                assert_eq!(matches!(settled.0, Kept::File(..)), 4 * many >= FEW, "{many}");
                settled.release();
                assert_eq!(**settled, *numbers);
            }
            assert_eq!((pushed == extended, Vec::from(pushed)), (true, numbers));
        }
    }

    #[test]
    fn what_no_file_takes_comes_back_to_memory() {
        let mut settling = Settling::new();
        (0..100_000u32).for_each(|number| settling.push(number));
        assert!(settling.file.is_some());
        settling.file.as_mut().unwrap().refuse();
        (100_000..200_000).for_each(|number| settling.push(number));
        assert!(settling.stays && settling.file.is_none());
        let settled = settling.settled().unwrap();
        assert!(matches!(settled.0, Kept::Memory(_)));
        assert_eq!(*settled, *(0..200_000).collect::<Vec<u32>>());
    }
}
