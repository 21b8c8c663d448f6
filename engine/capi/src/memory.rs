//! The caller's memory: pointers checked, and models and engines kept in memory that the caller lends.

use core::mem::{align_of, size_of};
use core::{ptr, slice};

use ::lacewing_engine::{Engine, Model};

use crate::status::lacewing_status as Status;

/// Memory for a model: a static, or on the stack of whoever outlives its engines. What is in it is the library's.
#[repr(C)]
pub struct lacewing_model {
    opaque: [usize; LACEWING_MODEL_WORDS],
}

/// Memory for an engine whose inputs are f32.
#[repr(C)]
pub struct lacewing_engine {
    opaque: [usize; LACEWING_ENGINE_WORDS],
}

/// Memory for an engine whose inputs are int8.
#[repr(C)]
pub struct lacewing_engine_i8 {
    opaque: [usize; LACEWING_ENGINE_WORDS],
}

/// Words of the size of a pointer in a model: enough on 32-bit targets, which need more of them than 64-bit ones.
pub const LACEWING_MODEL_WORDS: usize = 640;
/// Words of the size of a pointer in an engine.
pub const LACEWING_ENGINE_WORDS: usize = 48;

/// What lies in such memory.
#[repr(C)]
pub(crate) struct Stored<T> {
    /// [`Stores::MARK`], or anything else where there is no `T`.
    mark: usize,
    pub value: T,
}

/// Memory of the caller that may hold a value.
///
/// # Safety
/// The type is plain words, all bit patterns valid, with the size and alignment of `Stored<Value>` or more: every implementor
/// asserts that.
pub(crate) unsafe trait Stores {
    /// What it holds.
    type Value;
    /// Says that it holds it; each type's own.
    const MARK: usize;
}

/// What holds the memory of `M` to be large enough for its value.
const fn fits<M: Stores>() {
    assert!(size_of::<M>() >= size_of::<Stored<M::Value>>() && align_of::<M>() >= align_of::<Stored<M::Value>>());
}

// SAFETY: the assertion below.
unsafe impl Stores for lacewing_model {
    type Value = Model<'static>;
    const MARK: usize = 0x4c41_434d;
}
// SAFETY: the assertion below.
unsafe impl Stores for lacewing_engine {
    type Value = Engine<'static, f32>;
    const MARK: usize = 0x4c41_4345;
}
// SAFETY: the assertion below.
unsafe impl Stores for lacewing_engine_i8 {
    type Value = Engine<'static, i8>;
    const MARK: usize = 0x4c41_4938;
}
const _: () = {
    fits::<lacewing_model>();
    fits::<lacewing_engine>();
    fits::<lacewing_engine_i8>();
};

/// That a pointer may point to a `T`.
pub(crate) fn check<T>(at: *const T) -> Result<(), Status> {
    if at.is_null() {
        Err(Status::CallerNull)
    } else if !at.is_aligned() {
        Err(Status::CallerMisaligned)
    } else {
        Ok(())
    }
}

/// That a pointer may point to `len` of `T`.
fn check_all<T>(at: *const T, len: usize) -> Result<(), Status> {
    check(at)?;
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        _ => Err(Status::CallerTooLong),
    }
}

/// The caller's values, to be read.
///
/// # Safety
/// Where `at` is neither null nor misaligned, it is valid for reads of `len` values, initialised, until the borrow's end, and
/// nobody writes them meanwhile.
pub(crate) unsafe fn values<'c, T>(at: *const T, len: usize) -> Result<&'c [T], Status> {
    check_all(at, len)?;
    // SAFETY: not null, aligned and not too long, as just checked; the rest is the caller's.
    Ok(unsafe { slice::from_raw_parts(at, len) })
}

/// The caller's values, to be written.
///
/// # Safety
/// As [`values`], for reads and writes, and nobody else reads them meanwhile.
pub(crate) unsafe fn values_mut<'c, T>(at: *mut T, len: usize) -> Result<&'c mut [T], Status> {
    check_all(at, len)?;
    // SAFETY: not null, aligned and not too long, as just checked; the rest is the caller's.
    Ok(unsafe { slice::from_raw_parts_mut(at, len) })
}

/// Writes what a function gives out.
///
/// # Safety
/// Where `at` is neither null nor misaligned, it is valid for a write of a `T`.
pub(crate) unsafe fn give<T>(at: *mut T, value: T) -> Result<(), Status> {
    check(at)?;
    // SAFETY: not null and aligned, as just checked; valid by the caller.
    unsafe { at.write(value) };
    Ok(())
}

/// Keeps a value in the caller's memory.
///
/// # Safety
/// As [`give`]; no value that lies there is in use.
pub(crate) unsafe fn store<M: Stores>(at: *mut M, value: M::Value) -> Result<(), Status> {
    check(at)?;
    // SAFETY: not null, and aligned for M; M has the size and alignment of Stored or more (its assertion).
    unsafe { at.cast::<Stored<M::Value>>().write(Stored { mark: M::MARK, value }) };
    Ok(())
}

/// Says that the caller's memory holds no value.
///
/// # Safety
/// As [`store`].
pub(crate) unsafe fn clear<M: Stores>(at: *mut M) -> Result<(), Status> {
    check(at)?;
    // SAFETY: as in `store`; the mark is the first word.
    unsafe { at.cast::<usize>().write(0) };
    Ok(())
}

/// Whether memory holds a value, by its mark.
///
/// # Safety
/// Where `at` is neither null nor misaligned, it is valid for reads of an `M`.
unsafe fn holds<M: Stores>(at: *const M) -> Result<bool, Status> {
    check(at)?;
    // SAFETY: not null and aligned; memory of C is initialised as far as the mark, or its content is any words.
    Ok(unsafe { ptr::read_volatile(at.cast::<usize>()) } == M::MARK)
}

/// The value that the caller's memory holds.
///
/// # Safety
/// Where `at` is neither null nor misaligned, it is valid for reads of an `M` that holds what [`store`] wrote, or anything that does
/// not begin with the mark; the value lives, unmoved and unwritten, as long as the borrow.
pub(crate) unsafe fn stored<'c, M: Stores>(at: *const M, otherwise: Status) -> Result<&'c M::Value, Status> {
    // SAFETY: the caller's.
    if !unsafe { holds(at)? } {
        return Err(otherwise);
    }
    // SAFETY: the mark says that `store` has written a Stored here; lifetime and aliasing are the caller's.
    Ok(unsafe { &(*at.cast::<Stored<M::Value>>()).value })
}

/// The value that the caller's memory holds, to be changed.
///
/// # Safety
/// As [`stored`], and nobody else uses it meanwhile.
pub(crate) unsafe fn stored_mut<'c, M: Stores>(at: *mut M, otherwise: Status) -> Result<&'c mut M::Value, Status> {
    // SAFETY: the caller's.
    if !unsafe { holds(at.cast_const())? } {
        return Err(otherwise);
    }
    // SAFETY: as in `stored`.
    Ok(unsafe { &mut (*at.cast::<Stored<M::Value>>()).value })
}
