//! int8 junctions beside the best int8 dense of the same run, and beside f32 of the same edges.

use core::hint::black_box;
use std::io::Write;

use lacewing_converter::bench::BenchError;
use lacewing_converter::bench::aligned::Aligned;
use lacewing_converter::bench::draw::{self, DrawError, Drawn, draw};
use lacewing_converter::bench::measure::{Effort, Times, interleaved};
use lacewing_converter::bench::shapes::Shape;
use lacewing_converter::choose::candidates;
use lacewing_converter::edges::Edges;
use lacewing_converter::find::Structure;
use lacewing_converter::pack::{PackedInt8, pack, pack_int8};
use lacewing_engine::Quantisation;
use lacewing_kernels::{
    Activation, DeltaCode, Element, Int8, Junction, JunctionError, KernelSet, Packing, Parts, ReadyKernel, RunError,
    kernel_list,
};

/// A junction in int8 or f32.
pub(crate) struct Packed {
    sections: draw::Packed,
    /// Multipliers and shifts of int8; of f32 nothing.
    rescale: Option<Aligned<u8>>,
}

impl Packed {
    fn new(packed: &lacewing_converter::pack::Packed) -> Self {
        Self {
            sections: draw::Packed::new(packed.parts()),
            rescale: packed.int8().map(|int8| Aligned::new(&int8.rescale)),
        }
    }

    pub(crate) fn parts(&self) -> Parts<'_> {
        self.sections.parts()
    }

    pub(crate) fn rescale(&self) -> &[u8] {
        self.rescale.as_deref().unwrap_or_default()
    }

    fn junction(&self) -> Result<Junction<'_>, JunctionError> {
        let parts = self.sections.parts();
        match &self.rescale {
            Some(rescale) => {
                Junction::new_i8(parts, Int8 { rescale, input_zero: 0, output_zero: 0, low: -128, high: 127 })
            }
            None => Junction::new(parts),
        }
    }
}

/// One packing run by one kernel.
struct Contender<'d> {
    junction: Junction<'d>,
    kernel: ReadyKernel<'static>,
}

impl Contender<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.junction.packing(), self.kernel.kernel())
    }

    fn is_dense(&self) -> bool {
        matches!(self.junction.packing(), Packing::Dense) && self.junction.element() == Element::I8
    }

    fn bytes(&self) -> usize {
        let parts = self.junction.parts();
        parts.weights.len() + parts.counts.len() + parts.index.len()
    }

    fn run(&self, x: &Inputs, y: &mut Outputs) -> Result<(), RunError> {
        match self.junction.element() {
            Element::I8 => self.kernel.run_i8(&self.junction, &x.int8, &mut y.int8),
            _ => self.kernel.run(&self.junction, &x.f32s, &mut y.f32s),
        }
    }
}

struct Inputs {
    int8: Vec<i8>,
    f32s: Vec<f32>,
}

#[derive(Clone)]
struct Outputs {
    int8: Vec<i8>,
    f32s: Vec<f32>,
}

/// Checks, measures and prints one junction in int8.
///
/// # Errors
/// The shape cannot be drawn, or `out` not be written.
///
/// # Panics
/// A contender gives a wrong answer.
pub fn junction(shape: &Shape, effort: Effort, out: &mut dyn Write) -> Result<(), BenchError> {
    let drawn = draw(shape, 1)?;
    let whole = whole_numbers(&drawn.edges);
    let packed = pack_all(&whole, shape)?;
    let contenders = contenders(&packed)?;
    let x = Inputs {
        int8: drawn.x.iter().map(|x| (x * 127.0) as i8).collect(),
        f32s: drawn.x.iter().map(|x| (x * 127.0).trunc()).collect(),
    };
    let outputs = Outputs { int8: vec![0; whole.n_out()], f32s: vec![0.0; whole.n_out()] };
    check(&contenders, &x, &outputs);
    let (mut outputs, x) = (vec![outputs; contenders.len()], &x);
    let mut calls: Vec<_> = contenders
        .iter()
        .zip(&mut outputs)
        .map(|(contender, y)| move || assert!(black_box(contender).run(black_box(x), y).is_ok()))
        .collect();
    let mut calls: Vec<&mut dyn FnMut()> = calls.iter_mut().map(|call| call as &mut dyn FnMut()).collect();
    let times = interleaved(&mut calls, effort);
    print(shape, &whole, &contenders, &times, out)
}

/// The edges with weights from −127 to 127.
fn whole_numbers(edges: &Edges) -> Edges {
    let dense: Vec<f32> = edges.to_dense().iter().map(|weight| (weight * 127.0).round()).collect();
    let (n_in, n_out) = (edges.n_in() as u16, edges.n_out() as u16);
    let rows: Vec<&[u16]> = edges.rows().map(|(inputs, _)| inputs).collect();
    let there =
        |output: usize, input: usize| rows.get(output).is_some_and(|row| row.binary_search(&(input as u16)).is_ok());
    Edges::from_dense(n_in, n_out, &dense, |output, input, _| there(output, input))
        .unwrap_or_else(|| unreachable!("a weight for every place"))
}

/// Every packing that int8 has for the edges of a drawn shape.
///
/// # Errors
/// They do not fit one of them.
pub(crate) fn packings(drawn: &Drawn, shape: &Shape) -> Result<Vec<Packed>, DrawError> {
    let mut all = pack_all(&whole_numbers(&drawn.edges), shape)?;
    all.retain(|packed| packed.rescale.is_some());
    Ok(all)
}

/// Every packing that int8 has for these edges, then f32 in dense and in blocks.
fn pack_all(edges: &Edges, shape: &Shape) -> Result<Vec<Packed>, DrawError> {
    let structure = Structure::of(edges);
    let sparse = candidates(edges, &structure).into_iter().map(|(packing, _)| packing);
    // Pages and windows of up to sixteen inputs in eight and sixteen lanes, wider ones in sixteen.
    let both = [8, 16];
    let pages = structure.nm.iter().flat_map(|fit| both.map(|lanes| Packing::NMLanes { n: fit.n, m: fit.m, lanes }));
    let windows = [(8, 16, 1), (16, 16, 1), (16, 32, 1), (16, 64, 1), (16, 128, 2)].into_iter();
    let windows = windows.filter(|(_, width, _)| !structure.dense && edges.n_in() >= usize::from(*width));
    let windows = windows.map(|(lanes, width, steps)| Packing::Windows { lanes, width, steps });
    let wide_in_eight = |packing: &Packing| matches!(packing, Packing::NMLanes { m: 32 | 64, lanes: 8, .. });
    let lanes = pages.chain(windows).filter(|packing| !wide_in_eight(packing));
    let in_degree = structure.in_degrees.constant().and_then(|d| u16::try_from(d).ok()).unwrap_or(0);
    let rice = (0..=DeltaCode::MAX_RICE).map(DeltaCode::Rice).min_by_key(|code| code_bits(edges, *code));
    let coded = [DeltaCode::Nibbles].into_iter().chain(rice).map(|code| Packing::Coded { in_degree, code });
    let all =
        core::iter::once(Packing::Dense).chain(sparse.clone()).chain(lanes).chain(coded.filter(|_| !structure.dense));
    let quantisation = Quantisation { scale: 1.0, zero: 0 };
    // 2⁻¹² of the sum.
    let multipliers = (1i32 << 30).to_le_bytes().repeat(edges.n_out());
    let rescale = [multipliers, vec![-11i8 as u8; edges.n_out()]].concat();
    let int8 = PackedInt8 { rescale, clamp: (-128, 127), input: quantisation, output: quantisation };
    let failed = |error| DrawError::Pack(shape.name.clone(), error);
    let mut packed = Vec::new();
    for packing in all {
        packed.push(Packed::new(&pack_int8(edges, &[], Activation::None, packing, &int8).map_err(failed)?));
    }
    for packing in
        core::iter::once(Packing::Dense).chain(sparse.filter(|packing| matches!(packing, Packing::Block { .. })))
    {
        packed.push(Packed::new(&pack(edges, &[], Activation::None, packing).map_err(failed)?));
    }
    Ok(packed)
}

fn code_bits(edges: &Edges, code: DeltaCode) -> usize {
    let distances = edges.rows().flat_map(|(inputs, _)| {
        inputs.iter().scan(0, |next, input| {
            let distance = usize::from(*input) - *next;
            *next = usize::from(*input) + 1;
            Some(distance)
        })
    });
    distances.map(|distance| code.bits(distance)).sum()
}

fn contenders(packed: &[Packed]) -> Result<Vec<Contender<'_>>, JunctionError> {
    let mut all = Vec::new();
    for packed in packed {
        let junction = packed.junction()?;
        let accepted = kernel_list().iter().filter(|k| k.accepts_element(junction.element(), junction.packing()));
        all.extend(accepted.filter_map(|kernel| Some(Contender { junction, kernel: kernel.ready()? })));
    }
    all.sort_by_key(|contender| !contender.is_dense());
    Ok(all)
}

/// int8 answers are the scalar reference's, bit for bit.
fn check(contenders: &[Contender<'_>], x: &Inputs, y: &Outputs) {
    let mut want = y.clone();
    let reference = contenders.first().and_then(|dense| {
        let kernel = KernelSet::SCALAR.choose_for(&dense.junction).ok().flatten()?;
        kernel.run_i8(&dense.junction, &x.int8, &mut want.int8).ok()
    });
    assert!(reference.is_some(), "the scalar reference runs everywhere");
    for contender in contenders {
        let mut y = y.clone();
        assert_eq!(contender.run(x, &mut y), Ok(()), "{}", contender.name());
        let is_int8 = contender.junction.element() == Element::I8;
        assert!(!is_int8 || y.int8 == want.int8, "{}", contender.name());
    }
}

fn print(
    shape: &Shape,
    edges: &Edges,
    contenders: &[Contender<'_>],
    times: &Times,
    out: &mut dyn Write,
) -> Result<(), BenchError> {
    let dense = contenders.iter().take_while(|contender| contender.is_dense()).count();
    let Some(best_dense) = times.fastest(0..dense) else { return Ok(()) };
    writeln!(out, "\n{}, int8 ({} edges, density {:.4})", shape.name, edges.nnz(), edges.density())?;
    writeln!(
        out,
        "  {:<52} {:>9} {:>9} {:>7} {:>9} {:>7}",
        "packing and kernel", "median ns", "least ns", "ratio", "bytes", "bits/nz"
    )?;
    for (k, contender) in contenders.iter().enumerate() {
        let mark = if k == best_dense { "  best int8 dense" } else { "" };
        writeln!(
            out,
            "  {:<52} {:>9.0} {:>9.0} {:>6.2}x {:>9} {:>7.2}{mark}",
            contender.name(),
            times.median(k),
            times.least(k),
            times.ratio(best_dense, k),
            contender.bytes(),
            8.0 * contender.bytes() as f64 / edges.nnz().max(1) as f64,
        )?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing_converter::bench::shapes;

    #[test]
    fn every_contender_answers_every_pattern_rightly() {
        for shape in
            shapes::parse("100 37 dense\n100 37 rows 1/4\n400 20 rows 1/20\n96 37 block 8x4 1/4\n96 37 nm 4:16")
                .unwrap()
        {
            let mut printed = Vec::new();
            junction(&shape, Effort::TEST, &mut printed).unwrap();
            let printed = String::from_utf8(printed).unwrap();
            assert_eq!(printed.matches("best int8 dense").count(), 1, "{printed}");
        }
    }
}
