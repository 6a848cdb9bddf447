//! A C file in the parts that the census needs. tree-sitter parses files without a configuration: every branch of `#ifdef` is
//! read, and a macro that it does not know damages the syntax only near its use. Where it is damaged, the text decides.

mod enclosing;
mod second_look;
mod walk;

use harness::error::{Context, ErrorKind, Result};
use tree_sitter::Parser;

use enclosing::FunctionHeads;

/// What a file contains, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// Calls by name; not those through pointers.
    pub calls: Vec<Call>,
    /// Assignments, and declarations with a value.
    pub assignments: Vec<Assignment>,
    /// Fields of designated initialisers.
    pub fields: Vec<InitField>,
    /// Elements of initialisers that are macros: they stand where a field would.
    pub macros: Vec<Name>,
    /// Constants in capitals, in functions.
    pub constants: Vec<Name>,
}

/// Where something is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// First byte.
    pub byte: usize,
    /// Line, counted from 1.
    pub line: usize,
    /// The function around it, or the variable that is initialised. Empty at the top of a file.
    pub within: String,
    /// The branches of if, switch and loops around it, from the outside, each with a number of its own.
    pub branches: Vec<usize>,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub name: String,
    /// Its arguments as they are written, with single spaces.
    pub arguments: Vec<String>,
    /// Where.
    pub at: Position,
}

/// `object->field = value`, or `object = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// What has the field, or the variable.
    pub object: String,
    /// The field; empty if the object itself is assigned.
    pub field: String,
    /// `=`, `|=` and so on.
    pub operator: String,
    /// The right side.
    pub value: String,
    /// Where.
    pub at: Position,
}

/// `.name = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitField {
    /// The field.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where.
    pub at: Position,
}

/// A name that stands alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub name: String,
    /// Where.
    pub at: Position,
}

impl Position {
    /// Whether this is executed whenever `later`, after it in the same function, is.
    pub fn always_before(&self, later: &Position) -> bool {
        later.branches.starts_with(&self.branches)
    }
}

/// Whether a character can be part of a name in C.
pub fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether an expression is a constant that sets nothing.
pub fn is_off(value: &str) -> bool {
    matches!(value, "0" | "false")
}

/// Parses files. It is made once for each thread.
pub struct FileParser(Parser);

/// Annotations of the kernel that the grammar does not know. They are replaced by spaces.
const ANNOTATIONS: [&str; 20] = [
    "__init",
    "__exit",
    "__devinit",
    "__initdata",
    "__initconst",
    "__user",
    "__iomem",
    "__rcu",
    "__percpu",
    "__force",
    "__must_check",
    "__maybe_unused",
    "__always_unused",
    "__always_inline",
    "__sched",
    "__ref",
    "__cold",
    "noinline",
    "noinline_for_stack",
    "asmlinkage",
];

impl FileParser {
    /// A parser for C.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when tree-sitter does not accept its grammar.
    pub fn new() -> Result<Self> {
        let mut parser = Parser::new();
        let language = tree_sitter_c::LANGUAGE.into();
        parser.set_language(&language).context(ErrorKind::Internal, || "the grammar of C cannot be loaded".into())?;
        Ok(FileParser(parser))
    }

    /// Parses a file. Calls of functions that `wanted` returns true for are also found where the syntax is damaged.
    pub fn parse(&mut self, text: &str, wanted: impl Fn(&str) -> bool) -> SourceFile {
        let plain = without_annotations(text);
        let code = second_look::code_only(&plain);
        let heads = FunctionHeads::of(&code);
        // None only with a time limit or after a cancellation; neither is used.
        let Some(tree) = self.0.parse(&plain, None) else { return SourceFile::default() };
        let mut file = walk::of(&plain, &heads, tree.root_node());
        for call in second_look::calls(&code, &heads, wanted) {
            if !file.calls.iter().any(|seen| seen.at.byte == call.at.byte) {
                file.calls.push(call);
            }
        }
        file
    }
}

/// The text with spaces in place of [`ANNOTATIONS`].
fn without_annotations(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..];
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        plain += &rest[..start];
        match ANNOTATIONS.contains(&&word[..end]) {
            true => plain.extend(std::iter::repeat_n(' ', end)),
            false => plain += &word[..end],
        }
        rest = &word[end..];
    }
    plain + rest
}
