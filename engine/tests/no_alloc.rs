//! Nothing is allocated between `Engine::new` and the end of `run`.

mod support;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;

use lacewing_engine::{
    AsTrained, BatchEngine, DriftMonitor, Engine, ExitId, Expected, KernelSet, Model, Never, Outcome, Q15, Step,
    TemporalPatience,
};
use support::{head, rich};

struct Counting;

thread_local! {
    /// Of this thread alone: the harness's own allocates when it likes. Neither made nor dropped by allocating.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands every call on to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's, handed on.
        unsafe { std::alloc::System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's, handed on.
        unsafe { std::alloc::System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn count() -> usize {
    ALLOCATIONS.get()
}

#[test]
fn runs_do_not_allocate() {
    let before = count();
    drop(core::hint::black_box(Box::new(1)));
    assert!(count() > before, "the counter counts");

    for file in [head(), rich()] {
        let bytes = file.bytes();
        let mut scratch = lacewing_engine::Scratch::<64>::new();
        // The environment is read once a process, which allocates.
        let _ = lacewing_kernels::Isa::widest();
        let before = count();
        let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
        let mut engine = Engine::new(&model, &mut scratch).expect("room enough");
        engine.load(&[1.0, 2.0]).expect("two inputs");
        let _ = engine.run(&mut AsTrained);
        engine.load(&[1.0, 2.0]).expect("two inputs");
        let mut packet = [0; 64];
        if let Outcome::Offload { features, .. } = engine.run(&mut Never) {
            assert!(features.encode(&mut packet).is_ok());
        }
        while let Step::More = engine.step(&mut AsTrained) {}
        let mut scratch = lacewing_engine::Scratch::<2048>::new();
        let mut batch = BatchEngine::new(&model, &mut scratch).expect("room enough");
        let samples = [[1.0, 2.0]; 20];
        let mut told = 0;
        let ran = batch.run_batch(samples.iter().map(<[f32; 2]>::as_slice), &mut AsTrained, |_, _, _| told += 1);
        assert!(ran.is_ok() && told == 20);
        let half = Q15::from_f32(0.5);
        let last_exit = ExitId(1);
        let expected =
            Expected { exit_rate: half, confidence: half, rate_band: half, confidence_band: half, last_exit };
        let (mut patience, mut monitor) = (TemporalPatience::new(2, Never), DriftMonitor::new(expected, 4));
        for _ in 0..3 {
            engine.load(&[1.0, 2.0]).expect("two inputs");
            let _ = monitor.observe(&engine.run(&mut patience));
        }
        assert_eq!(count(), before);
    }
}
