//! What a pickle imports, told from its opcodes alone: an import that leaves no trace in the values is found too.

use std::collections::HashMap;

/// The pickles in a checkpoint of the time before archives: its magic number, version, system, values and keys of storages.
const LEGACY_PICKLES: usize = 5;
/// How those begin: a magic number of ten bytes.
const LEGACY: &[u8] = &[0x80, 2, 0x8a, 10];

/// Packages that values of PyTorch and NumPy are made with, and what is imported from others for them.
const PACKAGES: [&str; 2] = ["torch", "numpy"];
const NAMES: [(&str, &[&str]); 6] = [
    ("collections", &["OrderedDict", "defaultdict", "Counter"]),
    ("builtins", BUILTINS),
    ("__builtin__", BUILTINS),
    ("_codecs", &["encode"]),
    ("copy_reg", &["_reconstructor"]),
    ("copyreg", &["_reconstructor"]),
];
const BUILTINS: &[&str] = &[
    "set",
    "frozenset",
    "bytearray",
    "complex",
    "int",
    "long",
    "float",
    "bool",
    "str",
    "list",
    "dict",
    "tuple",
    "object",
];

/// Modules of activations that stand where a network by names has them anyway: ReLU between layers, softmax behind the last.
const PLAIN_ACTIVATIONS: [&str; 3] = ["ReLU", "Softmax", "LogSoftmax"];

/// What is found of a pickle's imports.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Imports {
    /// The first that is none of PyTorch's or NumPy's.
    pub stranger: Option<String>,
    /// The first module of an activation that names and shapes do not tell, such as `Tanh`.
    pub activation: Option<String>,
}

/// What the pickles at the start of `bytes` import.
///
/// # Errors
/// They break off, or have opcodes that are not known.
pub(super) fn imports(bytes: &[u8]) -> Result<Imports, String> {
    let mut reader = Reader { bytes, strings: Vec::new(), memo: HashMap::new(), found: Imports::default() };
    for _ in 0..if bytes.starts_with(LEGACY) { LEGACY_PICKLES } else { 1 } {
        reader.memo.clear();
        while reader.opcode().ok_or("a pickle that breaks off, or of an unknown version")? {}
    }
    Ok(reader.found)
}

fn is_known(module: &str, name: &str) -> bool {
    let package = module.split('.').next().unwrap_or_default();
    PACKAGES.contains(&package) || NAMES.iter().any(|(known, names)| *known == module && names.contains(&name))
}

struct Reader<'b> {
    bytes: &'b [u8],
    /// What was pushed last, as long as that were texts.
    strings: Vec<&'b [u8]>,
    /// What was remembered; `None` where it is no text.
    memo: HashMap<usize, Option<&'b [u8]>>,
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
        if !is_known(&module, &name) {
            self.found.stranger.get_or_insert(format!("{module}.{name}"));
        }
        if module == "torch.nn.modules.activation" && !PLAIN_ACTIVATIONS.contains(&&*name) {
            self.found.activation.get_or_insert(name.into());
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
        self.memo.insert(place, self.strings.last().copied());
    }

    fn recall(&mut self, place: usize) {
        match self.memo.get(&place) {
            Some(Some(text)) => self.strings.push(text),
            _ => self.strings.clear(),
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
                self.strings.push(line);
            }
            b'U' | 0x8c => {
                let text = self.counted(1)?;
                self.strings.push(text);
            }
            b'T' | b'X' => {
                let text = self.counted(4)?;
                self.strings.push(text);
            }
            0x8d => {
                let text = self.counted(8)?;
                self.strings.push(text);
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
                self.import(module, name);
                self.strings.clear();
            }
            0x93 => match core::mem::take(&mut self.strings)[..] {
                [.., module, name] => self.import(module, name),
                _ => self.import(b"something", b"with a name that it makes up"),
            },
            0x82..=0x84 => {
                self.take(1 << (code - 0x82))?;
                self.import(b"copyreg", b"extension");
                self.strings.clear();
            }
            _ => {
                self.plain(code)?;
                // Frames are no values.
                if code != 0x95 {
                    self.strings.clear();
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

#[cfg(test)]
mod tests {
    use super::imports;

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
        let activation = |pickle: &[u8]| imports(pickle).unwrap().activation;
        assert_eq!(activation(b"\x80\x02ctorch.nn.modules.activation\nReLU\n."), None);
        assert_eq!(activation(b"\x80\x02ctorch.nn.modules.activation\nTanh\n."), Some("Tanh".into()));
    }
}
