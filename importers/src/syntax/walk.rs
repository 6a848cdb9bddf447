//! One walk through the syntax of a file.

use tree_sitter::Node;

use super::enclosing::FunctionHeads;
use super::{Assignment, Call, InitField, Name, Position, SourceFile};

/// Collects what is in a file.
pub fn of(text: &str, heads: &FunctionHeads, root: Node<'_>) -> SourceFile {
    let mut walk = Walk { text, heads, variable: None, branches: Vec::new(), file: SourceFile::default() };
    walk.node(root);
    walk.file
}

struct Walk<'a> {
    text: &'a str,
    heads: &'a FunctionHeads,
    /// The variable at the top of the file whose initialiser is around the node.
    variable: Option<String>,
    branches: Vec<usize>,
    file: SourceFile,
}

impl Walk<'_> {
    fn node(&mut self, node: Node<'_>) {
        match node.kind() {
            "comment" | "string_literal" | "preproc_include" => return,
            // Not code: the uses of a macro are.
            "preproc_def" | "preproc_function_def" => return,
            "init_declarator" => {
                self.declaration(node);
                if self.is_at_the_top(node) {
                    self.variable = node.child_by_field_name("declarator").and_then(|name| self.declared(name));
                    self.children(node);
                    self.variable = None;
                    return;
                }
            }
            "call_expression" => self.call(node),
            "assignment_expression" => self.assignment(node),
            "initializer_pair" => self.field(node),
            "initializer_list" => self.macros(node),
            "identifier" => self.constant(node),
            _ => {}
        }
        self.children(node);
    }

    fn children(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        if !cursor.goto_first_child() {
            return;
        }
        loop {
            let child = cursor.node();
            let branch = is_branch(node.kind(), cursor.field_name(), child.kind());
            if branch {
                self.branches.push(child.id());
            }
            if child.is_named() {
                self.node(child);
            }
            if branch {
                self.branches.pop();
            }
            if !cursor.goto_next_sibling() {
                return;
            }
        }
    }

    /// Whether a declaration begins in column 0. In a function whose syntax is damaged, the parser cannot tell.
    fn is_at_the_top(&self, node: Node<'_>) -> bool {
        self.variable.is_none() && node.parent().is_some_and(|declaration| declaration.start_position().column == 0)
    }

    /// The name in a declarator such as `*name(int a)`.
    fn declared(&self, declarator: Node<'_>) -> Option<String> {
        let mut node = declarator;
        loop {
            if node.kind() == "identifier" {
                return Some(self.of(node));
            }
            node = node.child_by_field_name("declarator").or_else(|| node.named_child(0))?;
        }
    }

    fn at(&self, node: Node<'_>) -> Position {
        Position {
            byte: node.start_byte(),
            line: node.start_position().row + 1,
            within: self.variable.clone().unwrap_or_else(|| self.heads.before(node.start_byte())),
            branches: self.branches.clone(),
        }
    }

    /// The text of a node, with single spaces.
    fn of(&self, node: Node<'_>) -> String {
        self.text[node.byte_range()].split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn call(&mut self, node: Node<'_>) {
        let function = node.child_by_field_name("function").filter(|function| function.kind() == "identifier");
        let Some(function) = function else { return };
        let Some(list) = node.child_by_field_name("arguments") else { return };
        let mut cursor = list.walk();
        let arguments = list.named_children(&mut cursor).filter(|child| child.kind() != "comment");
        let arguments = arguments.map(|argument| self.of(argument)).collect();
        let call = Call { name: self.of(function), arguments, at: self.at(function) };
        self.file.calls.push(call);
    }

    fn assignment(&mut self, node: Node<'_>) {
        let side = |name: &str| node.child_by_field_name(name);
        let (Some(left), Some(right), Some(operator)) = (side("left"), side("right"), side("operator")) else { return };
        let (object, field) = match left.kind() {
            "field_expression" => {
                let part = |name: &str| left.child_by_field_name(name).map(|part| self.of(part));
                let (Some(object), Some(field)) = (part("argument"), part("field")) else { return };
                (object, field)
            }
            _ => (self.of(left), String::new()),
        };
        self.assign(object, field, self.of(operator), right, left);
    }

    fn assign(&mut self, object: String, field: String, operator: String, value: Node<'_>, at: Node<'_>) {
        let assignment = Assignment { object, field, operator, value: self.of(value), at: self.at(at) };
        self.file.assignments.push(assignment);
    }

    /// `struct vb2_queue *q = &dev->queue;`
    fn declaration(&mut self, node: Node<'_>) {
        let side = |name: &str| node.child_by_field_name(name);
        let (Some(declarator), Some(value)) = (side("declarator"), side("value")) else { return };
        if let Some(object) = self.declared(declarator) {
            self.assign(object, String::new(), "=".into(), value, declarator);
        }
    }

    fn field(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        let designator = node.children_by_field_name("designator", &mut cursor).last();
        let name = designator.filter(|designator| designator.kind() == "field_designator");
        let name = name.and_then(|designator| designator.named_child(0));
        let (Some(name), Some(value)) = (name, node.child_by_field_name("value")) else { return };
        let field = InitField { name: self.of(name), value: self.of(value), at: self.at(name) };
        self.file.fields.push(field);
    }

    /// `DRM_GEM_SHMEM_DRIVER_OPS,` and `DRM_GEM_DMA_DRIVER_OPS_WITH_DUMB_CREATE(create),`
    fn macros(&mut self, list: Node<'_>) {
        let mut cursor = list.walk();
        for element in list.named_children(&mut cursor).collect::<Vec<_>>() {
            let name = match element.kind() {
                "call_expression" => element.child_by_field_name("function"),
                "identifier" => Some(element),
                _ => None,
            };
            if let Some(name) = name {
                let name = Name { name: self.of(name), at: self.at(name) };
                self.file.macros.push(name);
            }
        }
    }

    fn constant(&mut self, node: Node<'_>) {
        let text = &self.text[node.byte_range()];
        if !text.contains(|c: char| c.is_ascii_lowercase()) {
            let name = Name { name: text.to_string(), at: self.at(node) };
            self.file.constants.push(name);
        }
    }
}

/// Whether a child of a node is executed under a condition.
fn is_branch(parent: &str, field: Option<&str>, child: &str) -> bool {
    match parent {
        "if_statement" => matches!(field, Some("consequence" | "alternative")),
        "while_statement" | "for_statement" | "do_statement" => field == Some("body"),
        _ => child == "case_statement",
    }
}
