//! What a vector unit offers to the loops in [`super::body`].

/// [`COLUMNS`](super::COLUMNS) f32, in as many registers as that takes.
///
/// # Safety
/// Every method needs the instruction set of its type; pointers reach over 16 f32 and need no alignment.
pub(crate) trait Lanes: Copy {
    /// Eight sums of two.
    type Half: Copy;

    /// All lanes `value`.
    unsafe fn splat(value: f32) -> Self;
    /// From memory.
    unsafe fn load(from: *const f32) -> Self;
    /// To memory.
    unsafe fn store(self, to: *mut f32);
    /// Lane by lane, rounded.
    unsafe fn add(self, other: Self) -> Self;
    /// Lane by lane, rounded.
    unsafe fn sub(self, other: Self) -> Self;
    /// Lane by lane, rounded.
    unsafe fn mul(self, other: Self) -> Self;
    /// Lane by lane, rounded.
    unsafe fn div(self, other: Self) -> Self;
    /// Lane by lane, rounded.
    unsafe fn sqrt(self) -> Self;
    /// Lanes `k` and `k + 8`.
    unsafe fn half(self) -> Self::Half;
    /// For each of four: lanes `k` and `k + 4`, then of the four `k` and `k + 2`, then the two.
    unsafe fn sums(of: [Self::Half; 4]) -> [f32; 4];

    /// The sums of `R`, a multiple of four, each added up as by [`half`](Self::half) and [`sums`](Self::sums), side by side in
    /// `to`.
    #[inline(always)]
    unsafe fn store_sums<const R: usize>(of: [Self; R], to: *mut f32) {
        for (k, &[a, b, c, d]) in of.as_chunks::<4>().0.iter().enumerate() {
            // SAFETY: the caller's; an f32's alignment is the pointer's.
            unsafe {
                let sums = Self::sums([a.half(), b.half(), c.half(), d.half()]);
                to.add(4 * k).cast::<[f32; 4]>().write(sums);
            }
        }
    }
}
