//! The smallest programs of firmware/qemu: what they take, that nothing in them panics, and that nothing in them copies the model.

use std::fs;
use std::path::Path;

use lacewing_engine::{KernelSet, Model};
use object::{Object, ObjectSection, ObjectSymbol};

use super::board::{Board, BoardError, sizes};
use super::record::ProgramSize;

/// The programs without printing, and the models that they carry, from the project's root.
pub const SMALLEST: [(&str, &str); 2] =
    [("smallest", "firmware/qemu/model/head.lace"), ("smallest_int8", "engine/tests/hostile/sound-whole-int8.lace")];

/// What a program is made of, as far as it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    /// Names of its symbols.
    names: Vec<String>,
    /// Constants.
    rodata: Vec<u8>,
    /// Initial values of variables.
    data: Vec<u8>,
}

impl Board {
    /// Builds a smallest program, and tells what it takes and, in words, what should not be in it.
    ///
    /// # Errors
    /// It does not build or run, or is not the program expected; its model cannot be read.
    pub fn smallest(&self, name: &str, model: &str) -> Result<(ProgramSize, Vec<String>), BoardError> {
        let stack = self.painted_stack(name)?;
        let program = self.in_tree(name, false)?;
        let sections = sizes(&program)?;
        let path = self.root.join(model);
        let model = fs::read(&path).map_err(|error| BoardError::Io { path: path.clone(), error })?;
        let parsed = Model::parse(&model, &KernelSet::ALL)
            .map_err(|error| BoardError::Program { path, reason: error.to_string() })?;
        let scratch = parsed.scratch_len() as u64;
        let ram = sections.data + sections.bss + stack;
        let complaints = Image::read(&program)?.complaints(name, &model, ram);
        Ok((ProgramSize { name: name.into(), stack: Some(stack), scratch: Some(scratch), sections }, complaints))
    }
}

impl Image {
    pub(super) fn read(program: &Path) -> Result<Self, BoardError> {
        let wrong = |reason: String| BoardError::Program { path: program.into(), reason };
        let bytes = fs::read(program).map_err(|error| BoardError::Io { path: program.into(), error })?;
        let file = object::File::parse(&*bytes).map_err(|error| wrong(error.to_string()))?;
        let names: Vec<String> = file.symbols().filter_map(|symbol| symbol.name().ok().map(str::to_owned)).collect();
        if names.is_empty() {
            return Err(wrong("it has no symbols".into()));
        }
        let section = |name: &str| {
            let section = file.section_by_name(name).ok_or_else(|| wrong(format!("it has no section {name}")))?;
            section.data().map(<[u8]>::to_vec).map_err(|error| wrong(error.to_string()))
        };
        Ok(Self { names, rodata: section(".rodata")?, data: section(".data")? })
    }

    /// Functions that are there to panic.
    pub(super) fn panicking(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| name.contains("core") && name.contains("panicking"))
    }

    /// What should not be in a release image. `ram` is all that it uses: variables and the worst stack.
    ///
    /// The model has to lie among the constants, once, and nowhere else. It stays there: a copy needs RAM for all of it, and, since the compiler
    /// makes calls of memcpy of loops that copy, a function to copy with. A program that lacks either copies no model.
    fn complaints(&self, program: &str, model: &[u8], ram: u64) -> Vec<String> {
        let mut complaints: Vec<String> =
            self.panicking().map(|function| format!("{program} can panic: it holds {function}")).collect();
        let [constant, variable] =
            [&self.rodata, &self.data].map(|section| section.windows(model.len()).filter(|at| *at == model).count());
        if (constant, variable) != (1, 0) {
            complaints.push(format!("{program} has its model {constant} times in .rodata and {variable} in .data"));
        }
        let copying = self.names.iter().find(|name| ["memcpy", "memmove"].iter().any(|copy| name.contains(copy)));
        if let (Some(function), true) = (copying, ram >= model.len() as u64) {
            complaints.push(format!(
                "{program} can copy its model of {} bytes: it has {ram} bytes of RAM in use, and {function}",
                model.len()
            ));
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(names: &[&str]) -> Image {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Image { names, rodata: b"..model.".to_vec(), data: Vec::new() }
    }

    #[test]
    fn a_model_that_can_be_copied_is_complained_of() {
        let copying = image(&["main", "__aeabi_memcpy4"]);
        assert!(copying.complaints("it", b"model", 4).is_empty(), "no room");
        assert_eq!(copying.complaints("it", b"model", 5).len(), 1, "room, and a function");
        assert!(image(&["main"]).complaints("it", b"model", 5).is_empty(), "no function");
    }

    #[test]
    fn a_model_in_ram_or_twice_or_not_at_all_is_complained_of() {
        let variable = Image { data: b"model".to_vec(), ..image(&["main"]) };
        let twice = Image { rodata: b"modelmodel".to_vec(), ..image(&["main"]) };
        let without = Image { rodata: b"another".to_vec(), ..image(&["main"]) };
        for wrong in [variable, twice, without] {
            assert_eq!(wrong.complaints("it", b"model", 0).len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn a_function_that_panics_is_complained_of() {
        let found = image(&["main", "_ZN4core9panicking5panic17h1E"]).complaints("it", b"model", 0);
        assert!(found.len() == 1 && found.iter().all(|found| found.contains("can panic")), "{found:?}");
    }
}
