//! From bytes to proof: every rule of FORMAT.md, checked once, in const.
//!
//! `?`, `for` and slicing by ranges are not const; hence `check!`, `while let` and split.

use lacewing_kernels::{Activation, DeltaCode, IndexWidth, Junction, KernelSet, Packing, Parts, Quantisation};

use crate::crc;
use crate::error::{ParseError, Rule};
use crate::layout::{Layout, Region};
use crate::model::{Exit, ExitId, MAX_EXITS, MAX_OPERATIONS, Metric, Model, Operation, Part, Scaling};
use crate::read::{Record, all_zero, slice};

const HEADER: usize = 64;
const OPERATION: usize = 48;
const EXIT: usize = 32;
const CHECKSUM_AT: usize = 12;
/// Bytes of an f32 activation.
const F32: usize = 4;

/// `?` for const fns.
macro_rules! check {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}

/// Refuses with `rule` at byte `at` unless `held`.
macro_rules! require {
    ($held:expr, $rule:expr, $at:expr) => {
        if !$held {
            return refuse($rule, $at);
        }
    };
}

mod calibration;
mod int8;

const fn refuse<T>(rule: Rule, at: usize) -> Result<T, ParseError> {
    Err(ParseError { rule, at })
}

impl<'m> Model<'m> {
    /// Proves that `bytes` are a model by every rule of FORMAT.md, and that `kernels` has a kernel for each of its packings.
    /// Linear in the bytes; const, so that a model in flash is proven at compile time (see
    /// [`include_model!`](crate::include_model)). Model bytes that can change afterwards are not proven: the borrow forbids
    /// it in Rust; do not map a file shared with others.
    ///
    /// # Errors
    /// The first rule broken, and the offset of what breaks it.
    pub const fn parse(bytes: &'m [u8], kernels: &KernelSet) -> Result<Self, ParseError> {
        check!(envelope(bytes));
        let Some(header) = Record::<HEADER>::at(bytes, 0) else { return refuse(Rule::TooShort, bytes.len()) };
        let header = check!(Header::read(&header));
        let records = HEADER + header.operations * OPERATION + header.exits * EXIT;
        require!(records <= bytes.len(), Rule::TooShort, bytes.len());
        let exits = check!(read_exits(bytes, &header));
        let mut plan = Plan::new(&header, &exits, records);
        check!(plan.read_operations(bytes, kernels));
        check!(plan.finish());
        let (names, end) = check!(header.section(bytes, plan.at, header.names_len));
        require!(end == bytes.len(), Rule::TrailingBytes, end);
        check!(prove_names(names, header.classes, end - names.len()));
        Ok(Self {
            bytes,
            part: header.part,
            pair_id: header.pair_id,
            split: header.split,
            head_exits: header.head_exits,
            n_in: header.n_in,
            classes: header.classes,
            input_scaling: header.input_scaling,
            input: header.input,
            output_scaling: header.output_scaling,
            operations: plan.operations,
            features_len: plan.trunk.width,
            output: plan.trunk.quantisation,
            exits,
            names,
            layout: plan.layout,
            kernels: *kernels,
        })
    }
}

impl Model<'_> {
    /// Bytes in which a file says how long it is.
    pub const HEADER_LEN: usize = HEADER;

    /// How long a file says it is that begins with these bytes, [`HEADER_LEN`](Self::HEADER_LEN) or more; `None` where it is no
    /// model. Who reads files needs no more than one byte beyond that: `parse` refuses what is longer.
    #[must_use]
    pub const fn stated_len(bytes: &[u8]) -> Option<usize> {
        match (slice(bytes, 0, 4), Record::<HEADER>::at(bytes, 0)) {
            (Some(b"LACE"), Some(header)) => Some(header.u32(8) as usize),
            _ => None,
        }
    }
}

/// What says whether this is a whole, undamaged model of a known version.
const fn envelope(bytes: &[u8]) -> Result<(), ParseError> {
    if let Some(magic) = slice(bytes, 0, 4) {
        require!(matches!(magic, b"LACE"), Rule::NotAModel, 0);
    }
    let Some(header) = Record::<HEADER>::at(bytes, 0) else { return refuse(Rule::TooShort, bytes.len()) };
    match header.u16(4) {
        0x0102 => {}
        0x0201 => return refuse(Rule::WrongEndian, 4),
        _ => return refuse(Rule::BadByteOrder, 4),
    }
    require!(header.u8(6) == 1, Rule::UnknownVersion, 6);
    require!(header.u8(7) >= header.u8(6), Rule::BadWriteVersion, 7);
    require!(header.u32(8) as usize == bytes.len(), Rule::WrongFileLength, 8);
    let crc = match (slice(bytes, 0, CHECKSUM_AT), bytes.split_at_checked(CHECKSUM_AT + 4)) {
        (Some(before), Some((_, after))) => {
            crc::finish(crc::update(crc::update(crc::update(crc::START, before), &[0; 4]), after))
        }
        _ => return refuse(Rule::TooShort, bytes.len()),
    };
    require!(header.u32(CHECKSUM_AT) == crc, Rule::WrongChecksum, CHECKSUM_AT);
    Ok(())
}

/// The header's numbers, checked.
struct Header {
    pair_id: u32,
    part: Part,
    operations: usize,
    exits: usize,
    split: u8,
    head_exits: u8,
    n_in: u16,
    classes: u16,
    input_scaling: Scaling,
    input: Option<Quantisation>,
    output_scaling: Scaling,
    /// Whether sections start at multiples of 64 bytes instead of 16.
    at_cache_lines: bool,
    names_len: usize,
}

impl Header {
    const fn read(r: &Record<'_, HEADER>) -> Result<Self, ParseError> {
        let part = match r.u8(20) {
            0 => Part::Whole,
            1 => Part::Head,
            2 => Part::Tail,
            _ => return refuse(Rule::UnknownPart, 20),
        };
        let input_scaling = Scaling { scale: r.f32(32), zero: r.f32(36) };
        let header = Self {
            pair_id: r.u32(16),
            part,
            operations: r.u8(21) as usize,
            exits: r.u8(22) as usize,
            split: r.u8(23),
            n_in: r.u16(24),
            classes: r.u16(26),
            head_exits: r.u8(29),
            input_scaling,
            input: None,
            output_scaling: Scaling { scale: r.f32(40), zero: r.f32(44) },
            at_cache_lines: r.u8(30) != 0,
            names_len: r.u32(48) as usize,
        };
        require!(header.operations >= 1 && header.operations <= MAX_OPERATIONS, Rule::OperationCount, 21);
        require!(header.exits <= MAX_EXITS, Rule::ExitCount, 22);
        let split_fits = match part {
            Part::Whole => header.split == 0,
            Part::Head | Part::Tail => header.split >= 1 && (header.split as usize) < MAX_OPERATIONS,
        };
        require!(split_fits, Rule::BadSplit, 23);
        require!(header.n_in > 0, Rule::ZeroInputs, 24);
        require!(header.classes > 0, Rule::ZeroClasses, 26);
        require!(r.u8(28) <= 1, Rule::UnknownElement, 28);
        let head_exits_fit = match part {
            Part::Tail => header.head_exits as usize <= MAX_EXITS,
            Part::Whole | Part::Head => header.head_exits == 0,
        };
        require!(head_exits_fit, Rule::BadHeadExits, 29);
        require!(r.u8(30) <= 1, Rule::UnknownAlignment, 30);
        require!(r.u8(31) == 0, Rule::ReservedNotZero, 31);
        require!(header.input_scaling.is_sound(), Rule::BadScaling, 32);
        require!(header.output_scaling.is_sound(), Rule::BadScaling, 40);
        require!(r.is_zero(52, 12), Rule::ReservedNotZero, 52);
        let input = check!(int8::read_input(r, &header.input_scaling));
        Ok(Self { input, ..header })
    }

    /// The section of `len` bytes that follows byte `at`, and where it ends; one of length 0 takes no place.
    const fn section<'m>(&self, bytes: &'m [u8], at: usize, len: usize) -> Result<(&'m [u8], usize), ParseError> {
        if len == 0 {
            return Ok((&[], at));
        }
        let start = if self.at_cache_lines { at.next_multiple_of(64) } else { at.next_multiple_of(16) };
        let Some(padding) = slice(bytes, at, start - at) else { return refuse(Rule::SectionPastEnd, at) };
        require!(all_zero(padding), Rule::PaddingNotZero, at);
        match slice(bytes, start, len) {
            Some(section) => Ok((section, start + len)),
            None => refuse(Rule::SectionPastEnd, start),
        }
    }

    /// Trunk junctions in front of this file.
    const fn start(&self) -> usize {
        match self.part {
            Part::Tail => self.split as usize,
            Part::Whole | Part::Head => 0,
        }
    }
}

impl Scaling {
    const fn is_sound(&self) -> bool {
        self.scale.is_finite() && self.scale > 0.0 && self.zero.is_finite()
    }
}

const fn read_exits(bytes: &[u8], header: &Header) -> Result<[Option<Exit>; MAX_EXITS], ParseError> {
    let mut exits = [None; MAX_EXITS];
    let mut rest: &mut [Option<Exit>] = &mut exits;
    let mut number = 0;
    while let [slot, others @ ..] = rest {
        if number == header.exits {
            break;
        }
        let at = HEADER + header.operations * OPERATION + number * EXIT;
        let Some(record) = Record::<EXIT>::at(bytes, at) else { return refuse(Rule::TooShort, bytes.len()) };
        *slot = Some(check!(read_exit(&record, at, header.head_exits as usize + number + 1)));
        number += 1;
        rest = others;
    }
    Ok(exits)
}

const fn read_exit(r: &Record<'_, EXIT>, at: usize, number: usize) -> Result<Exit, ParseError> {
    let metric = match r.u8(1) {
        0 => Metric::MaxProbability,
        1 => Metric::Margin,
        2 => Metric::Entropy,
        _ => return refuse(Rule::UnknownMetric, at + 1),
    };
    require!(r.u8(3) == 0, Rule::ReservedNotZero, at + 3);
    let (temperature, threshold) = (r.f32(4), r.f32(8));
    require!(temperature.is_finite() && temperature > 0.0, Rule::BadTemperature, at + 4);
    require!(threshold.is_finite(), Rule::BadThreshold, at + 8);
    let calibration = check!(calibration::read(r, at));
    let (after, branch, samples) = (r.u8(0), r.u8(2), r.u32(12));
    let integer = int8::read_integers(r);
    Ok(Exit { id: ExitId(number as u8), after, metric, branch, temperature, threshold, samples, calibration, integer })
}

/// Values in memory: how many, and what they are.
#[derive(Clone, Copy)]
struct Values {
    width: u16,
    quantisation: Option<Quantisation>,
}

impl Values {
    const fn bytes(self) -> usize {
        self.width as usize * if self.quantisation.is_some() { 1 } else { F32 }
    }
}

/// The operations, as they are read one after the other.
struct Plan<'m, 'h> {
    header: &'h Header,
    /// Exits whose branch has not begun, and the offset of the first one's record.
    exits_left: &'h [Option<Exit>],
    exit_at: usize,
    /// Where the next section is looked for.
    at: usize,
    /// Trunk operations read, and what the last one writes.
    depth: usize,
    trunk: Values,
    /// Of the branch being read: its exit, the exit's number in this file and where its record lies, operations read and to come,
    /// and what the last one writes.
    branch_exit: Option<&'h Exit>,
    branch: u8,
    branch_at: usize,
    branch_read: usize,
    branch_left: u8,
    branch_values: Values,
    layout: Layout,
    operations: [Option<Operation<'m>>; MAX_OPERATIONS],
}

impl<'m, 'h> Plan<'m, 'h> {
    const fn new(header: &'h Header, exits: &'h [Option<Exit>], at: usize) -> Self {
        Self {
            header,
            exits_left: exits,
            exit_at: HEADER + header.operations * OPERATION,
            at,
            depth: 0,
            trunk: Values { width: header.n_in, quantisation: header.input },
            branch_exit: None,
            branch: 0,
            branch_at: 0,
            branch_read: 0,
            branch_left: 0,
            branch_values: Values { width: 0, quantisation: None },
            layout: Layout::EMPTY.with(Region::Even, Values { width: header.n_in, quantisation: header.input }.bytes()),
            operations: [None; MAX_OPERATIONS],
        }
    }

    const fn read_operations(&mut self, bytes: &'m [u8], kernels: &KernelSet) -> Result<(), ParseError> {
        let mut operations = [None; MAX_OPERATIONS];
        let mut rest: &mut [Option<Operation<'m>>] = &mut operations;
        let mut number = 0;
        while let [slot, others @ ..] = rest {
            if number == self.header.operations {
                break;
            }
            let at = HEADER + number * OPERATION;
            let Some(record) = Record::<OPERATION>::at(bytes, at) else { return refuse(Rule::TooShort, bytes.len()) };
            require!(record.u8(0) == 1, Rule::UnknownOperation, at);
            let exit = record.u8(1);
            let quantisations = check!(int8::read_quantisations(&record, at));
            let (input, output) = match quantisations {
                Some((input, output)) => (Some(input), Some(output)),
                None => (None, None),
            };
            require!(self.header.input.is_none() || input.is_some(), Rule::ElementMismatch, at + 12);
            let to = Values { width: record.u16(6), quantisation: output };
            let from = check!(self.place(exit, record.u16(4), to, at));
            check!(self.convert(from, input, at));
            let junction = check!(self.junction(bytes, &record, at));
            if !kernels.accepts_element(junction.element(), junction.packing()) {
                return refuse(Rule::NoKernel(junction.packing().name()), at + 2);
            }
            let exit = if exit == 0 { None } else { Some(exit) };
            *slot = Some(Operation { exit, junction, reads: from.quantisation, input, output });
            number += 1;
            rest = others;
        }
        self.operations = operations;
        Ok(())
    }

    /// The exit whose branch has to come before the next trunk operation, if one sits here.
    const fn due(&self) -> Option<&'h Exit> {
        match self.exits_left {
            [Some(exit), ..] if exit.branch > 0 && exit.after as usize <= self.header.start() + self.depth => {
                Some(exit)
            }
            _ => None,
        }
    }

    /// Checks that an operation of this exit and shape belongs here, makes room for its output, and gives what it reads.
    const fn place(&mut self, exit: u8, n_in: u16, to: Values, at: usize) -> Result<Values, ParseError> {
        if exit == 0 {
            let from = self.trunk;
            require!(self.branch_left == 0 && self.due().is_none(), Rule::BranchIncomplete, at + 1);
            require!(n_in == from.width, Rule::WidthMismatch, at + 4);
            self.depth += 1;
            self.trunk = to;
            self.layout = self.layout.with(Region::of_depth(self.depth), to.bytes());
            return Ok(from);
        }
        if self.branch_left == 0 {
            check!(self.begin_branch());
        }
        require!(exit == self.branch && self.branch_left > 0, Rule::BranchOutOfOrder, at + 1);
        let from = self.branch_values;
        require!(n_in == from.width, Rule::WidthMismatch, at + 4);
        let (_, region) = Region::of_branch(self.depth, self.branch_read);
        self.layout = self.layout.with(region, to.bytes());
        self.branch_values = to;
        self.branch_read += 1;
        self.branch_left -= 1;
        if self.branch_left == 0 {
            require!(to.width == self.header.classes, Rule::NotTheClasses, at + 6);
            if let Some(exit) = self.branch_exit {
                check!(int8::check_exit(exit, to.quantisation, self.branch_at));
            }
            self.show(to);
        }
        Ok(from)
    }

    /// Makes room for what an operation reads, converted to what its junction computes with.
    const fn convert(&mut self, from: Values, input: Option<Quantisation>, at: usize) -> Result<(), ParseError> {
        match (from.quantisation, input) {
            (Some(reads), Some(input)) => require!(reads.is(&input), Rule::ScaleMismatch, at + 40),
            (None, None) => {}
            _ => {
                let converted = Values { width: from.width, quantisation: input };
                self.layout = self.layout.with(Region::Stage, converted.bytes());
            }
        }
        Ok(())
    }

    /// Makes room for logits that an f32 engine shows of int8 ones.
    const fn show(&mut self, logits: Values) {
        if self.header.input.is_none() && logits.quantisation.is_some() {
            self.layout = self.layout.with(Region::Stage, logits.width as usize * F32);
        }
    }

    /// Takes the next exit from the list, if it sits here; leaves everything as it was where none does.
    const fn begin_branch(&mut self) -> Result<(), ParseError> {
        let [Some(exit), others @ ..] = self.exits_left else { return Ok(()) };
        let here = self.header.start() + self.depth;
        require!(self.depth > 0 && exit.after as usize >= here, Rule::ExitOutOfPlace, self.exit_at);
        if exit.after as usize == here && exit.branch > 0 {
            self.branch_exit = Some(exit);
            self.branch += 1;
            self.branch_at = self.exit_at;
            self.branch_left = exit.branch;
            self.branch_read = 0;
            self.branch_values = self.trunk;
            self.exits_left = others;
            self.exit_at += EXIT;
        }
        Ok(())
    }

    /// The end of the operations: everything begun is complete, and the trunk ends as the part demands.
    const fn finish(&mut self) -> Result<(), ParseError> {
        let at = HEADER + self.header.operations * OPERATION;
        let here = self.header.start() + self.depth;
        require!(self.branch_left == 0, Rule::BranchIncomplete, at);
        let last = match self.exits_left {
            [Some(exit), others @ ..] => {
                let is_last = matches!(others, [None, ..] | []);
                require!(exit.branch == 0 || exit.after as usize > here, Rule::BranchIncomplete, self.exit_at);
                require!(exit.branch == 0 && is_last, Rule::ExitWithoutBranch, self.exit_at);
                require!(exit.after as usize == here, Rule::ExitOutOfPlace, self.exit_at);
                Some(exit)
            }
            _ => None,
        };
        match (self.header.part, last) {
            (Part::Head, Some(_)) => return refuse(Rule::ExitWithoutBranch, self.exit_at),
            (Part::Head, None) => {
                require!(self.depth == self.header.split as usize, Rule::HeadNotAtSplit, 23);
                if self.header.input.is_none() && self.trunk.quantisation.is_some() {
                    // Features that an f32 engine hands over of int8 ones.
                    let free = Region::of_depth(self.depth + 1);
                    self.layout = self.layout.with(free, self.trunk.width as usize * F32);
                }
            }
            (Part::Whole | Part::Tail, None) => return refuse(Rule::NoLastExit, 22),
            (Part::Whole | Part::Tail, Some(exit)) => {
                require!(self.depth > 0 && self.trunk.width == self.header.classes, Rule::NotTheClasses, 26);
                check!(int8::check_exit(exit, self.trunk.quantisation, self.exit_at));
                self.show(self.trunk);
            }
        }
        let output = match self.trunk.quantisation {
            Some(q) => Scaling { scale: q.scale, zero: q.zero as f32 },
            None => Scaling { scale: 1.0, zero: 0.0 },
        };
        let stated = self.header.output_scaling;
        require!(stated.scale == output.scale && stated.zero == output.zero, Rule::BadScaling, 40);
        Ok(())
    }

    /// The junction of a record, proven; `self.at` moves behind its sections.
    const fn junction(
        &mut self,
        bytes: &'m [u8],
        r: &Record<'m, OPERATION>,
        at: usize,
    ) -> Result<Junction<'m>, ParseError> {
        require!(r.u8(13) == 0, Rule::ReservedNotZero, at + 13);
        let is_int8 = r.u8(12) == 1;
        let packing = check!(read_packing(r, at));
        let activation = check!(read_activation(r, at));
        let (weights, end) = check!(self.header.section(bytes, self.at, r.u32(24) as usize));
        let (counts, end) = check!(self.header.section(bytes, end, r.u32(28) as usize));
        let (index, end) = check!(self.header.section(bytes, end, r.u32(32) as usize));
        let (bias, end) = check!(self.header.section(bytes, end, r.u32(36) as usize));
        let (n_in, n_out) = (r.u16(4), r.u16(6));
        let (rescale, end) = check!(self.header.section(bytes, end, int8::rescale_len(n_out, is_int8)));
        self.at = end;
        let parts = Parts { n_in, n_out, packing, activation, weights, counts, index, bias };
        let proven = if is_int8 { Junction::new_i8(parts, int8::read_int8(r, rescale)) } else { Junction::new(parts) };
        match proven {
            Ok(junction) => Ok(junction),
            Err(error) => refuse(Rule::Junction(error), at),
        }
    }
}

const fn read_packing(r: &Record<'_, OPERATION>, at: usize) -> Result<Packing, ParseError> {
    let (a, b, c) = (r.u8(14), r.u8(15), r.u16(16));
    let index = match a {
        0 => Some(IndexWidth::Delta8),
        1 => Some(IndexWidth::Absolute16),
        _ => None,
    };
    Ok(match (r.u8(2), a, b, c, index) {
        (1, 0, 0, 0, _) => Packing::Dense,
        (2, _, 0, in_degree, Some(index)) => Packing::Rows { in_degree, index },
        (3, _, 0, 0, Some(index)) => Packing::Csr { index },
        (4, rows, cols, blocks, _) => Packing::Block { rows, cols, blocks },
        (5, n, m, 0, _) => Packing::NM { n, m },
        (6, 0, 0, in_degree, _) => Packing::Coded { in_degree, code: DeltaCode::Nibbles },
        (6, k @ 1..=16, 0, in_degree, _) => Packing::Coded { in_degree, code: DeltaCode::Rice(k - 1) },
        (64, n, m, lanes @ 0..=255, _) => Packing::NMLanes { n, m, lanes: lanes as u8 },
        (65, lanes, width, more @ 0..=3, _) => Packing::Windows { lanes, width, steps: more as u8 + 1 },
        (66, 0, 0, 0, _) => Packing::DenseInputMajor,
        (67, _, 0, out_degree, Some(index)) => Packing::InputMajor { out_degree, index },
        (1..=6 | 64..=67, ..) => return refuse(Rule::BadPackingParameter, at + 14),
        _ => return refuse(Rule::UnknownPacking, at + 2),
    })
}

const fn read_activation(r: &Record<'_, OPERATION>, at: usize) -> Result<Activation, ParseError> {
    let activation = match r.u8(3) {
        0 => Activation::None,
        1 => Activation::Relu,
        2 => return Ok(Activation::LeakyRelu { slope: r.f32(8) }),
        3 => Activation::Relu6,
        4 => Activation::Tanh,
        5 => Activation::Sigmoid,
        _ => return refuse(Rule::UnknownActivation, at + 3),
    };
    require!(r.is_zero(8, 4), Rule::SlopeWithoutUse, at + 8);
    Ok(activation)
}

/// None at all, or one for each class, filling the section.
const fn prove_names(names: &[u8], classes: u16, at: usize) -> Result<(), ParseError> {
    let mut rest = names;
    let mut count = 0;
    while let [len, after @ ..] = rest {
        let Some((name, next)) = after.split_at_checked(*len as usize) else { return refuse(Rule::BadClassNames, at) };
        let sound = *len >= 1 && *len <= 64 && core::str::from_utf8(name).is_ok();
        require!(sound, Rule::BadClassNames, at);
        count += 1;
        rest = next;
    }
    require!(names.is_empty() || count == classes as usize, Rule::BadClassNames, at);
    Ok(())
}
