//! Compares compiled code: two versions of a function with the same instructions are equivalent.

use std::collections::BTreeMap;

use regex::{Captures, Regex};

use super::schemata::of_version;

/// The instructions of each function in an object file, without addresses and version numbers.
#[derive(Debug, Default)]
pub struct ObjectCode(BTreeMap<String, Vec<String>>);

impl ObjectCode {
    /// Parses the output of `objdump -dr --no-show-raw-insn`. Parts that the compiler split off (`.cold`) belong to their
    /// function.
    pub fn parse(disassembly: &str) -> Self {
        let head = Regex::new(r"^([0-9a-f]+) <([^>]+)>:$").expect("a valid pattern");
        let mut section = String::new();
        let mut starts: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        for line in disassembly.lines() {
            if let Some(name) = line.strip_prefix("Disassembly of section ") {
                section = name.trim_end_matches(':').to_string();
            } else if let Some(found) = head.captures(line) {
                let start = u64::from_str_radix(&found[1], 16).unwrap_or_default();
                starts.entry(section.clone()).or_default().push((start, found[2].to_string()));
            }
        }
        let normaliser = Normaliser::new(&starts);
        let mut functions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut current = String::new();
        for line in disassembly.lines() {
            if let Some(found) = head.captures(line) {
                current = found[2].to_string();
            } else if let Some((_, instruction)) = line.split_once(':').filter(|_| line.starts_with([' ', '\t'])) {
                let owner = current.split('.').next().unwrap_or_default();
                let line = normaliser.line(instruction.trim(), owner);
                functions.entry(owner.to_string()).or_default().push(line);
            }
        }
        // Remove the padding between functions.
        for lines in functions.values_mut() {
            while lines
                .last()
                .is_some_and(|line| line.starts_with("nop") || line.starts_with("int3") || line.contains("nopw"))
            {
                lines.pop();
            }
        }
        ObjectCode(functions)
    }

    /// The instructions of a function; `None` if it is not in the file.
    pub fn of(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Whether two functions exist and have the same instructions.
    pub fn same(&self, one: &str, other: &str) -> bool {
        self.of(one).is_some() && self.of(one) == self.of(other)
    }
}

/// Removes addresses and version numbers from instructions.
struct Normaliser<'a> {
    starts: &'a BTreeMap<String, Vec<(u64, String)>>,
    place: Regex,
    relocation: Regex,
    comment: Regex,
    page: Regex,
}

impl<'a> Normaliser<'a> {
    fn new(starts: &'a BTreeMap<String, Vec<(u64, String)>>) -> Self {
        let pattern = |text| Regex::new(text).expect("a valid pattern");
        Normaliser {
            starts,
            place: pattern(r"[0-9a-f]+ <([^>]+)>"),
            relocation: pattern(r"(\.text[\w.]*)([+-])0x([0-9a-f]+)"),
            // arm64 has numbers that begin with #, and other comments.
            comment: pattern(r"\s*(?:# |//).*$"),
            // The page of a symbol: the relocation says which symbol.
            page: pattern(r"^(adrp\s+\w+),.*$"),
        }
    }

    fn line(&self, instruction: &str, owner: &str) -> String {
        let relative = instruction.contains("_PC32") || instruction.contains("_PLT32");
        let text = self.comment.replace(instruction, "");
        let text = self.page.replace(&text, "$1");
        let text = self.place.replace_all(&text, "<$1>");
        let text = self.relocation.replace_all(&text, |found: &Captures<'_>| {
            let offset = i64::from_str_radix(&found[3], 16).unwrap_or_default();
            let offset = if &found[2] == "-" { -offset } else { offset } + if relative { 4 } else { 0 };
            self.symbol_at(&found[1], offset).unwrap_or_else(|| found[0].to_string())
        });
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match of_version(owner) {
            Some((name, _)) => text.replace(owner, name),
            None => text,
        }
    }

    /// `function+0x10` for an offset in a section.
    fn symbol_at(&self, section: &str, offset: i64) -> Option<String> {
        let offset = u64::try_from(offset).ok()?;
        let (start, name) = self.starts.get(section)?.iter().rfind(|(start, _)| *start <= offset)?;
        Some(format!("{name}+{:#x}", offset - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISASSEMBLY: &str = "
dma-buf.o:     file format elf64-x86-64


Disassembly of section .text:

0000000000000010 <f__m0>:
  10:\tpush   %rbp
  11:\tjmp    1a <f__m0+0xa>
  13:\tmovq   $0x0,-0x20(%rbp)
\t\t\t17: R_X86_64_32S\t.text+0x10
  1a:\tcall   40 <helper>
  1f:\tret
  20:\tnopw   0x0(%rax,%rax,1)

0000000000000030 <f__m12>:
  30:\tpush   %rbp
  31:\tjmp    3a <f__m12+0xa>
  33:\tmovq   $0x0,-0x20(%rbp)
\t\t\t37: R_X86_64_32S\t.text+0x30
  3a:\tcall   40 <helper>
  3f:\tret

0000000000000040 <helper>:
  40:\tret

0000000000000050 <f__m2>:
  50:\tpush   %rbp
  51:\tjmp    5a <f__m2+0xa>
  53:\tmovq   $0x0,-0x20(%rbp)
\t\t\t57: R_X86_64_32S\t.text+0x50
  5a:\tcall   40 <helper>
  5f:\tret

Disassembly of section .text.unlikely:

0000000000000000 <f__m2.cold>:
   0:\tjmp    5 <f__m2.cold+0x5>
\t\t\t1: R_X86_64_PC32\t.text+0x56
";

    #[test]
    fn versions_with_the_same_code_are_the_same() {
        let code = ObjectCode::parse(DISASSEMBLY);
        assert!(code.same("f__m0", "f__m12"), "{code:#?}");
        assert!(!code.same("f__m0", "f__m2"), "its cold part is its own");
        assert!(!code.same("f__m0", "helper") && !code.same("gone", "gone"));
        assert_eq!(code.of("f__m2").unwrap().last().unwrap(), "R_X86_64_PC32 f+0xa");
    }

    #[test]
    fn on_arm64_numbers_count_and_comments_do_not() {
        let function = |name: &str, number: &str| {
            format!(
                "0000000000000010 <{name}>:\n  10:\tb.ne\t54 <{name}+0x4>  // b.any\n  14:\tadrp\tx3, 0 <{name}>\n\
                 \t\t\t4: R_AARCH64_ADR_PREL_PG_HI21\t.rodata\n  18:\tmov\tw0, {number}            \t// #-22\n\n"
            )
        };
        let versions = [("f__m0", "#0xffffffea"), ("f__m1", "#0xffffffea"), ("f__m2", "#0xfffffff3")];
        let text: String = versions.iter().map(|(name, number)| function(name, number)).collect();
        let code = ObjectCode::parse(&format!("Disassembly of section .text:\n\n{text}"));
        assert!(code.same("f__m0", "f__m1") && !code.same("f__m0", "f__m2"), "{code:#?}");
    }
}
