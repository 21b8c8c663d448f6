//! Room in memory for what clients send and are sent: a request's body until it is read, a response's until it is written.

use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that may be held at once.
pub(crate) struct Room {
    free: Arc<Semaphore>,
    all: u32,
}

/// Some of them, until it is let go of.
pub(crate) struct Taken {
    permit: OwnedSemaphorePermit,
    all: u32,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        let all = u32::try_from(bytes.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self { free: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// `None` where so many are not free.
    pub(crate) fn take(&self, bytes: usize) -> Option<Taken> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()?;
        Some(Taken { permit, all: self.all })
    }
}

impl Taken {
    /// The same for so many bytes, or for all where it is more than there are; `None` where they are not free.
    pub(crate) fn resized(mut self, bytes: usize) -> Option<Self> {
        let (wanted, had) = (bytes.min(self.all as usize), self.permit.num_permits());
        if wanted < had {
            drop(self.permit.split(had - wanted));
        } else {
            let more = u32::try_from(wanted - had).ok()?;
            let more = Arc::clone(self.permit.semaphore()).try_acquire_many_owned(more).ok()?;
            self.permit.merge(more);
        }
        Some(self)
    }

    /// Bytes that keep the room until the last of them is gone.
    pub(crate) fn with(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { bytes, _room: self })
    }
}

struct Held {
    bytes: Vec<u8>,
    _room: Taken,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Room;

    #[test]
    fn what_is_taken_comes_free_with_the_last_byte() {
        let room = Room::new(10);
        assert!(room.take(11).is_none());
        let taken = room.take(4).expect("free").resized(8).expect("free");
        assert!(room.take(3).is_none());
        let taken = taken.resized(6).expect("less");
        let bytes = taken.with(vec![1, 2, 3]);
        let last = bytes.slice(2..);
        drop(bytes);
        assert!(room.take(5).is_none() && room.take(4).is_some());
        drop(last);
        assert!(room.take(10).is_some());
    }

    #[test]
    fn what_is_larger_than_all_takes_all() {
        let room = Room::new(10);
        let other = room.take(1).expect("free");
        assert!(room.take(2).expect("free").resized(99).is_none());
        drop(other);
        assert!(room.take(2).expect("free").resized(99).is_some());
        assert!(room.take(10).is_some(), "and it is given back");
        assert!(Room::new(usize::MAX).take(1 << 20).is_some());
    }
}
