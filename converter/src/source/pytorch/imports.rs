//! What a pickle imports, told from its opcodes alone: an import that leaves no trace in the values is found too.

use std::collections::HashMap;

use super::modules::Module;
use super::names;

/// The pickles in a checkpoint of the time before archives: its magic number, version, system, values and keys of storages.
const LEGACY_PICKLES: usize = 5;
/// How those begin: a magic number of ten bytes.
const LEGACY: &[u8] = &[0x80, 2, 0x8a, 10];

/// What is found of a pickle's imports.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Imports {
    /// The first that values are not made with.
    pub stranger: Option<String>,
    /// PyTorch's modules, in the order in which they are pickled: that in which `Sequential` runs them.
    pub modules: Vec<Module>,
    /// The first of PyTorch's modules that is not converted, such as `torch.nn.modules.activation.Tanh`.
    pub unsupported: Option<String>,
    /// Batch normalisations.
    pub norms: usize,
    /// ε of each that says it.
    pub epsilons: Vec<f64>,
    /// Whether what is pickled is a module itself, not a dict that may have one.
    pub is_module: bool,
}

impl Imports {
    /// With what another pickle of the same file has.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.modules.extend(other.modules);
        self.epsilons.extend(other.epsilons);
        Self {
            norms: self.norms + other.norms,
            epsilons: self.epsilons,
            stranger: self.stranger.or(other.stranger),
            unsupported: self.unsupported.or(other.unsupported),
            is_module: self.is_module || other.is_module,
            modules: self.modules,
        }
    }
}

/// What the pickles at the start of `bytes` import.
///
/// # Errors
/// They break off, or have opcodes that are not known.
pub(super) fn imports(bytes: &[u8]) -> Result<Imports, String> {
    let mut reader = Reader {
        bytes,
        pushed: Vec::new(),
        memo: HashMap::new(),
        is_start: true,
        is_norm: false,
        found: Imports::default(),
    };
    for _ in 0..if bytes.starts_with(LEGACY) { LEGACY_PICKLES } else { 1 } {
        reader.memo.clear();
        reader.is_start = true;
        while reader.opcode().ok_or("a pickle that breaks off, or of an unknown version")? {}
    }
    Ok(reader.found)
}

/// What was pushed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushed<'b> {
    Text(&'b [u8]),
    /// A class of PyTorch's modules, which something is about to be made of.
    Class(Module),
    /// A module: pushed again, it stands in two places.
    Made(Module),
}

struct Reader<'b> {
    bytes: &'b [u8],
    /// What was pushed last, as long as it was of interest.
    pushed: Vec<Pushed<'b>>,
    /// What was remembered; `None` where it is of no interest.
    memo: HashMap<usize, Option<Pushed<'b>>>,
    /// Whether nothing but texts stands before it in its pickle.
    is_start: bool,
    /// Whether the module made last is a batch normalisation that has not said its ε.
    is_norm: bool,
    found: Imports,
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    /// A little-endian number.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let taken = self.take(bytes)?;
        let number = taken.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).ok()
    }

    /// As many bytes as a number of `bytes` bytes before them says.
    fn counted(&mut self, bytes: usize) -> Option<&'b [u8]> {
        let count = self.number(bytes)?;
        self.take(count)
    }

    fn line(&mut self) -> Option<&'b [u8]> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let line = self.take(end)?;
        self.take(1).map(|_| line)
    }

    fn line_number(&mut self) -> Option<usize> {
        core::str::from_utf8(self.line()?).ok()?.trim().parse().ok()
    }

    fn import(&mut self, module: &[u8], name: &[u8]) {
        let [module, name] = [module, name].map(String::from_utf8_lossy);
        if !names::is_known(&module, &name) {
            self.found.stranger.get_or_insert(format!("{module}.{name}"));
        }
        let is_layer = names::is_layer(&module, &name);
        self.found.is_module |= is_layer && self.is_start;
        self.is_start = false;
        if !is_layer {
            return;
        }
        let class = format!("{}.{name}", module.trim_start_matches("torch.nn.modules."));
        match Module::of(&class) {
            Some(class) => self.pushed.push(Pushed::Class(class)),
            None => _ = self.found.unsupported.get_or_insert(format!("torch.nn.modules.{class}")),
        }
    }

    /// Forgets what was pushed; a class among it was used in another way than the usual one, and counts as a module.
    fn forget(&mut self) {
        for pushed in core::mem::take(&mut self.pushed) {
            if let Pushed::Class(module) = pushed {
                self.add(module);
            }
        }
    }

    /// A module that was not there before.
    fn add(&mut self, module: Module) {
        self.found.modules.push(module);
        self.is_norm = module == Module::Norm;
        self.found.norms += usize::from(self.is_norm);
    }

    fn make(&mut self) {
        let made = self.pushed.pop();
        self.forget();
        if let Some(Pushed::Class(module)) = made {
            self.add(module);
            self.pushed.push(Pushed::Made(module));
        }
    }

    /// The place in the memo that belongs to an opcode for it: a line, a byte, or four.
    fn place(&mut self, code: u8) -> Option<usize> {
        match code {
            b'g' | b'p' => self.line_number(),
            b'h' | b'q' => self.number(1),
            _ => self.number(4),
        }
    }

    fn remember(&mut self, place: usize) {
        self.memo.insert(place, self.pushed.last().copied());
    }

    fn recall(&mut self, place: usize) {
        match self.memo.get(&place) {
            Some(Some(Pushed::Made(module))) => {
                let module = *module;
                self.forget();
                self.found.modules.push(module);
            }
            Some(Some(pushed)) => self.pushed.push(*pushed),
            _ => self.forget(),
        }
    }

    /// One opcode with what belongs to it; whether more may follow, `None` where it cannot be read.
    fn opcode(&mut self) -> Option<bool> {
        let code = self.number(1)?;
        let code = u8::try_from(code).ok()?;
        match code {
            // Texts.
            b'S' | b'V' => {
                let line = self.line()?;
                self.pushed.push(Pushed::Text(line));
            }
            b'U' | 0x8c => {
                let text = self.counted(1)?;
                self.pushed.push(Pushed::Text(text));
            }
            b'T' | b'X' => {
                let text = self.counted(4)?;
                self.pushed.push(Pushed::Text(text));
            }
            0x8d => {
                let text = self.counted(8)?;
                self.pushed.push(Pushed::Text(text));
            }
            // What was remembered, and remembering it.
            b'g' | b'h' | b'j' => {
                let place = self.place(code)?;
                self.recall(place);
            }
            b'p' | b'q' | b'r' => {
                let place = self.place(code)?;
                self.remember(place);
            }
            0x94 => self.remember(self.memo.len()),
            // Imports.
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.forget();
                self.import(module, name);
            }
            0x93 => {
                let (name, module) = (self.pushed.pop(), self.pushed.pop());
                self.forget();
                match (module, name) {
                    (Some(Pushed::Text(module)), Some(Pushed::Text(name))) => self.import(module, name),
                    _ => self.import(b"something", b"with a name that it makes up"),
                }
            }
            0x82..=0x84 => {
                self.take(1 << (code - 0x82))?;
                self.import(b"copyreg", b"extension");
                self.forget();
            }
            // No arguments, and what is made of a class with them.
            b')' if matches!(self.pushed.last(), Some(Pushed::Class(_))) => {}
            0x81 => self.make(),
            _ => {
                let is_epsilon = self.is_norm && self.pushed.last() == Some(&Pushed::Text(b"eps"));
                let number = self.bytes;
                self.plain(code)?;
                if is_epsilon {
                    self.is_norm = false;
                    self.found.epsilons.extend(float(code, number));
                }
                // Frames and versions are no values.
                if !matches!(code, 0x80 | 0x95) {
                    self.is_start = false;
                    self.forget();
                }
            }
        }
        Some(code != b'.')
    }

    /// What belongs to the other opcodes.
    fn plain(&mut self, code: u8) -> Option<()> {
        match code {
            b'F' | b'I' | b'L' | b'P' => self.line(),
            b'K' | 0x80 => self.take(1),
            b'M' => self.take(2),
            b'J' => self.take(4),
            b'G' | 0x95 => self.take(8),
            b'C' | 0x8a => self.counted(1),
            b'B' | 0x8b => self.counted(4),
            0x8e | 0x96 => self.counted(8),
            b'('
            | b'.'
            | b'0'
            | b'1'
            | b'2'
            | b'N'
            | b'R'
            | b'Q'
            | b'a'
            | b'b'
            | b'd'
            | b'e'
            | b'l'
            | b'o'
            | b's'
            | b't'
            | b'u'
            | b'}'
            | b']'
            | b')'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x92
            | 0x97
            | 0x98 => self.take(0),
            _ => None,
        }
        .map(drop)
    }
}

/// The number that an opcode pushes, which `bytes` are behind; `None` where it is none that ε is pickled as.
fn float(code: u8, bytes: &[u8]) -> Option<f64> {
    match code {
        b'G' => bytes.first_chunk().map(|bytes| f64::from_be_bytes(*bytes)),
        b'F' | b'I' => core::str::from_utf8(bytes.split(|byte| *byte == b'\n').next()?).ok()?.trim().parse().ok(),
        b'K' => bytes.first().copied().map(f64::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Module, imports};

    /// Each way to import, told or refused.
    #[test]
    fn imports_are_found() {
        let cases: [(&[u8], Option<&str>); 12] = [
            (b"ctorch._utils\n_rebuild_tensor_v2\n.", None),
            (b"ccollections\nOrderedDict\n)R.", None),
            // Called, and the result thrown away.
            (b"\x80\x02cposix\nsystem\n(S'true'\ntR0}.", Some("posix.system")),
            (b"(S'true'\nios\nsystem\n.", Some("os.system")),
            (
                b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93.",
                Some("posix.system"),
            ),
            // The names in other opcodes, and remembered.
            (b"X\x05\x00\x00\x00torchq\x00U\x06Tensorq\x010h\x00h\x01\x93.", None),
            (b"V__builtin__\np0\nVeval\np1\n0g0\ng1\n\x93.", Some("__builtin__.eval")),
            (b"\x8c\x02osr\x00\x01\x00\x000j\x00\x01\x00\x00\x8d\x06\0\0\0\0\0\0\0system\x93.", Some("os.system")),
            // A name that is made up, and one from the registry of extensions.
            (b"\x8c\x02osN\x8c\x06system\x85\x93.", Some("something.with a name that it makes up")),
            (b"\x82\x01.", Some("copyreg.extension")),
            (b"ctorchvision.models\nx\n.", Some("torchvision.models.x")),
            (b"\x80\x02\x8a\x0a0123456789.\x80\x02K\x01.}.cos\nsystem\n.].", Some("os.system")),
        ];
        for (pickle, found) in cases {
            assert_eq!(imports(pickle).unwrap().stranger.as_deref(), found, "{:?}", String::from_utf8_lossy(pickle));
        }
        // Cut off anywhere, and opcodes that are none.
        let (whole, _) = cases[4];
        (0..whole.len()).for_each(|cut| assert!(imports(&whole[..cut]).is_err()));
        assert!(imports(b"\xff.").is_err() && imports(b"X\xff\xff\xff\xff.").is_err());
    }

    /// Of batch normalisations, not of an optimizer behind them.
    #[test]
    fn epsilons() {
        let norm =
            |rest: &[u8]| [&b"\x80\x02ctorch.nn.modules.batchnorm\nBatchNorm1d\n)\x81}("[..], rest, b"ub."].concat();
        let text = b"X\x03\0\0\0epsq\x07";
        let float = [b"G".as_slice(), &1e-3f64.to_be_bytes()].concat();
        for (pickle, found) in [
            (norm(&[text, &float[..]].concat()), &[1e-3][..]),
            (norm(&[text, &float[..], b"h\x07", &float].concat()), &[1e-3]),
            (norm(&[text, &b"F0.001\n"[..]].concat()), &[1e-3]),
            (norm(&[text, &b"K\0"[..]].concat()), &[0.0]),
            (norm(&[text, &b"N"[..]].concat()), &[]),
            (norm(b""), &[]),
            ([&b"}"[..], text, &float, b"s."].concat(), &[]),
        ] {
            let imports = imports(&pickle).unwrap();
            assert_eq!((&imports.epsilons[..], imports.norms), (found, usize::from(pickle[0] == 0x80)), "{pickle:?}");
        }
    }

    #[test]
    fn modules_are_told_in_their_order() {
        use Module::{Linear, Relu, Sequential};
        // A class remembered, and a module that stands in two places.
        let pickle = b"\x80\x02ctorch.nn.modules.container\nSequential\nq\x00)\x81q\x01}(X\x01\x00\x00\x000\
            ctorch.nn.modules.linear\nLinear\nq\x02)\x81q\x03}bX\x01\x00\x00\x001\
            ctorch.nn.modules.activation\nReLU\nq\x04)\x81q\x05}bX\x01\x00\x00\x002\
            h\x02)\x81q\x06}bX\x01\x00\x00\x003h\x05X\x01\x00\x00\x004h\x02)\x81q\x07}bub.";
        let found = imports(pickle).unwrap();
        assert_eq!(found.modules, [Sequential, Linear, Relu, Linear, Relu, Linear]);
        assert_eq!((found.stranger, found.unsupported, found.is_module), (None, None, true));
        // Of the fourth protocol, and in a dict.
        let class = b"\x8c\x17torch.nn.modules.linear\x94\x8c\x06Linear\x94\x93\x94)\x81";
        let start = b"\x80\x04\x95\0\0\0\0\0\0\0\0";
        for (pickle, is_module) in [
            ([&start[..], class, b"."].concat(), true),
            ([&start[..], b"}\x8c\x03net", class, b"s."].concat(), false),
            (b"ccollections\nOrderedDict\n)R(X\0\0\0\0ctorch.nn.modules.linear\nLinear\n)\x81u.".to_vec(), false),
        ] {
            let found = imports(&pickle).unwrap();
            assert_eq!((found.modules, found.is_module), (vec![Linear], is_module));
        }
        // Made in another way.
        assert_eq!(imports(b"ctorch.nn.modules.linear\nLinear\n)R.").unwrap().modules, [Linear]);
        let found = imports(b"\x80\x02ctorch.nn.modules.activation\nTanh\n)\x81.").unwrap();
        assert_eq!(found.unsupported.as_deref(), Some("torch.nn.modules.activation.Tanh"));
    }
}
