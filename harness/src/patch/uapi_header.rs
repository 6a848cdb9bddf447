//! What a tree's own uAPI header says about DERIVE.
//!
//! The header decides how the ioctl is called, so a series with another number or another structure is judged in full. The
//! compiler knows where the members are; this tells it which structure to look at and whether the members are there, since
//! asking for one that is not there does not compile.

use std::sync::LazyLock;

use regex::Regex;

use crate::error::{Blame, Error, Result};

/// The header, as a path in the tree.
pub const PATH: &str = "include/uapi/linux/dma-buf.h";
const IOCTL: &str = "DMA_BUF_IOCTL_DERIVE";
/// Members that calls are made through.
const NEEDED: [&str; 2] = ["flags", "fd"];

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Derive {
    /// The header does not define the ioctl.
    Absent,
    /// It does, in a way that is not understood: why.
    Unread(String),
    /// It does, with this structure.
    Struct {
        /// Its tag.
        name: String,
        /// Its members in their order.
        members: Vec<String>,
    },
}

impl Derive {
    /// Reads a header.
    pub fn read(header: &str) -> Self {
        static COMMENT: LazyLock<Regex> = LazyLock::new(|| regex(r"(?s)/\*.*?\*/|//[^\n]*"));
        static DEFINE: LazyLock<Regex> =
            LazyLock::new(|| regex(&format!(r"(?m)^[ \t]*#[ \t]*define[ \t]+{IOCTL}\b[ \t]*([^\n]*)$")));
        static REQUEST: LazyLock<Regex> =
            LazyLock::new(|| regex(r"^_IO[RW]+\(\s*[^,()]+,\s*[^,()]+,\s*struct\s+([A-Za-z_]\w*)\s*\)$"));
        let text = COMMENT.replace_all(header, " ").replace("\\\n", " ");
        let Some(found) = DEFINE.captures(&text) else { return Derive::Absent };
        let value = found[1].trim();
        let Some(request) = REQUEST.captures(value) else {
            return Derive::Unread(format!("{IOCTL} is {value:?}, and no request with a structure"));
        };
        let name = &request[1];
        match body(&text, name).and_then(|body| members(&body)) {
            Ok(members) => Derive::Struct { name: name.to_string(), members },
            Err(why) => Derive::Unread(format!("struct {name} {why}")),
        }
    }

    /// Whether the kernel is expected to have the ioctl.
    pub fn is_there(&self) -> bool {
        *self != Derive::Absent
    }

    /// Fails if the structure has no members of the names that calls are made through.
    ///
    /// # Errors
    /// [`Blame::Patch`] with the names that are missing and those that are there.
    pub fn check(&self) -> Result<()> {
        let Derive::Struct { name, members } = self else { return Ok(()) };
        let missing: Vec<&str> = NEEDED.into_iter().filter(|wanted| !members.iter().any(|has| has == wanted)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(Blame::Patch, format!("struct {name} of the patched header has no member {}", missing.join(" and no ")))
            .cause(format!("{PATH}: it has {}", members.join(", ")))
            .next("DERIVE is called through the members flags and fd, wherever they are and however wide. Give them these names."))
    }

    /// The header of the test importer that names the structure to look at.
    pub fn for_the_importer(&self) -> String {
        let line = match self {
            Derive::Struct { name, .. } => format!("#define DBC_DERIVE_STRUCT struct {name}\n"),
            Derive::Absent | Derive::Unread(_) => String::new(),
        };
        format!("/* SPDX-License-Identifier: GPL-2.0-only */\n/* Made from {PATH} of this tree. */\n{line}")
    }
}

/// What is between the braces of a structure.
fn body(text: &str, name: &str) -> std::result::Result<String, String> {
    let start = regex(&format!(r"\bstruct\s+{name}\s*\{{")).find(text).ok_or("is defined elsewhere")?.end();
    let mut depth = 1;
    for (at, c) in text[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(text[start..start + at].to_string());
        }
    }
    Err("has no end".into())
}

fn members(body: &str) -> std::result::Result<Vec<String>, String> {
    static NESTED: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(?:struct|union)\s*\{([^{}]*)\}\s*;"));
    static ATTRIBUTE: LazyLock<Regex> =
        LazyLock::new(|| regex(r"__attribute__\s*\(\(.*?\)\)+|\b__aligned\s*\(\s*\d+\s*\)|\b__packed\b"));
    static DECLARED: LazyLock<Regex> =
        LazyLock::new(|| regex(r"^(?:[A-Za-z_]\w*\s+)+?([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*$"));
    static ANOTHER: LazyLock<Regex> = LazyLock::new(|| regex(r"^([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*$"));
    if body.lines().any(|line| line.trim_start().starts_with('#')) {
        return Err("depends on the preprocessor".into());
    }
    let mut body = body.to_string();
    // What is in an anonymous one is a member of the structure around it.
    while let Some(nested) = NESTED.captures(&body) {
        let (whole, inner) = (nested[0].to_string(), nested[1].to_string());
        body = body.replacen(&whole, &inner, 1);
    }
    let body = ATTRIBUTE.replace_all(&body, " ").into_owned();
    let mut members = Vec::new();
    for declaration in body.split(';').map(str::trim).filter(|text| !text.is_empty()) {
        for (index, part) in declaration.split(',').map(str::trim).enumerate() {
            let known = if index == 0 { &*DECLARED } else { &*ANOTHER };
            let found =
                known.captures(part).ok_or_else(|| format!("has a member {declaration:?}, which is not understood"))?;
            members.push(found[1].to_string());
        }
    }
    Ok(members)
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(body: &str) -> String {
        format!(
            "/* DMA_BUF_IOCTL_DERIVE is below */\nstruct dma_buf_derive {{\n{body}\n}};\n\
             #define DMA_BUF_IOCTL_SYNC _IOW('b', 0, struct dma_buf_sync)\n\
             #define DMA_BUF_IOCTL_DERIVE\t_IOWR(DMA_BUF_BASE, 4, struct dma_buf_derive) /* as proposed */\n"
        )
    }

    fn members(body: &str) -> Vec<String> {
        match Derive::read(&header(body)) {
            Derive::Struct { members, .. } => members,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn members_are_found_however_they_are_declared() {
        assert_eq!(members("/** @flags: fd; */\n__u32 flags;\n\t__s32 fd;"), ["flags", "fd"]);
        assert_eq!(members("__s32 fd; __u64 flags __attribute__((aligned(8)));"), ["fd", "flags"]);
        assert_eq!(members("__u32 flags, reserved[3]; // fd;\nsigned int fd;"), ["flags", "reserved", "fd"]);
        assert_eq!(members("union { __u32 flags; __u32 mode; };\n__aligned_u64 fd;"), ["flags", "mode", "fd"]);
        for body in
            ["__u32 flags : 3; __s32 fd;", "#ifdef X\n__u32 flags;\n#endif\n__s32 fd;", "struct { int a; } flags;"]
        {
            assert!(matches!(Derive::read(&header(body)), Derive::Unread(_)), "{body}");
        }
    }

    #[test]
    fn the_structure_is_the_one_that_the_request_names() {
        let text = header("__u32 flags; __s32 fd;").replace("dma_buf_derive", "dma_buf_alias");
        let Derive::Struct { name, .. } = Derive::read(&text) else { panic!() };
        assert_eq!(name, "dma_buf_alias");
        assert!(Derive::read(&text).for_the_importer().ends_with("#define DBC_DERIVE_STRUCT struct dma_buf_alias\n"));
        let elsewhere = text.replace("struct dma_buf_alias {", "struct other {");
        assert_eq!(Derive::read(&elsewhere), Derive::Unread("struct dma_buf_alias is defined elsewhere".into()));
        let number = "#define DMA_BUF_IOCTL_DERIVE _IOWR('b', 4, __u64)\n";
        assert!(matches!(Derive::read(number), Derive::Unread(why) if why.contains("no request with a structure")));
    }

    #[test]
    fn a_header_that_only_speaks_of_it_does_not_have_it() {
        for text in
            ["/* DMA_BUF_IOCTL_DERIVE */", "#define DMA_BUF_IOCTL_DERIVED _IO('b', 4)", "#define DMA_BUF_IOCTL_ALIAS 1"]
        {
            assert_eq!(Derive::read(text), Derive::Absent, "{text}");
        }
    }

    #[test]
    fn a_missing_member_is_named() {
        let error = Derive::read(&header("__u32 flags; __s32 new_fd;")).check().unwrap_err();
        assert_eq!(error.exit_code().number(), 22);
        assert_eq!(error.headline, "struct dma_buf_derive of the patched header has no member fd");
        assert!(error.cause.ends_with("it has flags, new_fd"), "{error}");
        assert!(Derive::read(&header("__s32 fd; __u64 flags; __u64 reserved[2];")).check().is_ok());
    }
}
