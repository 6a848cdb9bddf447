//! A name that looks like more than a name.

use std::fs;

use crate::prelude::*;

case! {
    /// The holder of a read-only alias gives the buffer a name with newlines. fdinfo of the primary then has lines `size` and `exp_name`
    /// that the reader wrote, and bufinfo a line of a buffer that does not exist. The same for a heap buffer exported O_RDONLY: the limit is older than aliases.
    "H-9", Hazard("SET_NAME takes every character from every descriptor; dma_buf_show_fdinfo() and dma_buf_debug_show() print the name as it is"),
    Exporter::HEAP, [Bufinfo], [ALIASES, EXPORTED],
    relies on [Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (other, reader) = if on.fds() == FdKind::Exported {
        let reader = s.heap_export("O_RDONLY heap buffer", 1, RDONLY)?;
        (s.dup("duplicate", &reader)?, reader)
    } else {
        let primary = s.export(on.exporter, 1)?.primary;
        let alias = s.must_derive("RO alias", &primary, RDONLY)?;
        (primary, alias)
    };
    let named = s.call(
        format!("set_name({}, \"x\\nsize:\\t1\\nexp_name:\\tforged\")", reader.name),
        |()| "ok".into(),
        || set_name(reader.as_fd(), c"x\nsize:\t1\nexp_name:\tforged"),
    );
    s.note(format!("the reader names the buffer: {}", outcome_name(&named)));
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", other.number())).or_broken("fdinfo")?;
    let forged = text.lines().any(|line| line == "size:\t1") && text.lines().any(|line| line == "exp_name:\tforged");
    s.hazard(format!("fdinfo of the {} has lines that the reader wrote", other.name), forged);
    let escaped = name_in_maps(&other).or_broken("reading maps")?.contains("\\012");
    s.note(format!(
        "/proc/self/maps shows the name {}",
        if escaped { "with its newlines escaped" } else { "otherwise" }
    ));

    let before = exporters_listed().or_broken(BUFINFO)?;
    let named = s.call(
        format!("set_name({}, \"x\\n4096\\t2\\t7\\t1\\tforged\\t9\\ty\")", reader.name),
        |()| "ok".into(),
        || set_name(reader.as_fd(), c"x\n4096\t2\t7\t1\tforged\t9\ty"),
    );
    s.note(format!("the reader names the buffer: {}", outcome_name(&named)));
    let listed = exporters_listed().or_broken(BUFINFO)?;
    let forged = listed.iter().any(|exporter| exporter == "forged") && listed.len() > before.len();
    s.hazard("bufinfo lists a buffer that does not exist", forged);
    let _ = set_name(other.as_fd(), c"");
    Ok(())
}
