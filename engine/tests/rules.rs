//! Every rule of FORMAT.md has a file that breaks it and nothing before it, kept in `tests/hostile` and in the fuzz corpus.

mod packings;
mod support;

use std::path::PathBuf;

use lacewing_engine::{Calibration, CalibrationTarget, Kernel, KernelSet, Model, ParseError, Q15, Rule};
use lacewing_kernels::{Junction, JunctionError, Section, scalar};
use packings::{hostile_packings, larger, packed, packed_i8, wide_pages_i8, wide_windows_i8, windows_i8};
use support::{
    EXIT, File, HEADER, OPERATION, Op, OpI8, coded_i8, dense, exit, head, head_i8, mixed, mixed_head, rich, seal, tail,
    tail_i8, whole, whole_i8,
};

/// A file's bytes with some of them overwritten, sealed again.
fn patched(file: &File, at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = file.bytes();
    bytes[at..at + with.len()].copy_from_slice(with);
    seal(&mut bytes);
    bytes
}

/// Bytes with one of them overwritten, sealed again.
fn overwritten(mut bytes: Vec<u8>, at: usize, with: u8) -> Vec<u8> {
    bytes[at] = with;
    seal(&mut bytes);
    bytes
}

/// Where the records of `whole` end.
const fn whole_sections() -> usize {
    HEADER + 3 * OPERATION + 2 * EXIT
}

/// The bytes of an operation record from its packing id to its parameters, everything between them as a dense one has it.
fn packing(id: u8, a: u8, b: u8, c: u16) -> Vec<u8> {
    let [low, high] = c.to_le_bytes();
    vec![id, 1, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, a, b, low, high]
}

/// The file after a change.
fn changed(mut file: File, change: impl FnOnce(&mut File)) -> Vec<u8> {
    change(&mut file);
    file.bytes()
}

/// name, file, rule, offset
fn hostile() -> Vec<(&'static str, Vec<u8>, Rule, usize)> {
    let second = HEADER + OPERATION;
    let exits = HEADER + 3 * OPERATION;
    let damaged = {
        let mut bytes = whole().bytes();
        bytes[300] ^= 1;
        bytes
    };
    let cut = whole().bytes()[..whole().bytes().len() - 1].to_vec();
    let mut longer = whole().bytes();
    longer.push(0);
    seal(&mut longer);
    let nan = f32::NAN.to_le_bytes();
    let past_end = Rule::Junction(JunctionError::InputOutOfRange { row: 0 });
    let padding = Rule::Junction(JunctionError::PaddingNotZero);
    let infinite = f32::INFINITY.to_le_bytes();
    let not_finite = JunctionError::NotFinite { section: lacewing_kernels::Section::Weights };
    vec![
        ("empty", vec![], Rule::TooShort, 0),
        ("header-cut", whole().bytes()[..63].to_vec(), Rule::TooShort, 63),
        ("records-cut", patched(&whole(), 21, &[16, 8])[..].to_vec(), Rule::TooShort, whole().bytes().len()),
        ("not-a-model", b"\x7fELF and more".to_vec(), Rule::NotAModel, 0),
        ("wrong-endian", patched(&whole(), 4, &[1, 2]), Rule::WrongEndian, 4),
        ("bad-byte-order", patched(&whole(), 4, &[2, 2]), Rule::BadByteOrder, 4),
        ("version-0", patched(&whole(), 6, &[0]), Rule::UnknownVersion, 6),
        ("version-2", patched(&whole(), 6, &[2, 2]), Rule::UnknownVersion, 6),
        ("write-version-0", patched(&whole(), 7, &[0]), Rule::BadWriteVersion, 7),
        ("cut-off", cut, Rule::WrongFileLength, 8),
        ("bit-flipped", damaged, Rule::WrongChecksum, 12),
        ("part-3", patched(&whole(), 20, &[3]), Rule::UnknownPart, 20),
        ("no-operations", patched(&whole(), 21, &[0]), Rule::OperationCount, 21),
        ("operations-17", patched(&whole(), 21, &[17]), Rule::OperationCount, 21),
        ("exits-9", patched(&whole(), 22, &[9]), Rule::ExitCount, 22),
        ("split-in-whole", patched(&whole(), 23, &[1]), Rule::BadSplit, 23),
        ("head-without-split", patched(&head(), 23, &[0]), Rule::BadSplit, 23),
        ("split-16", patched(&tail(), 23, &[16]), Rule::BadSplit, 23),
        ("head-exits-in-whole", patched(&whole(), 29, &[1]), Rule::BadHeadExits, 29),
        ("head-exits-9", patched(&tail(), 29, &[9]), Rule::BadHeadExits, 29),
        ("no-inputs", patched(&whole(), 24, &[0, 0]), Rule::ZeroInputs, 24),
        ("no-classes", patched(&whole(), 26, &[0, 0]), Rule::ZeroClasses, 26),
        ("input-element", patched(&whole(), 28, &[7]), Rule::UnknownElement, 28),
        ("weight-element", patched(&whole(), HEADER + 12, &[7]), Rule::UnknownElement, HEADER + 12),
        ("input-scale-0", patched(&whole(), 32, &[0; 4]), Rule::BadScaling, 32),
        ("input-zero-nan", patched(&whole(), 36, &nan), Rule::BadScaling, 32),
        ("output-scale-2", patched(&whole(), 40, &2f32.to_le_bytes()), Rule::BadScaling, 40),
        ("alignment-2", patched(&whole(), 30, &[2]), Rule::UnknownAlignment, 30),
        ("alignment-64-of-none", patched(&whole(), 30, &[1]), Rule::PaddingNotZero, whole_sections()),
        ("alignment-16-of-64", overwritten(whole().aligned_to(64), 30, 0), Rule::PaddingNotZero, 392),
        (
            "alignment-64-padding",
            overwritten(whole().aligned_to(64), whole_sections(), 1),
            Rule::PaddingNotZero,
            whole_sections(),
        ),
        ("reserved-31", patched(&whole(), 31, &[1]), Rule::ReservedNotZero, 31),
        ("reserved-52", patched(&whole(), 63, &[1]), Rule::ReservedNotZero, 52),
        ("reserved-operation-13", patched(&whole(), HEADER + 13, &[1]), Rule::ReservedNotZero, HEADER + 13),
        ("reserved-operation-18", patched(&whole(), HEADER + 23, &[1]), Rule::ReservedNotZero, HEADER + 18),
        ("reserved-operation-40", patched(&whole(), HEADER + 47, &[1]), Rule::ReservedNotZero, HEADER + 40),
        ("reserved-exit-3", patched(&whole(), exits + 3, &[1]), Rule::ReservedNotZero, exits + 3),
        ("calibration-of-none", patched(&whole(), exits + 31, &[1]), Rule::ReservedNotZero, exits + 23),
        ("calibration-target-4", calibrated(4, 0, 0.5, (1, 1)), Rule::BadCalibration, exits + 22),
        ("calibration-confidence", calibrated(1, 190, 0.5, (1, 1)), Rule::BadCalibration, exits + 23),
        ("calibration-confidence-0", calibrated(3, 0, 0.5, (1, 1)), Rule::BadCalibration, exits + 23),
        ("calibration-confidence-200", calibrated(3, 200, 0.5, (1, 1)), Rule::BadCalibration, exits + 23),
        ("calibration-share-0", calibrated(3, 190, 0.0, (1, 1)), Rule::BadCalibration, exits + 24),
        ("calibration-drop-below-0", calibrated(1, 0, -0.001, (1, 1)), Rule::BadCalibration, exits + 24),
        ("calibration-share-1", calibrated(2, 0, 1.0, (1, 1)), Rule::BadCalibration, exits + 24),
        ("calibration-share-nan", calibrated(2, 0, f32::NAN, (1, 1)), Rule::BadCalibration, exits + 24),
        ("calibration-rate", calibrated(3, 190, 0.01, (32_769, 1)), Rule::BadCalibration, exits + 28),
        ("calibration-expected", calibrated(3, 190, 0.01, (1, 32_769)), Rule::BadCalibration, exits + 28),
        ("calibration-without-samples", calibrated_on(0, (3, 190, 0.01, (1, 1))), Rule::BadCalibration, exits + 28),
        ("operation-0", patched(&whole(), HEADER, &[0]), Rule::UnknownOperation, HEADER),
        ("packing-63", patched(&whole(), HEADER + 2, &[63]), Rule::UnknownPacking, HEADER + 2),
        ("packing-parameter", patched(&whole(), HEADER + 15, &[1]), Rule::BadPackingParameter, HEADER + 14),
        ("index-width-2", patched(&rich(), HEADER + 4 * OPERATION + 14, &[2]), Rule::BadPackingParameter, 270),
        ("lanes-256", patched(&whole(), HEADER + 2, &packing(64, 1, 4, 256)), Rule::BadPackingParameter, HEADER + 14),
        (
            "windows-parameter",
            patched(&whole(), HEADER + 2, &packing(65, 4, 4, 4)),
            Rule::BadPackingParameter,
            HEADER + 14,
        ),
        ("packing-68", patched(&whole(), HEADER + 2, &[68]), Rule::UnknownPacking, HEADER + 2),
        ("activation-6", patched(&whole(), HEADER + 3, &[6]), Rule::UnknownActivation, HEADER + 3),
        ("slope-of-relu", patched(&whole(), HEADER + 8, &[0, 0, 0, 128]), Rule::SlopeWithoutUse, HEADER + 8),
        (
            "row-out-of-range",
            changed(rich(), |f| f.operations[4].index[1] = 3),
            Rule::Junction(JunctionError::InputOutOfRange { row: 0 }),
            HEADER + 4 * OPERATION,
        ),
        ("weight-nan", changed(whole(), |f| f.operations[0].weights[5] = f32::NAN), Rule::Junction(not_finite), HEADER),
        ("first-width", patched(&whole(), 24, &[3, 0]), Rule::WidthMismatch, HEADER + 4),
        ("branch-width", patched(&whole(), second + 4, &[2, 0]), Rule::WidthMismatch, second + 4),
        (
            "trunk-width",
            patched(&whole(), second + OPERATION + 4, &[2, 0]),
            Rule::WidthMismatch,
            second + OPERATION + 4,
        ),
        ("branch-of-exit-2", patched(&whole(), second + 1, &[2]), Rule::BranchOutOfOrder, second + 1),
        ("branch-of-none", patched(&whole(), second + OPERATION + 1, &[1]), Rule::BranchOutOfOrder, 161),
        ("branch-missing", changed(whole(), |f| drop(f.operations.remove(1))), Rule::BranchIncomplete, second + 1),
        ("branch-cut", changed(whole(), |f| f.exits[0].branch = 2), Rule::BranchIncomplete, second + OPERATION + 1),
        ("branch-missing-at-end", changed(head(), |f| drop(f.operations.pop())), Rule::BranchIncomplete, second),
        ("classes-3", patched(&whole(), 26, &[3, 0]), Rule::NotTheClasses, second + 6),
        (
            "trunk-not-the-classes",
            changed(whole(), |f| f.operations[2] = dense(0, 3, &[0.5; 9], &[0.0; 3], false)),
            Rule::NotTheClasses,
            26,
        ),
        (
            "exit-before-first",
            changed(head(), |f| f.operations.rotate_left(1)),
            Rule::ExitOutOfPlace,
            second + OPERATION,
        ),
        ("exit-passed", changed(tail(), |f| f.exits.insert(0, exit(1, 1, 0.5))), Rule::BranchIncomplete, HEADER + 1),
        ("last-exit-elsewhere", changed(whole(), |f| f.exits[1].after = 3), Rule::ExitOutOfPlace, exits + EXIT),
        ("metric-3", patched(&whole(), exits + 1, &[3]), Rule::UnknownMetric, exits + 1),
        ("temperature-0", patched(&whole(), exits + 4, &[0; 4]), Rule::BadTemperature, exits + 4),
        ("threshold-infinite", patched(&whole(), exits + 8, &infinite), Rule::BadThreshold, exits + 8),
        ("no-last-exit", changed(whole(), |f| f.exits.truncate(1)), Rule::NoLastExit, 22),
        ("exit-without-branch", changed(whole(), |f| f.exits.insert(1, exit(2, 0, 0.0))), Rule::ExitWithoutBranch, 240),
        ("head-with-last-exit", changed(head(), |f| f.exits.push(exit(1, 0, 0.0))), Rule::ExitWithoutBranch, 192),
        ("head-not-at-split", patched(&head(), 23, &[2]), Rule::HeadNotAtSplit, 23),
        ("section-past-end", patched(&whole(), HEADER + 24, &u32::MAX.to_le_bytes()), Rule::SectionPastEnd, 272),
        ("padding", patched(&whole(), 296, &[1]), Rule::PaddingNotZero, 296),
        ("trailing", longer, Rule::TrailingBytes, whole().bytes().len()),
        ("input-element-2", patched(&whole_i8(), 28, &[2]), Rule::UnknownElement, 28),
        ("input-zero-half", patched(&whole_i8(), 36, &0.5f32.to_le_bytes()), Rule::BadScaling, 32),
        ("input-zero-128", patched(&whole_i8(), 36, &128f32.to_le_bytes()), Rule::BadScaling, 32),
        ("output-scale-of-int8", patched(&whole_i8(), 40, &2f32.to_le_bytes()), Rule::BadScaling, 40),
        ("output-zero-of-int8", patched(&whole_i8(), 44, &1f32.to_le_bytes()), Rule::BadScaling, 40),
        ("reserved-operation-22", patched(&whole_i8(), HEADER + 23, &[1]), Rule::ReservedNotZero, HEADER + 22),
        ("activation-of-int8", patched(&whole_i8(), HEADER + 3, &[4]), Rule::UnknownActivation, HEADER + 3),
        ("input-scale-of-operation", patched(&whole_i8(), HEADER + 40, &nan), Rule::BadScaling, HEADER + 40),
        ("output-scale-of-operation", patched(&whole_i8(), HEADER + 44, &[0; 4]), Rule::BadScaling, HEADER + 44),
        ("output-scale-of-17-bits", patched(&whole_i8(), HEADER + 44, &[128]), Rule::BadScaling, HEADER + 44),
        ("scale-mismatch", patched(&whole_i8(), second + 40, &2f32.to_le_bytes()), Rule::ScaleMismatch, second + 40),
        ("zero-mismatch", patched(&whole_i8(), HEADER + 21, &[0]), Rule::ScaleMismatch, HEADER + 40),
        (
            "f32-in-int8",
            changed(whole_i8(), |f| f.operations[1] = dense(1, 3, &[0.5; 6], &[0.0; 2], false)),
            Rule::ElementMismatch,
            second + 12,
        ),
        (
            "int8-weight-low",
            changed(whole_i8(), |f| int8(f, 0).weights[3] = -128),
            Rule::Junction(JunctionError::WeightOutOfRange),
            HEADER,
        ),
        (
            "int8-bias-high",
            changed(whole_i8(), |f| int8(f, 1).bias[1] = (1 << 30) + 1),
            Rule::Junction(JunctionError::SumOverflow { row: 1 }),
            second,
        ),
        (
            "int8-shift-31",
            changed(whole_i8(), |f| int8(f, 0).shifts[2] = 31),
            Rule::Junction(JunctionError::BadRescale { row: 2 }),
            HEADER,
        ),
        (
            "int8-clamp",
            changed(whole_i8(), |f| int8(f, 0).clamp = (1, 0)),
            Rule::Junction(JunctionError::BadClamp),
            HEADER,
        ),
        (
            "int8-rescale-cut",
            changed(whole_i8(), |f| int8(f, 2).shifts.truncate(1)),
            Rule::SectionPastEnd,
            // The last section, two outputs of five bytes, begins at a multiple of 16.
            whole_i8().bytes().len() - 10,
        ),
        ("coded-of-f32", patched(&whole(), HEADER + 2, &[6]), Rule::Junction(JunctionError::BadPacking), HEADER),
        ("coded-parameter-17", patched(&coded_i8(), HEADER + 14, &[17]), Rule::BadPackingParameter, HEADER + 14),
        ("coded-parameter-b", patched(&coded_i8(), HEADER + 15, &[1]), Rule::BadPackingParameter, HEADER + 14),
        ("coded-cut", changed(coded_i8(), |f| f.operations[0].index.clear()), index(1, 0), HEADER),
        ("coded-longer", changed(coded_i8(), |f| f.operations[0].index.push(0)), index(1, 2), HEADER),
        (
            "coded-escape-at-end",
            changed(coded_i8(), |f| f.operations[1].index[1] = 0xff),
            index(3, 2),
            HEADER + OPERATION,
        ),
        (
            "coded-unused-bits",
            changed(coded_i8(), |f| f.operations[0].index[0] |= 0x40),
            Rule::Junction(JunctionError::PaddingNotZero),
            HEADER,
        ),
        (
            "coded-out-of-range",
            changed(coded_i8(), |f| f.operations[0].index[0] = 0x3a),
            Rule::Junction(JunctionError::InputOutOfRange { row: 0 }),
            HEADER,
        ),
        (
            "windows-int8-padding",
            changed(windows_i8(), |f| int8(f, 0).weights[9] = 1),
            Rule::Junction(JunctionError::PaddingNotZero),
            HEADER,
        ),
        (
            "windows-int8-past-end",
            changed(windows_i8(), |f| f.operations[0].index[4] = 1),
            Rule::Junction(JunctionError::InputOutOfRange { row: 0 }),
            HEADER,
        ),
        ("integers-of-f32", changed(whole(), |f| f.exits[0].integers = (1, 1)), Rule::BadIntegerExit, exits + 16),
        ("integers-missing", changed(whole_i8(), |f| f.exits[0].integers = (0, 0)), Rule::BadIntegerExit, exits + 16),
        ("integers-step-0", changed(whole_i8(), |f| f.exits[0].integers.0 = 0), Rule::BadIntegerExit, exits + 16),
        ("integers-least", changed(whole_i8(), |f| f.exits[0].integers.1 = 32_770), Rule::BadIntegerExit, exits + 16),
        (
            "integers-missing-at-end",
            changed(tail_i8(), |f| f.exits[0].integers = (0, 0)),
            Rule::BadIntegerExit,
            HEADER + OPERATION + 16,
        ),
        ("names-for-one", changed(rich(), |f| f.names.truncate(3)), Rule::BadClassNames, names_at()),
        ("names-empty-one", changed(rich(), |f| f.names = vec![0, 1, b'a']), Rule::BadClassNames, names_at()),
        ("names-cut", changed(rich(), |f| f.names = vec![1, b'a', 9, b'b']), Rule::BadClassNames, names_at()),
        ("names-not-utf8", changed(rich(), |f| f.names = vec![1, 255, 1, b'b']), Rule::BadClassNames, names_at()),
        ("wide-pages-past-end", changed(wide_pages_i8(), |f| f.operations[0].index[0] = 64), past_end, HEADER),
        ("wide-pages-padding", changed(wide_pages_i8(), |f| f.operations[0].index[2] = 16), padding, HEADER),
        ("wide-windows-past-end", changed(wide_windows_i8(), |f| f.operations[0].index[6] = 32), past_end, HEADER),
        ("wide-windows-padding", changed(wide_windows_i8(), |f| f.operations[0].index[7] = 9), padding, HEADER),
    ]
}

fn all_hostile() -> impl Iterator<Item = (&'static str, Vec<u8>, Rule, usize)> {
    hostile().into_iter().chain(hostile_packings())
}

/// An index section of another length than its edges need.
const fn index(needed: usize, found: usize) -> Rule {
    Rule::Junction(JunctionError::WrongLength { section: Section::Index, needed, found })
}

/// `whole` with an exit that was calibrated: target, confidence, share, expected rate and confidence.
fn calibrated(target: u8, confidence: u8, share: f32, expected: (u16, u16)) -> Vec<u8> {
    calibrated_on(5000, (target, confidence, share, expected))
}

fn calibrated_on(samples: u32, (target, confidence, share, expected): (u8, u8, f32, (u16, u16))) -> Vec<u8> {
    let exits = HEADER + 3 * OPERATION;
    let mut bytes = whole().bytes();
    bytes[exits + 12..exits + 16].copy_from_slice(&samples.to_le_bytes());
    bytes[exits + 22..exits + 24].copy_from_slice(&[target, confidence]);
    bytes[exits + 24..exits + 28].copy_from_slice(&share.to_le_bytes());
    bytes[exits + 28..exits + 30].copy_from_slice(&expected.0.to_le_bytes());
    bytes[exits + 30..exits + 32].copy_from_slice(&expected.1.to_le_bytes());
    seal(&mut bytes);
    bytes
}

#[test]
fn a_calibration_is_read() {
    for (id, confidence, share, target) in [
        (1, 0, 0.25, CalibrationTarget::AccuracyDrop(0.25)),
        (1, 0, 0.0, CalibrationTarget::AccuracyDrop(0.0)),
        (2, 0, 0.25, CalibrationTarget::OffloadBudget(0.25)),
        (3, 199, 0.25, CalibrationTarget::Risk { risk: 0.25, confidence: 199 }),
    ] {
        let bytes = calibrated(id, confidence, share, (32_768, 16_384));
        let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
        let exits: Vec<_> = model.exits().map(|exit| exit.calibration).collect();
        let expected = Calibration { target, exit_rate: Q15::ONE, confidence: Q15::from_f32(0.5) };
        assert_eq!(exits, [Some(expected), None]);
    }
}

/// What an int8 operation has.
fn int8(file: &mut File, operation: usize) -> &mut OpI8 {
    of_int8(&mut file.operations[operation])
}

fn of_int8(op: &mut Op) -> &mut OpI8 {
    op.int8.as_mut().expect("it is int8")
}

/// Where `rich`'s names begin.
fn names_at() -> usize {
    rich().bytes().len() - rich().names.len()
}

#[test]
fn every_rule_refuses_its_file() {
    for (name, bytes, rule, at) in all_hostile() {
        let found = Model::parse(&bytes, &KernelSet::ALL).map(|_| ()).expect_err(name);
        assert_eq!(found, ParseError { rule, at }, "{name}");
        assert!(found.to_string().starts_with(&format!("byte {at}: ")) && found.to_string().len() > 20, "{found}");
        let told = format!("{found}{}", found.advice());
        assert!(["again", "update it", "convert'"].iter().any(|advice| told.contains(advice)), "{told}");
    }
}

#[test]
fn a_packing_outside_the_kernel_set_is_named() {
    const LIST: &[&Kernel] = &[&scalar::DENSE];
    const DENSE_ONLY: KernelSet = KernelSet::new(LIST);
    assert!(Model::parse(&whole().bytes(), &DENSE_ONLY).is_ok());
    let error = Model::parse(&rich().bytes(), &DENSE_ONLY).map(|_| ()).expect_err("rows are not in the set");
    assert_eq!(error, ParseError { rule: Rule::NoKernel("rows8"), at: HEADER + 4 * OPERATION + 2 });
    assert!(error.to_string().contains("rows8"), "{error}");
}

#[test]
fn sound_files_are_taken() {
    let int8 = [whole_i8(), head_i8(), tail_i8(), mixed(), mixed_head(), coded_i8()];
    for file in [whole(), head(), tail(), rich()].into_iter().chain(int8) {
        let bytes = file.bytes();
        let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
        assert_eq!(model.operations().count(), file.operations.len());
        assert_eq!(model.exits().count(), file.exits.len());
    }
    let mut newer = whole().bytes();
    newer[7] = 9;
    seal(&mut newer);
    assert!(Model::parse(&newer, &KernelSet::ALL).is_ok(), "a higher write version is no reason to refuse");
}

#[test]
fn every_packing_is_read() {
    for (name, file) in packed() {
        let bytes = file.bytes();
        let model = Model::parse(&bytes, &KernelSet::ALL).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(model.operations().next().map(|op| op.junction.packing().name()), Some(name));
    }
    for (name, file) in larger() {
        assert!(Model::parse(&file.bytes(), &KernelSet::ALL).is_ok(), "{name}");
    }
}

#[test]
fn every_int8_packing_is_read() {
    for (name, file) in packed_i8() {
        let bytes = file.bytes();
        let model = Model::parse(&bytes, &KernelSet::ALL).unwrap_or_else(|error| panic!("{name}: {error}"));
        let junction = model.operations().next().map(|op| op.junction).expect("there is one");
        assert_eq!((junction.packing().name(), junction.element()), (name, lacewing_kernels::Element::I8));
    }
}

#[test]
fn a_set_without_int8_kernels_refuses_int8() {
    const LIST: &[&Kernel] = &[&scalar::DENSE];
    let error = Model::parse(&whole_i8().bytes(), &KernelSet::new(LIST)).map(|_| ()).expect_err("f32 alone");
    assert_eq!(error, ParseError { rule: Rule::NoKernel("dense"), at: HEADER + 2 });
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused() {
    for bytes in [rich().bytes(), whole_i8().bytes()] {
        cuts_and_flips(&bytes);
    }
}

fn cuts_and_flips(bytes: &[u8]) {
    for len in 0..bytes.len() {
        assert!(Model::parse(&bytes[..len], &KernelSet::ALL).is_err(), "cut to {len}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // The write version is the one field that may be higher; the checksum sees its change all the same.
        assert!(Model::parse(&flipped, &KernelSet::ALL).is_err(), "bit {bit}");
    }
}

/// The same files lie on disk for the fuzzer and for other readers of the format. `LACEWING_BLESS=1` writes them.
#[test]
fn the_hostile_files_are_checked_in() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let sound = [
        ("sound-whole", whole()),
        ("sound-head", head()),
        ("sound-tail", tail()),
        ("sound-rich", rich()),
        ("sound-whole-int8", whole_i8()),
        ("sound-head-int8", head_i8()),
        ("sound-tail-int8", tail_i8()),
        ("sound-coded-int8", coded_i8()),
        ("sound-windows-int8", windows_i8()),
        ("sound-wide-pages-int8", wide_pages_i8()),
        ("sound-wide-windows-int8", wide_windows_i8()),
        ("sound-mixed", mixed()),
        ("sound-mixed-head", mixed_head()),
    ];
    let mut files: Vec<(&str, Vec<u8>)> = all_hostile().map(|(name, bytes, ..)| (name, bytes)).collect();
    files.extend(sound.map(|(name, file)| (name, file.bytes())));
    for (name, bytes) in &files {
        let path = folder.join(format!("{name}.lace"));
        if std::env::var_os("LACEWING_BLESS").is_some() {
            std::fs::write(&path, bytes).expect("the folder is there");
        }
        assert_eq!(&std::fs::read(&path).unwrap_or_default(), bytes, "{}: bless it", path.display());
    }
    assert_eq!(std::fs::read_dir(folder).expect("the folder is there").count(), files.len(), "a file without a rule");
}

#[test]
fn sections_may_lie_at_multiples_of_64() {
    for file in [whole(), head(), tail(), rich(), whole_i8()] {
        let (near, far) = (file.bytes(), file.aligned_to(64));
        let (near, far) = [&near, &far].map(|bytes| Model::parse(bytes, &KernelSet::ALL).expect("sound")).into();
        for (near, far) in near.operations().zip(far.operations()) {
            let sections = |junction: &Junction<'_>| {
                let parts = junction.parts();
                [parts.weights, parts.counts, parts.index, parts.bias].map(<[u8]>::to_vec)
            };
            assert_eq!(sections(&near.junction), sections(&far.junction));
        }
        assert_eq!((near.pair_id(), near.scratch_len()), (far.pair_id(), far.scratch_len()));
    }
}
