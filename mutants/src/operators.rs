//! Mutation operators: single changes in the syntax of a function.
//!
//! tree-sitter parses the function; it accepts macros and kernel extensions. A change keeps the number of lines, so the lines
//! after it do not move.

use std::ops::Range;

use tree_sitter::{Node, Parser};

use super::c_tokens::{identifiers, masked};
use harness::error::{Context, ErrorKind, Result};

/// A change in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The operator.
    pub operator: &'static str,
    /// The replaced range, in bytes of the given text.
    pub range: Range<usize>,
    /// The new text.
    pub replacement: String,
    /// Description of the change.
    pub words: String,
}

/// Constants that are easily confused, each with its replacements.
const CONSTANTS: &[(&str, &[&str])] = &[
    ("EINVAL", &["EACCES"]),
    ("EACCES", &["EPERM", "EINVAL"]),
    ("EPERM", &["EACCES"]),
    ("EFAULT", &["EINVAL"]),
    ("ENOMEM", &["EINVAL"]),
    ("ENOTTY", &["EINVAL"]),
    ("EBADF", &["EINVAL"]),
    ("EMFILE", &["ENFILE"]),
    ("ENFILE", &["EMFILE"]),
    ("O_RDONLY", &["O_RDWR", "O_WRONLY"]),
    ("O_WRONLY", &["O_RDWR", "O_RDONLY"]),
    ("O_RDWR", &["O_RDONLY", "O_WRONLY"]),
    ("O_ACCMODE", &["O_RDWR", "O_WRONLY"]),
    ("O_CLOEXEC", &["O_NONBLOCK", "0"]),
    ("FMODE_READ", &["FMODE_WRITE"]),
    ("FMODE_WRITE", &["FMODE_READ"]),
    ("FMODE_NONOTIFY", &["0"]),
    ("VM_READ", &["VM_WRITE"]),
    ("VM_WRITE", &["VM_READ"]),
    ("VM_SHARED", &["VM_WRITE"]),
    ("VM_MAYWRITE", &["VM_WRITE"]),
    ("DMA_TO_DEVICE", &["DMA_FROM_DEVICE"]),
    ("DMA_FROM_DEVICE", &["DMA_TO_DEVICE"]),
    ("DMA_BIDIRECTIONAL", &["DMA_TO_DEVICE"]),
    ("true", &["false"]),
    ("false", &["true"]),
];

/// C operators that are easily confused.
const BINARY: &[(&str, &[&str], &str)] = &[
    ("<", &["<="], "boundary"),
    ("<=", &["<"], "boundary"),
    (">", &[">="], "boundary"),
    (">=", &[">"], "boundary"),
    ("==", &["!="], "boundary"),
    ("!=", &["=="], "boundary"),
    ("&&", &["||"], "and-or"),
    ("||", &["&&"], "and-or"),
    ("&", &["|"], "bits"),
    ("|", &["&"], "bits"),
    ("&=", &["|="], "bits"),
    ("|=", &["&="], "bits"),
    ("<<", &[">>"], "bits"),
    (">>", &["<<"], "bits"),
    ("+", &["-"], "arithmetic"),
    ("-", &["+"], "arithmetic"),
    ("+=", &["-="], "arithmetic"),
    ("-=", &["+="], "arithmetic"),
];

/// Annotations for sparse and the like, which tree-sitter does not know.
const ANNOTATIONS: &[&str] = &["__user", "__iomem", "__rcu", "__percpu", "__force", "__init", "__exit"];

/// All changes that the operators can make in a function. `wanted` returns whether a change may begin in a line, counted from 0
/// in this text.
///
/// # Errors
/// [`ErrorKind::Internal`] when tree-sitter does not accept its grammar.
pub fn sites(function: &str, wanted: impl Fn(usize) -> bool) -> Result<Vec<Site>> {
    let mut parser = Parser::new();
    let language = tree_sitter_c::LANGUAGE.into();
    parser.set_language(&language).context(ErrorKind::Internal, || "the grammar of C cannot be loaded".into())?;
    let mut plain = function.to_string();
    for word in identifiers(&masked(function)) {
        if ANNOTATIONS.contains(&&function[word.clone()]) {
            plain.replace_range(word.clone(), &" ".repeat(word.len()));
        }
    }
    let Some(tree) = parser.parse(&plain, None) else { return Ok(Vec::new()) };
    let mut walk = Walk { text: function, wanted: &wanted, sites: Vec::new() };
    walk.node(tree.root_node());
    Ok(walk.sites)
}

struct Walk<'a> {
    text: &'a str,
    wanted: &'a dyn Fn(usize) -> bool,
    sites: Vec<Site>,
}

impl Walk<'_> {
    fn node(&mut self, node: Node<'_>) {
        match node.kind() {
            "sizeof_expression" | "preproc_call" | "preproc_def" | "string_literal" => return,
            "if_statement" => self.condition(node, true),
            "while_statement" | "do_statement" => self.condition(node, false),
            "expression_statement" => self.statement(node),
            "return_statement" => self.result(node),
            "goto_statement" => self.remove(node, "skip-error-path"),
            "break_statement" => self.leave(node),
            "compound_statement" | "case_statement" => self.neighbours(node),
            "binary_expression" | "assignment_expression" => self.operator(node),
            "unary_expression" => self.unary(node),
            "update_expression" => self.update(node),
            "identifier" | "true" | "false" => self.constant(node),
            _ => {}
        }
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            self.node(child);
        }
    }

    fn of(&self, node: Node<'_>) -> &str {
        &self.text[node.byte_range()]
    }

    /// Adds a change, if it begins in a wanted line.
    fn add(&mut self, operator: &'static str, node: Node<'_>, replacement: String, words: String) {
        self.replace(operator, node.byte_range(), node.start_position().row, replacement, words);
    }

    fn replace(
        &mut self,
        operator: &'static str,
        range: Range<usize>,
        row: usize,
        mut replacement: String,
        words: String,
    ) {
        if !(self.wanted)(row) {
            return;
        }
        let lines = |text: &str| text.matches('\n').count();
        let missing = lines(&self.text[range.clone()]).saturating_sub(lines(&replacement));
        replacement.push_str(&"\n".repeat(missing));
        self.sites.push(Site { operator, range, replacement, words });
    }

    fn condition(&mut self, node: Node<'_>, constants: bool) {
        let Some(condition) = node.child_by_field_name("condition") else { return };
        let text = self.of(condition).to_string();
        let short = short(&text);
        self.add("negate-condition", condition, format!("(!{text})"), format!("`{short}` is negated"));
        if constants {
            // The condition is still evaluated, for its side effects.
            self.add("condition-true", condition, format!("({text} || 1)"), format!("`{short}` is always true"));
            self.add("condition-false", condition, format!("({text} && 0)"), format!("`{short}` is never true"));
        }
    }

    fn statement(&mut self, node: Node<'_>) {
        if node.named_child(0).is_some_and(|inner| {
            matches!(inner.kind(), "call_expression" | "assignment_expression" | "update_expression")
        }) {
            self.remove(node, "drop-statement");
        }
    }

    fn remove(&mut self, node: Node<'_>, operator: &'static str) {
        let words = format!("`{}` is left out", short(self.of(node)));
        self.add(operator, node, ";".into(), words);
    }

    fn leave(&mut self, node: Node<'_>) {
        // Without its break, a loop might never end.
        let mut parent = node.parent();
        while let Some(outer) = parent {
            match outer.kind() {
                "switch_statement" => return self.remove(node, "drop-break"),
                "for_statement" | "while_statement" | "do_statement" => return,
                _ => parent = outer.parent(),
            }
        }
    }

    fn result(&mut self, node: Node<'_>) {
        let Some(value) = node.named_child(0) else { return };
        let text = self.of(value).to_string();
        let mut returns = |with: &str| {
            let words = format!("`return {}` becomes `return {with}`", short(&text));
            self.add("return-value", value, with.into(), words);
        };
        match text.as_str() {
            "0" => ["-EIO", "1"].into_iter().for_each(&mut returns),
            _ => returns("0"),
        }
        // The last statement of a function is not an error path.
        let body = node.parent().filter(|parent| parent.kind() == "compound_statement");
        let outermost = body.and_then(|body| body.parent()).is_some_and(|outer| outer.kind() == "function_definition");
        if !outermost {
            self.remove(node, "skip-error-path");
        }
    }

    /// Swaps two neighbouring calls, and releases locks too early.
    fn neighbours(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        let all: Vec<Node<'_>> = node.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect();
        for pair in all.windows(2) {
            let [first, second] = pair else { continue };
            if !(self.is_call(*first) && self.is_call(*second)) || self.of(*first) == self.of(*second) {
                continue;
            }
            let between = &self.text[first.end_byte()..second.start_byte()];
            let (a, b) = (self.of(*first), self.of(*second));
            let (text, words) = (format!("{b}{between}{a}"), format!("`{}` comes before `{}`", short(b), short(a)));
            let row = [first, second].map(|node| node.start_position().row).into_iter().find(|row| (self.wanted)(*row));
            if let Some(row) = row {
                self.replace("swap-calls", first.start_byte()..second.end_byte(), row, text, words);
            }
        }
        for (index, unlock) in all.iter().enumerate() {
            let Some((name, what)) = self.call_of(*unlock) else { continue };
            if !name.contains("unlock") {
                continue;
            }
            let taken = all[..index].iter().rposition(|lock| {
                self.call_of(*lock).is_some_and(|(lock, arguments)| {
                    lock.contains("lock") && !lock.contains("unlock") && arguments == what
                })
            });
            if let Some(first) = taken.map(|lock| all[lock + 1]).filter(|first| first.id() != unlock.id()) {
                let held = &self.text[first.start_byte()..unlock.start_byte()];
                let words = format!("`{}` comes right after the lock is taken", short(self.of(*unlock)));
                let text = format!("{} {}", self.of(*unlock), held.trim_end());
                let row = unlock.start_position().row;
                self.replace("early-unlock", first.start_byte()..unlock.end_byte(), row, text, words);
            }
        }
    }

    fn is_call(&self, node: Node<'_>) -> bool {
        node.kind() == "expression_statement"
            && node
                .named_child(0)
                .is_some_and(|inner| matches!(inner.kind(), "call_expression" | "assignment_expression"))
    }

    /// Name and arguments of a statement that is a call.
    fn call_of(&self, node: Node<'_>) -> Option<(&str, &str)> {
        let call = node
            .named_child(0)
            .filter(|inner| node.kind() == "expression_statement" && inner.kind() == "call_expression")?;
        Some((self.of(call.child_by_field_name("function")?), self.of(call.child_by_field_name("arguments")?)))
    }

    fn operator(&mut self, node: Node<'_>) {
        let Some(operator) = node.child_by_field_name("operator") else { return };
        let found = BINARY.iter().find(|(from, ..)| *from == self.of(operator));
        let Some((from, others, name)) = found else { return };
        for to in *others {
            let words = format!("`{from}` becomes `{to}` in `{}`", short(self.of(node)));
            self.add(name, operator, (*to).into(), words);
        }
    }

    fn unary(&mut self, node: Node<'_>) {
        let Some(operator) = node.child_by_field_name("operator") else { return };
        let name = match self.of(operator) {
            "!" => "negate-condition",
            "~" => "bits",
            _ => return,
        };
        let words = format!("`{}` loses its `{}`", short(self.of(node)), self.of(operator));
        self.add(name, operator, " ".into(), words);
    }

    fn update(&mut self, node: Node<'_>) {
        let Some(operator) = node.child_by_field_name("operator") else { return };
        let (from, to) = if self.of(operator) == "++" { ("++", "--") } else { ("--", "++") };
        let words = format!("`{from}` becomes `{to}` in `{}`", short(self.of(node)));
        self.add("arithmetic", operator, to.into(), words);
    }

    fn constant(&mut self, node: Node<'_>) {
        let found = CONSTANTS.iter().find(|(from, _)| *from == self.of(node));
        for to in found.map_or(&[][..], |(_, others)| others) {
            let words = format!("`{}` becomes `{to}`", self.of(node));
            self.add("swap-constant", node, (*to).into(), words);
        }
    }
}

/// A piece of code on one line.
fn short(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "\
static long f(struct file *file, struct arg __user *user)
{
	if (arg.flags & ~(O_ACCMODE | O_CLOEXEC))
		return -EINVAL;
	mutex_lock(&lock);
	first(file);
	second(file,
	       1);
	mutex_unlock(&lock);
	switch (x) {
	case O_RDONLY:
		rights = FMODE_READ;
		break;
	}
	if (fd < 0)
		goto out;
	count--;
	return 0;
}
";

    fn mutants(wanted: impl Fn(usize) -> bool) -> Vec<(&'static str, String)> {
        let site = |site: Site| {
            let mut text = FUNCTION.to_string();
            text.replace_range(site.range, &site.replacement);
            assert_eq!(text.lines().count(), FUNCTION.lines().count(), "{text}");
            (site.operator, text)
        };
        sites(FUNCTION, wanted).unwrap().into_iter().map(site).collect()
    }

    #[test]
    fn every_operator_makes_its_changes() {
        let all = mutants(|_| true);
        let wanted = [
            ("negate-condition", "if (!(arg.flags & ~(O_ACCMODE | O_CLOEXEC)))"),
            ("condition-true", "if ((fd < 0) || 1)"),
            ("condition-false", "if ((fd < 0) && 0)"),
            ("bits", "arg.flags |"),
            ("bits", "flags &  (O_ACC"),
            ("bits", "O_ACCMODE & O_CLOEXEC"),
            ("swap-constant", "O_RDWR | O_CLOEXEC"),
            ("return-value", "\t\treturn 0;\n\tmutex"),
            ("skip-error-path", "O_CLOEXEC))\n\t\t;\n"),
            ("skip-error-path", "fd < 0)\n\t\t;\n"),
            ("drop-statement", "\tfirst(file);\n\t;\n\n"),
            ("swap-calls", "\tsecond(file,\n\t       1);\n\tfirst(file);\n"),
            ("early-unlock", "&lock);\n\tmutex_unlock(&lock); first(file);\n"),
            ("drop-break", "FMODE_READ;\n\t\t;\n"),
            ("boundary", "fd <= 0"),
            ("arithmetic", "count++"),
            ("return-value", "return -EIO"),
        ];
        for (operator, text) in wanted {
            assert!(
                all.iter().any(|(name, mutant)| *name == operator && mutant.contains(text)),
                "{operator}: {text}\n{all:#?}"
            );
        }
        // The last return is not an error path.
        assert_eq!(all.iter().filter(|(name, _)| *name == "skip-error-path").count(), 2);
    }

    #[test]
    fn only_wanted_lines_change() {
        let rows = |text: &str| {
            let changed = text.lines().zip(FUNCTION.lines()).enumerate().filter(|(_, (a, b))| a != b);
            changed.map(|(row, _)| row).collect::<Vec<_>>()
        };
        let all = mutants(|row| row == 14);
        assert!(!all.is_empty() && all.iter().all(|(_, text)| rows(text) == [14]), "{all:#?}");
    }
}
