//! The part of GitHub's expressions that the workflows use. Whatever else somebody writes is an error, never an empty text.

use serde_json::Value;

/// What an expression can ask for.
pub trait Context {
    /// The value of a name such as `matrix` or `env`.
    fn named(&self, name: &str) -> Result<Value, String>;
    /// A property that its object does not have.
    fn absent(&self, path: &str) -> Result<Value, String>;
    /// always(), success(), failure(), cancelled(), hashFiles().
    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String>;
}

/// Functions that [`Context::call`] answers.
const OUTSIDE: [&str; 5] = ["always", "success", "failure", "cancelled", "hashFiles"];
const INSIDE: [&str; 2] = ["fromJSON", "join"];

#[derive(Debug)]
pub enum Expr {
    Literal(Value),
    Name(String),
    Property(Box<Expr>, String),
    /// `.*`: what follows is taken of each element.
    Each(Box<Expr>),
    Call(String, Vec<Expr>),
    Not(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
}

/// Text with `${{ }}` in it: a value if that is the whole of it, else text.
pub fn template(text: &str, context: &dyn Context) -> Result<Value, String> {
    let pieces = pieces(text)?;
    if let [Piece::Expr(expr)] = pieces.as_slice() {
        return expr.value(context);
    }
    let mut whole = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => whole.push_str(text),
            Piece::Expr(expr) => whole.push_str(&self::text(&expr.value(context)?)?),
        }
    }
    Ok(whole.into())
}

pub enum Piece<'a> {
    Text(&'a str),
    Expr(Expr),
}

/// Takes text with `${{ }}` apart.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let (mut rest, mut pieces) = (text, Vec::new());
    while let Some((before, behind)) = rest.split_once("${{") {
        let (inside, after) = behind.split_once("}}").ok_or_else(|| format!("no end of an expression in {text:?}"))?;
        pieces.extend((!before.is_empty()).then_some(Piece::Text(before)));
        pieces.push(Piece::Expr(parse(inside)?));
        rest = after;
    }
    pieces.extend((!rest.is_empty()).then_some(Piece::Text(rest)));
    Ok(pieces)
}

/// The expression of an `if:`, with or without `${{ }}`.
pub fn condition(text: &str) -> Result<Expr, String> {
    let inner = text.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
    parse(inner.unwrap_or(text))
}

/// As GitHub writes a value into text.
pub fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(format!("{value} is no text")),
    }
}

pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => true,
    }
}

impl Expr {
    pub fn value(&self, context: &dyn Context) -> Result<Value, String> {
        match self {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Name(name) => context.named(name),
            Expr::Each(inner) => inner.value(context),
            Expr::Property(inner, name) => {
                let value = inner.value(context)?;
                match (&**inner, value) {
                    (Expr::Each(_), Value::Array(list)) => {
                        let property = |element: Value| match element.get(name) {
                            Some(value) => Ok(value.clone()),
                            None => context.absent(&format!("{}.{name}", inner.path())),
                        };
                        list.into_iter().map(property).collect()
                    }
                    (_, Value::Object(object)) if object.contains_key(name) => Ok(object[name].clone()),
                    (_, Value::Object(_)) => context.absent(&format!("{}.{name}", inner.path())),
                    (_, other) => Err(format!("{other} has no {name}")),
                }
            }
            Expr::Not(inner) => Ok((!truthy(&inner.value(context)?)).into()),
            Expr::Binary("&&", left, right) => {
                let left = left.value(context)?;
                if truthy(&left) { right.value(context) } else { Ok(left) }
            }
            Expr::Binary("||", left, right) => {
                let left = left.value(context)?;
                if truthy(&left) { Ok(left) } else { right.value(context) }
            }
            Expr::Binary(operator, left, right) => {
                let (left, right) = (left.value(context)?, right.value(context)?);
                // GitHub would make numbers of both.
                if std::mem::discriminant(&left) != std::mem::discriminant(&right) {
                    return Err(format!("{left} and {right} are compared, which are not of a kind"));
                }
                Ok(((left == right) == (*operator == "==")).into())
            }
            Expr::Call(name, args) => {
                let args = args.iter().map(|arg| arg.value(context)).collect::<Result<Vec<_>, _>>()?;
                match (name.as_str(), args.as_slice()) {
                    ("fromJSON", [Value::String(text)]) => {
                        serde_json::from_str(text).map_err(|error| format!("fromJSON({text:?}): {error}"))
                    }
                    ("join", [Value::Array(list), Value::String(between)]) => {
                        let words = list.iter().map(text).collect::<Result<Vec<_>, _>>()?;
                        Ok(words.join(between).into())
                    }
                    _ => context.call(name, &args),
                }
            }
        }
    }

    /// Whether it asks how the steps before it ended. If not, GitHub puts `success() &&` before it.
    pub fn asks_for_status(&self) -> bool {
        match self {
            Expr::Literal(_) | Expr::Name(_) => false,
            Expr::Property(inner, _) | Expr::Each(inner) | Expr::Not(inner) => inner.asks_for_status(),
            Expr::Binary(_, left, right) => left.asks_for_status() || right.asks_for_status(),
            Expr::Call(name, args) => {
                matches!(name.as_str(), "always" | "success" | "failure" | "cancelled")
                    || args.iter().any(Expr::asks_for_status)
            }
        }
    }

    fn path(&self) -> String {
        match self {
            Expr::Name(name) => name.clone(),
            Expr::Property(inner, name) => format!("{}.{name}", inner.path()),
            Expr::Each(inner) => format!("{}.*", inner.path()),
            _ => "(...)".into(),
        }
    }
}

pub fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { rest: text.trim() };
    let expr = parser.either()?;
    if parser.rest.is_empty() { Ok(expr) } else { Err(format!("{text:?}: what is {:?}?", parser.rest)) }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn either(&mut self) -> Result<Expr, String> {
        let mut left = self.both()?;
        while self.take("||") {
            left = Expr::Binary("||", left.into(), self.both()?.into());
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expr, String> {
        let mut left = self.comparison()?;
        while self.take("&&") {
            left = Expr::Binary("&&", left.into(), self.comparison()?.into());
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let left = self.not()?;
        for operator in ["==", "!="] {
            if self.take(operator) {
                return Ok(Expr::Binary(operator, left.into(), self.not()?.into()));
            }
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, String> {
        if self.take("!") { Ok(Expr::Not(self.not()?.into())) } else { self.value() }
    }

    fn value(&mut self) -> Result<Expr, String> {
        if self.take("(") {
            let inner = self.either()?;
            return if self.take(")") { Ok(inner) } else { Err(format!("no ) before {:?}", self.rest)) };
        }
        if let Some(behind) = self.rest.strip_prefix('\'') {
            let (literal, rest) = behind.split_once('\'').ok_or("a text without an end")?;
            if rest.starts_with('\'') {
                return Err("a quote in a text: not known here".into());
            }
            self.rest = rest.trim_start();
            return Ok(Expr::Literal(literal.into()));
        }
        let name = self.word()?;
        if matches!(name, "true" | "false") {
            return Ok(Expr::Literal((name == "true").into()));
        }
        if self.take("(") {
            return self.arguments(name);
        }
        self.properties(Expr::Name(name.into()))
    }

    fn properties(&mut self, mut expr: Expr) -> Result<Expr, String> {
        while self.take(".") {
            expr =
                if self.take("*") { Expr::Each(expr.into()) } else { Expr::Property(expr.into(), self.word()?.into()) };
        }
        Ok(expr)
    }

    fn arguments(&mut self, name: &str) -> Result<Expr, String> {
        if !OUTSIDE.contains(&name) && !INSIDE.contains(&name) {
            return Err(format!("the function {name}() is not known here"));
        }
        let mut args = Vec::new();
        while !self.take(")") {
            args.push(self.either()?);
            if !self.take(",") && !self.rest.starts_with(')') {
                return Err(format!("no ) before {:?}", self.rest));
            }
        }
        self.properties(Expr::Call(name.into(), args))
    }

    fn word(&mut self) -> Result<&'a str, String> {
        let end =
            self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if !word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(format!("{:?} is not known here", self.rest));
        }
        self.rest = rest.trim_start();
        Ok(word)
    }
}
