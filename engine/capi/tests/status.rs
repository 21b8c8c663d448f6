//! The numbers that C sees have the names of the engine's own refusals, one for each.

use core::ffi::CStr;
use std::collections::BTreeSet;

use lacewing::{ALL, lacewing_status, lacewing_status_text};

/// The variants of an enum as its source has them.
fn variants(source: &str, name: &str) -> Vec<String> {
    let start = source.find(&format!("pub enum {name} {{")).unwrap_or_else(|| panic!("no enum {name}"));
    let body = &source[start..];
    let end = body.find("\n}\n").expect("an enum ends");
    let lines = body[..end].lines().filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter(|line| line.starts_with(char::is_uppercase));
    names.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_refusal_of_the_engine_has_a_status_of_its_name() {
    let engine = include_str!("../../src/error.rs");
    let packet = include_str!("../../src/packet/error.rs");
    let junction = include_str!("../../../kernels/src/junction.rs");
    let mut wanted = BTreeSet::new();
    for (prefix, source, name) in [
        ("Model", engine, "Rule"),
        ("Junction", junction, "JunctionError"),
        ("Engine", engine, "EngineError"),
        ("Resume", engine, "ResumeError"),
        ("Packet", packet, "PacketError"),
    ] {
        let found = variants(source, name);
        assert!(found.len() >= 5, "{name} has only {found:?}");
        wanted.extend(found.iter().map(|variant| format!("{prefix}{variant}")));
    }
    // It carries a junction's own refusal, which has its own number.
    assert!(wanted.remove("ModelJunction"));
    let names = ALL.iter().map(|status| format!("{status:?}"));
    let found = names.filter(|name| name != "Ok" && name != "Unknown" && !name.starts_with("Caller")).collect();
    assert_eq!(wanted, found);
}

#[test]
fn the_list_of_statuses_is_complete_and_every_one_has_a_text_of_its_own() {
    let declared = variants(include_str!("../src/status.rs"), "lacewing_status");
    let listed: Vec<String> = ALL.iter().map(|status| format!("{status:?}")).collect();
    assert_eq!(declared, listed);
    let numbers: BTreeSet<u32> = ALL.iter().map(|status| *status as u32).collect();
    assert_eq!(numbers.len(), ALL.len(), "numbers are used once");
    for status in ALL {
        // SAFETY: the function gives a static C string.
        let text = unsafe { CStr::from_ptr(lacewing_status_text(*status as u32)) };
        let text = text.to_str().expect("ASCII");
        assert!(text.is_ascii() && text.ends_with('.') && text.len() < 240, "{status:?}: {text}");
    }
    assert_eq!(lacewing_status_text(77_777), lacewing_status_text(lacewing_status::Unknown as u32));
}
