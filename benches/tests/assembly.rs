//! The inner loops of the hottest kernels, as the compiler makes them, beside those on record: a test that says what changed.
//!
//! `cargo test --release -p lacewing-benches --test assembly`; with `LACEWING_RECORD=1` it writes the record. The loops are one
//! compiler's: of another one nothing is compared, which the test says, and with `LACEWING_COMPARABLE` set, as in ci.sh, fails for.
#![cfg(target_arch = "x86_64")]

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use lacewing_benches::instructions::{COMPARABLE, comparable, compiler};

/// Functions, by the ends of their names, and where their loops are on record. Those of one source for several shapes have one name
/// and are on record together.
const KERNELS: [(&str, &str); 4] = [
    ("avx2::dense::dense", "dense"),
    ("avx2::block::block", "block"),
    ("avx2::nm::nm", "nm_lanes"),
    ("avx2::windows::windows", "windows"),
];

/// One instruction: where it stands, and what it says.
type Line = (u64, String);

/// The functions of a program, disassembled, by name: several may have one.
fn functions(program: &str) -> BTreeMap<String, Vec<Vec<Line>>> {
    let output = Command::new("objdump")
        .args(["--disassemble", "--demangle", "--no-show-raw-insn", "--disassembler-options=intel", program])
        .output()
        .expect("objdump, of binutils, runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut functions = BTreeMap::new();
    let mut name = None;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some(header) = line.strip_suffix(">:") {
            name = header.split_once(" <").map(|(_, name)| name.to_owned()).filter(|name| name.contains("avx2::"));
            if let Some(name) = &name {
                functions.entry(name.clone()).or_insert_with(Vec::new).push(Vec::new());
            }
        } else if let (Some(name), Some((address, text))) = (&name, line.trim().split_once(":\t")) {
            let address = u64::from_str_radix(address, 16).expect("an address");
            let text = text.split(" #").next().unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ");
            functions.get_mut(name).and_then(|all| all.last_mut()).expect("it has begun").push((address, text));
        }
    }
    functions
}

/// Where a jump goes.
fn target(text: &str) -> Option<u64> {
    let (jump, rest) = text.split_once(' ')?;
    if !jump.starts_with('j') {
        return None;
    }
    u64::from_str_radix(rest.split(' ').next()?, 16).ok()
}

/// Of the innermost loops of a function the one with the most FMAs, addresses taken away.
fn hottest(lines: &[Line]) -> Option<Vec<String>> {
    let at = |address: u64| lines.iter().position(|(here, _)| *here == address);
    let loops = lines.iter().enumerate().filter_map(|(last, (_, text))| {
        let first = at(target(text)?)?;
        (first <= last).then_some((first, last))
    });
    let loops: Vec<(usize, usize)> = loops.collect();
    let innermost = loops.iter().filter(|(first, last)| {
        !loops.iter().any(|other| other != &(*first, *last) && other.0 >= *first && other.1 <= *last)
    });
    let fmas = |(first, last): &(usize, usize)| lines[*first..=*last].iter().filter(|l| l.1.contains("fmadd")).count();
    let (first, last) = innermost.copied().max_by_key(fmas).filter(|found| fmas(found) > 0)?;
    let shown = lines[first..=last].iter().map(|(_, text)| match target(text) {
        Some(to) => {
            let jump = text.split(' ').next().unwrap_or_default();
            let to = if to == lines[first].0 { "the top" } else { "elsewhere" };
            format!("{jump} {to}")
        }
        None => text.clone(),
    });
    Some(renamed(&shown.collect::<Vec<_>>()))
}

/// The same instructions with their registers numbered in the order in which they appear: which ones a compiler takes changes
/// with code elsewhere.
fn renamed(lines: &[String]) -> Vec<String> {
    let (mut scalars, mut vectors) = (Vec::new(), Vec::new());
    let mut number = |name: &str| {
        let vector = ["xmm", "ymm", "zmm"].into_iter().find_map(|width| Some((width, name.strip_prefix(width)?)));
        let (seen, register, before, after) = match vector {
            Some((width, number)) => (&mut vectors, number.to_owned(), width, ""),
            None => {
                let (register, width) = scalar(name)?;
                (&mut scalars, register, "r", width)
            }
        };
        let at = seen.iter().position(|known| *known == register).unwrap_or_else(|| {
            seen.push(register);
            seen.len() - 1
        });
        Some(format!("{before}{at}{after}"))
    };
    let is_part = |c: char| c.is_ascii_alphanumeric();
    let line = |line: &String| {
        let mut out = String::new();
        let mut rest = line.as_str();
        while !rest.is_empty() {
            let (word, behind) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
            out.push_str(&number(word).unwrap_or_else(|| word.to_owned()));
            let (between, next) = behind.split_at(behind.find(is_part).unwrap_or(behind.len()));
            out.push_str(between);
            rest = next;
        }
        out
    };
    lines.iter().map(line).collect()
}

/// A register of whole numbers: its name without a width, and the width as r8's names have it.
fn scalar(name: &str) -> Option<(String, &'static str)> {
    const LEGACY: [&str; 4] = ["ax", "bx", "cx", "dx"];
    const POINTERS: [&str; 4] = ["si", "di", "bp", "sp"];
    let known = |stem: &str| LEGACY.contains(&stem) || POINTERS.contains(&stem);
    if let Some(numbered) = name.strip_prefix('r').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        let digits = numbered.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let width = ["", "d", "w", "b"].into_iter().find(|width| *width == &numbered[digits.len()..])?;
        return Some((digits.to_owned(), width));
    }
    match name.split_at_checked(1)? {
        ("r", stem) if known(stem) => Some((stem.to_owned(), "")),
        ("e", stem) if known(stem) => Some((stem.to_owned(), "d")),
        _ if known(name) => Some((name.to_owned(), "w")),
        (letter, "l") if LEGACY.contains(&&*format!("{letter}x")) => Some((format!("{letter}x"), "b")),
        _ => None,
    }
}

/// What differs: lines gone with a `-`, lines that came with a `+`, between the first and the last difference.
fn difference(was: &[String], is: &[String]) -> String {
    let same = was.iter().zip(is).take_while(|(was, is)| was == is).count();
    let (was, is) = (&was[same..], &is[same..]);
    let tail = was.iter().rev().zip(is.iter().rev()).take_while(|(was, is)| was == is).count();
    let mut said = format!("from instruction {} on:\n", same + 1);
    was[..was.len() - tail].iter().for_each(|line| writeln!(said, "- {line}").expect("a string"));
    is[..is.len() - tail].iter().for_each(|line| writeln!(said, "+ {line}").expect("a string"));
    said
}

#[test]
#[cfg_attr(debug_assertions, ignore = "the loops are those of a release: cargo test --release")]
fn the_hottest_loops_are_as_on_record() {
    let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("record/x86_64-assembly");
    let recording = std::env::var_os("LACEWING_RECORD").is_some();
    let compiler = compiler().expect("it built this");
    let required = std::env::var_os(COMPARABLE).is_some();
    let functions = functions(env!("CARGO_BIN_EXE_timed-network"));
    let mut changed = String::new();
    for (name, kernel) in KERNELS {
        let found = functions.iter().find(|(full, _)| full.ends_with(name));
        let known = || functions.keys().cloned().collect::<Vec<_>>().join("\n");
        let (_, all) = found.unwrap_or_else(|| panic!("no function {name} among\n{}", known()));
        let loops = all.iter().map(|lines| hottest(lines).unwrap_or_else(|| panic!("{name} has no loop with an FMA")));
        // In an order that is not the linker's.
        let mut loops: Vec<Vec<String>> = loops.collect();
        loops.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        let is = loops.join(&String::new());
        let path = record.join(format!("{kernel}.txt"));
        if recording {
            std::fs::write(&path, format!("{compiler}\n{}\n", is.join("\n"))).expect("the record can be written");
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the record");
        let mut was = text.lines().map(str::to_owned);
        let of = was.next().unwrap_or_default();
        let was: Vec<String> = was.collect();
        if let Err(said) = comparable(&of, &compiler, required).unwrap_or_else(|error| panic!("{kernel}: {error}")) {
            writeln!(std::io::stderr(), "{kernel}: {said}").expect("it can be said");
        } else if was != is {
            writeln!(
                changed,
                "{kernel}: {} instructions, {} on record; {}",
                is.len(),
                was.len(),
                difference(&was, &is)
            )
            .expect("a string");
        }
    }
    assert!(changed.is_empty(), "inner loops changed; if they should, record them with LACEWING_RECORD=1\n{changed}");
}

#[test]
fn the_hottest_loop_is_the_innermost_with_most_fmas() {
    let text = "0:\tpush rbx\n1:\tvfmadd231ps a\n2:\tjne 1 <f>\n3:\tvfmadd231ps b\n4:\tvfmadd231ps c\n5:\tjne 3 <f>\n6:\tjmp 0 <f>";
    let lines: Vec<Line> = text
        .lines()
        .map(|line| line.split_once(":\t").map(|(at, text)| (at.parse().expect("a number"), text.to_owned())))
        .map(|line| line.expect("two parts"))
        .collect();
    let found = hottest(&lines).expect("a loop");
    assert_eq!(found, ["vfmadd231ps b", "vfmadd231ps c", "jne the top"]);
    let other = ["vfmadd231ps b", "nop", "jne the top"].map(str::to_owned);
    assert_eq!(difference(&found, &other), "from instruction 2 on:\n- vfmadd231ps c\n+ nop\n");
}

#[test]
fn registers_are_numbered_as_they_appear() {
    let lines =
        ["mov r14,QWORD PTR [rdx+0x8]", "movzx ecx,r14w", "vfmadd132ps ymm5,ymm2,YMMWORD PTR [rcx+r14*4]", "mov al,dl"];
    let want =
        ["mov r0,QWORD PTR [r1+0x8]", "movzx r2d,r0w", "vfmadd132ps ymm0,ymm1,YMMWORD PTR [r2+r0*4]", "mov r3b,r1b"];
    assert_eq!(renamed(&lines.map(str::to_owned)), want);
    let other =
        ["mov r9,QWORD PTR [rsi+0x8]", "movzx eax,r9w", "vfmadd132ps ymm0,ymm7,YMMWORD PTR [rax+r9*4]", "mov bl,sil"];
    assert_eq!(renamed(&other.map(str::to_owned))[..3], want[..3]);
}
